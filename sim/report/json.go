package report

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
)

var numbers = regexp.MustCompile(`\[\s*-?[0-9][-+.eE0-9\s,]*\]`)
var spaces = regexp.MustCompile(`\s+`)

// writeJSON writes JSON for people, too: lists of numbers on one line.
func writeJSON[R any](w io.Writer, r *R) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(r); err != nil {
		return err
	}
	_, err := w.Write(numbers.ReplaceAllFunc(b.Bytes(), func(list []byte) []byte { return spaces.ReplaceAll(list, nil) }))
	return err
}
