package workloads

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lines reads a text trace line by line. LF, CRLF and a byte order mark are accepted; a line
// longer than bufferBytes is an error.
type lines struct {
	in      *bufio.Reader
	text    []byte // the line without its end; valid until the next call of next
	number  int    // of the line, 1-based
	open    bool   // the file ended without the line's LF
	failure error
}

func newLines(r io.Reader) *lines {
	in := bufio.NewReaderSize(r, bufferBytes)
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3) // three bytes were just peeked
	}
	return &lines{in: in}
}

// next moves to the next line that is not blank; false at the end or at a fault, see err.
func (l *lines) next() bool {
	for l.failure == nil {
		text, err := l.in.ReadSlice('\n')
		if len(text) == 0 && err != nil {
			l.failure = err
			return false
		}
		l.number++
		if err != nil && !errors.Is(err, io.EOF) {
			l.failure = err
			return false
		}
		l.open = err != nil
		if l.text = bytes.TrimRight(text, "\r\n"); len(bytes.TrimSpace(l.text)) > 0 {
			return true
		}
	}
	return false
}

// err returns what ended the reading, with its line; nil at the end of the file.
func (l *lines) err() error {
	switch {
	case l.failure == nil || errors.Is(l.failure, io.EOF):
		return nil
	case errors.Is(l.failure, bufio.ErrBufferFull):
		return atLine(fmt.Errorf("line longer than %d bytes", bufferBytes), l.number)
	}
	return atLine(l.failure, l.number)
}

// fault places err at the current line. A fault of a last line without its end may be a cut file,
// so it is ErrTruncated as well.
func (l *lines) fault(err error) error {
	if l.open {
		err = fmt.Errorf("%w; %w", err, ErrTruncated)
	}
	return atLine(err, l.number)
}

// firstLines returns up to most lines of head that are whole and not blank; the last line counts
// as whole when head is the entire file.
func firstLines(head []byte, most int) [][]byte {
	if len(head) >= headBytes {
		head = head[:bytes.LastIndexByte(head, '\n')+1]
	}
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	var found [][]byte
	for line := range bytes.Lines(head) {
		if line = bytes.TrimSpace(line); len(line) > 0 && len(found) < most {
			found = append(found, line)
		}
	}
	return found
}

// requests yields the request that parse leaves in row for each line, until one is at fault.
func (l *lines) requests(row *row, parse func(line []byte) error, yield func(Request, error) bool) {
	for l.next() {
		if err := parse(l.text); err != nil {
			yield(Request{}, l.fault(err))
			return
		}
		if !yield(row.Request, nil) {
			return
		}
	}
	if err := l.err(); err != nil {
		yield(Request{}, err)
	}
}
