package report

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"

	"github.com/foliocache/folio/sim"
)

func init() {
	register(Format{"json", "everything, schema " + sim.Schema, func(w io.Writer, r *sim.Result) error { return writeIndented(w, r) }})
}

var numbers = regexp.MustCompile(`\[\s*-?[0-9][-+.eE0-9\s,]*\]`)
var spaces = regexp.MustCompile(`\s+`)

// writeIndented writes JSON for people, too: lists of numbers on one line.
func writeIndented(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(numbers.ReplaceAllFunc(b.Bytes(), func(list []byte) []byte { return spaces.ReplaceAll(list, nil) }))
	return err
}
