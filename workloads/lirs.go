package workloads

import (
	"bytes"
	"io"
	"iter"
)

func init() {
	register(Format{
		Name:  "lirs",
		Doc:   "text of the LIRS paper: one decimal id a line; blank lines and markers such as * are ignored",
		Text:  true,
		Read:  readLIRS,
		Sniff: sniffLIRS,
	})
}

// readLIRS yields one id a line. Lines of asterisks mark intervals and are no requests.
// Source: S. Jiang and X. Zhang, LIRS, SIGMETRICS 2002, whose traces have this form.
func readLIRS(r io.Reader, _ Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		in := newLines(r)
		for in.next() {
			text := bytes.TrimSpace(in.text)
			if isMarker(text) {
				continue
			}
			id, err := parseUint(text)
			if err != nil {
				yield(Request{}, in.fault(err))
				return
			}
			if !yield(Request{ID: id}, nil) {
				return
			}
		}
		if err := in.err(); err != nil {
			yield(Request{}, err)
		}
	}
}

func isMarker(line []byte) bool { return len(bytes.Trim(line, "*")) == 0 }

func sniffLIRS(head []byte) bool {
	ids := 0
	for _, line := range firstLines(head, 8) {
		if isMarker(line) {
			continue
		}
		if _, err := parseUint(line); err != nil {
			return false
		}
		ids++
	}
	return ids > 0
}
