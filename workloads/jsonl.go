package workloads

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"
)

func init() {
	register(Format{
		Name:       "jsonl",
		Doc:        "one JSON object a line, its members named as the columns of csv",
		Extensions: []string{".jsonl"},
		Text:       true,
		Read:       readJSONL,
		Sniff:      sniffJSONL,
		Write:      func(w io.Writer) Sink { return &jsonlSink{out: bufio.NewWriter(w)} },
	})
}

// readJSONL yields one request a line; see readCSV for what need not be given. Numbers may be
// JSON numbers or strings, so that ids beyond 2^53 survive other tools.
func readJSONL(r io.Reader, _ Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		in, reader := newLines(r), &jsonlReader{row: newRow()}
		in.requests(reader.row, reader.line, yield)
	}
}

// jsonlReader reads flat objects, and nothing else, several times faster than encoding/json does.
type jsonlReader struct {
	row  *row
	rest []byte // of the line
}

// line reads one object.
func (j *jsonlReader) line(line []byte) error {
	last := j.row.Time
	j.row.begin()
	j.rest = line
	if !j.skip('{') {
		return fmt.Errorf("%s is no JSON object", clip(line))
	}
	if !j.skip('}') {
		if err := j.members(); err != nil {
			return err
		}
	}
	if j.rest = bytes.TrimLeft(j.rest, " \t"); len(j.rest) > 0 {
		return fmt.Errorf("%s after the object", clip(j.rest))
	}
	return j.row.end(last)
}

// members reads up to and including the closing brace.
func (j *jsonlReader) members() error {
	for {
		name, err := j.text()
		if err != nil {
			return err
		}
		index, err := fieldNamed(name)
		if err != nil {
			return err
		}
		if !j.skip(':') {
			return fmt.Errorf("not JSON: %s has no value", name)
		}
		if err := j.member(index); err != nil {
			return err
		}
		if j.skip('}') {
			return nil
		}
		if !j.skip(',') {
			return fmt.Errorf("not JSON: no comma before %s", clip(j.rest))
		}
	}
}

// skip passes blanks and then c, if it comes next.
func (j *jsonlReader) skip(c byte) bool {
	j.rest = bytes.TrimLeft(j.rest, " \t")
	if len(j.rest) == 0 || j.rest[0] != c {
		return false
	}
	j.rest = j.rest[1:]
	return true
}

// member reads a value; null is one that is not given.
func (j *jsonlReader) member(index int) error {
	j.rest = bytes.TrimLeft(j.rest, " \t")
	if len(j.rest) > 0 && j.rest[0] == '"' {
		value, err := j.text()
		if err != nil {
			return err
		}
		return j.row.set(index, value)
	}
	end := bytes.IndexAny(j.rest, ",} \t")
	if end < 0 {
		end = len(j.rest)
	}
	value := j.rest[:end]
	if end > 0 && (value[0] == '{' || value[0] == '[') || !json.Valid(value) {
		return fmt.Errorf("not JSON: %s: %s is no plain value", fields[index].name, clip(value))
	}
	j.rest = j.rest[end:]
	if string(value) == "null" {
		return nil
	}
	return j.row.set(index, value)
}

// text reads a string. One with an escape, or beyond ASCII, is left to encoding/json.
func (j *jsonlReader) text() ([]byte, error) {
	if !j.skip('"') {
		return nil, fmt.Errorf("not JSON: %s is no string", clip(j.rest))
	}
	plain := true
	for i, c := range j.rest {
		switch {
		case c == '"' && plain:
			text := j.rest[:i]
			j.rest = j.rest[i+1:]
			return text, nil
		case c == '"' && !escaped(j.rest[:i]):
			return j.decode(i)
		case c == '\\' || c < ' ' || c > '~':
			plain = false
		}
	}
	return nil, errors.New("not JSON: a string is not closed")
}

// escaped reports whether what follows text has an odd number of backslashes before it.
func escaped(text []byte) bool {
	return (len(text)-len(bytes.TrimRight(text, "\\")))%2 == 1
}

// decode reads the string that ends at rest[end].
func (j *jsonlReader) decode(end int) ([]byte, error) {
	var text string
	quoted := append(append([]byte{'"'}, j.rest[:end]...), '"')
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	j.rest = j.rest[end+1:]
	return []byte(text), nil
}

func sniffJSONL(head []byte) bool {
	first := firstLines(head, 1)
	if len(first) == 0 || first[0][0] != '{' {
		return false
	}
	reader := &jsonlReader{row: newRow()}
	return reader.line(first[0]) == nil
}

// jsonlSink writes every field that is not zero.
type jsonlSink struct {
	inOrder
	out  *bufio.Writer
	line []byte
}

// Write writes one object. A text that is no UTF-8 is ErrUnsupported.
func (s *jsonlSink) Write(r Request) error {
	if err := s.admit(&r); err != nil {
		return fmt.Errorf("jsonl: %w: %w", ErrUnsupported, err)
	}
	s.line = append(s.line[:0], '{')
	zero := Request{Op: r.Op}
	var before []byte
	for _, f := range written(r.Paginated()) {
		start := len(s.line)
		s.line = f.write(s.line, &r)
		value := string(s.line[start:])
		before = f.write(before[:0], &zero)
		s.line = s.line[:start]
		if optional := f.name != "id" && f.name != "op" && f.name != "offset"; optional && value == string(before) {
			continue
		}
		if err := s.member(f, value); err != nil {
			return err
		}
	}
	s.line = append(s.line, '}', '\n')
	_, err := s.out.Write(s.line)
	return err
}

func (s *jsonlSink) member(f *field, value string) error {
	if len(s.line) > 1 {
		s.line = append(s.line, ',')
	}
	s.line = append(append(append(s.line, '"'), f.name...), '"', ':')
	if !f.text {
		s.line = append(s.line, value...)
		return nil
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("jsonl: %w: %s is no UTF-8", ErrUnsupported, clip([]byte(value)))
	}
	text, err := json.Marshal(value)
	s.line = append(s.line, text...)
	return err
}

// Close writes what is buffered.
func (s *jsonlSink) Close() error { return s.out.Flush() }
