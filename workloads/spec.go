package workloads

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// generatorPrefix begins the spec of a generator.
const generatorPrefix = "gen:"

// spec is a parsed FORMAT:PATH?options or a bare PATH.
type spec struct {
	format, path, options string // format is empty in a bare PATH
}

// parseSpec splits text. A prefix that is no format's name is part of the path if such a file
// exists, else ErrUnknownFormat. Only formats with options have their "?" split off.
func parseSpec(text string) (spec, error) {
	name, path, found := strings.Cut(text, ":")
	if !found || strings.ContainsAny(name, `/\`) || name == "" {
		return spec{path: text}, nil
	}
	f, err := FormatNamed(name)
	if err != nil {
		if _, missing := os.Stat(text); missing == nil {
			return spec{path: text}, nil
		}
		return spec{}, err
	}
	s := spec{format: name, path: path}
	if i := strings.LastIndexByte(path, '?'); i >= 0 && len(f.Params) > 0 {
		s.path, s.options = path[:i], path[i+1:]
	}
	return s, nil
}

// resolve finds the format of a spec whose file begins, decompressed, with head.
func (s spec) resolve(head []byte) (Format, error) {
	if s.format != "" {
		return FormatNamed(s.format)
	}
	extension := filepath.Ext(packedName(s.path))
	for _, f := range Formats() {
		if slices.Contains(f.Extensions, strings.ToLower(extension)) {
			if f.Name == "csv" && formats["pages"].Sniff(head) {
				return FormatNamed("pages")
			}
			return f, nil
		}
	}
	return Format{}, s.unknown(extension, head)
}

func (s spec) unknown(extension string, head []byte) error {
	advice := "say FORMAT:PATH with one of " + strings.Join(formatNames(), " ")
	if like := Looks(head); len(like) > 0 {
		advice = fmt.Sprintf("it looks like %s: say %s:%s", strings.Join(like, " or "), like[0], s.path)
	}
	return fmt.Errorf("%w: the name ends in %q; %s", ErrUnknownFormat, extension, advice)
}

// packedName is the base name of path without the ending of a compression.
func packedName(path string) string {
	name := filepath.Base(path)
	for _, c := range compressions {
		if short, ok := strings.CutSuffix(name, "."+c.name); ok && short != "" {
			return short
		}
	}
	return name
}

// plain strips the operation and path that the fs errors repeat, since Error names the path.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
