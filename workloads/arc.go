package workloads

import (
	"fmt"
	"io"
	"iter"
	"math"
)

func init() {
	register(Format{
		Name:       "arc",
		Doc:        "text of the ARC paper: first_block count ignored request_no; expands to count keys",
		Extensions: []string{".lis"},
		Text:       true,
		Read:       readARC,
		Sniff:      sniffARC,
	})
}

// maxExtent bounds the blocks of one line, so that a corrupt count is an error, not a flood.
const maxExtent = 1 << 24

// extent is one line of an ARC trace: count blocks from first on.
type extent struct{ first, count uint64 }

// readARC yields every block of every line, in order.
// Source: N. Megiddo and D. Modha, ARC, FAST'03, whose traces have this form.
func readARC(r io.Reader, _ Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		for e, err := range readExtents(r) {
			if err != nil {
				yield(Request{}, err)
				return
			}
			for i := range e.count {
				if !yield(Request{ID: e.first + i}, nil) {
					return
				}
			}
		}
	}
}

// readExtents yields the lines of an ARC trace unexpanded.
func readExtents(r io.Reader) iter.Seq2[extent, error] {
	return func(yield func(extent, error) bool) {
		in := newLines(r)
		for in.next() {
			e, err := parseExtent(in.text)
			if err != nil {
				yield(extent{}, in.fault(err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := in.err(); err != nil {
			yield(extent{}, err)
		}
	}
}

func parseExtent(line []byte) (extent, error) {
	var fields [4]uint64
	rest := line
	for i := range fields {
		var field []byte
		if field, rest = cutField(rest); len(field) == 0 {
			return extent{}, fmt.Errorf("%s has %d of 4 fields", clip(line), i)
		}
		n, err := parseUint(field)
		if err != nil {
			return extent{}, fmt.Errorf("field %d: %w", i+1, err)
		}
		fields[i] = n
	}
	if field, _ := cutField(rest); len(field) > 0 {
		return extent{}, fmt.Errorf("%s has more than 4 fields", clip(line))
	}
	e := extent{fields[0], fields[1]}
	return e, e.check()
}

func (e extent) check() error {
	switch {
	case e.count == 0 || e.count > maxExtent:
		return fmt.Errorf("a count of %d is not between 1 and %d", e.count, maxExtent)
	case e.first > math.MaxUint64-(e.count-1):
		return fmt.Errorf("%d blocks from %d on end beyond 2^64-1", e.count, e.first)
	}
	return nil
}

// cutField cuts the first field of a line whose fields are set apart by blanks or tabs.
func cutField(line []byte) (field, rest []byte) {
	start := 0
	for start < len(line) && isBlank(line[start]) {
		start++
	}
	end := start
	for end < len(line) && !isBlank(line[end]) {
		end++
	}
	return line[start:end], line[end:]
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func sniffARC(head []byte) bool {
	found := firstLines(head, 3)
	for _, line := range found {
		if _, err := parseExtent(line); err != nil {
			return false
		}
	}
	return len(found) > 0
}
