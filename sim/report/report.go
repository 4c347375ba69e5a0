// Package report writes results of the simulator: for people, for spreadsheets, for benchstat
// and for other programs. A format is one file that registers itself.
package report

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/foliocache/folio/sim"
)

// Format writes a whole result.
type Format struct {
	Name, Doc string
	Write     func(w io.Writer, r *sim.Result) error
}

var formats = map[string]Format{}

func register(f Format) { formats[f.Name] = f }

// Named returns a format; an unknown name is an error that lists the known ones.
func Named(name string) (Format, error) {
	f, ok := formats[name]
	if !ok {
		return f, fmt.Errorf("%w: no output format %q; there are %s", sim.ErrConfig, name, strings.Join(Names(), " "))
	}
	return f, nil
}

// Names returns the formats' names.
func Names() []string {
	names := make([]string, 0, len(formats))
	for n := range formats {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
