package workloads

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

func init() {
	register(Format{
		Name:       "csv",
		Doc:        "CSV whose header names its columns: time_s|time_ms op id|key|list scope variant offset limit cursor page rows total size load_ms position",
		Extensions: []string{".csv"},
		Text:       true,
		Read:       readCSV,
		Sniff:      sniffCSV,
		Write:      func(w io.Writer) Sink { return &csvSink{out: bufio.NewWriter(w)} },
	})
}

// readCSV yields one request a line. Columns may stand in any order; id or list (or key, a text
// that is hashed to an id) must be there. Not given: op is read, scope public, limit 20, and page
// and offset follow from each other. Values may be quoted, but hold no line break.
func readCSV(r io.Reader, _ Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		in, reader := newLines(r), &csvReader{row: newRow()}
		if in.next() {
			if err := reader.header(in.text); err != nil {
				yield(Request{}, in.fault(err))
				return
			}
		}
		in.requests(reader.row, reader.line, yield)
	}
}

type csvReader struct {
	columns []int // indexes of fields
	cells   csvCells
	row     *row
}

func (c *csvReader) header(line []byte) error {
	cells, err := c.cells.split(line)
	if err != nil {
		return err
	}
	var seen fieldSet
	for _, cell := range cells {
		name := bytes.TrimSpace(cell)
		index, err := fieldNamed(name)
		if err != nil {
			return err
		}
		if bit := fieldSet(1) << index; seen.has(bit) {
			return fmt.Errorf("column %s stands twice", name)
		} else {
			seen |= bit
		}
		c.columns = append(c.columns, index)
	}
	if !seen.has(keyFields | listFields) {
		return errors.New("there is no column id, key or list")
	}
	return nil
}

func (c *csvReader) line(line []byte) error {
	cells, err := c.cells.split(line)
	if err != nil {
		return err
	}
	if len(cells) != len(c.columns) {
		return fmt.Errorf("%d values for %d columns", len(cells), len(c.columns))
	}
	last := c.row.Time
	c.row.begin()
	for i, cell := range cells {
		if err := c.row.set(c.columns[i], cell); err != nil {
			return err
		}
	}
	return c.row.end(last)
}

// csvCells splits lines as RFC 4180 has it, but for line breaks within quotes.
type csvCells struct {
	cells [][]byte
}

// split returns the cells of a line, valid until the next call.
func (c *csvCells) split(line []byte) ([][]byte, error) {
	c.cells = c.cells[:0]
	for {
		cell, rest, more, err := c.cut(line)
		if err != nil {
			return nil, err
		}
		c.cells = append(c.cells, cell)
		if !more {
			return c.cells, nil
		}
		line = rest
	}
}

func (c *csvCells) cut(line []byte) (cell, rest []byte, more bool, err error) {
	if len(line) > 0 && line[0] == '"' {
		return c.cutQuoted(line[1:])
	}
	cell, rest, more = bytes.Cut(line, []byte{','})
	if bytes.IndexByte(cell, '"') >= 0 {
		err = fmt.Errorf("a quote within the unquoted value %s", clip(cell))
	}
	return cell, rest, more, err
}

func (c *csvCells) cutQuoted(line []byte) (cell, rest []byte, more bool, err error) {
	var text []byte
	for {
		end := bytes.IndexByte(line, '"')
		if end < 0 {
			return nil, nil, false, errors.New("a quote is not closed on its line")
		}
		text = append(text, line[:end]...)
		if line = line[end+1:]; len(line) == 0 || line[0] != '"' {
			break
		}
		text, line = append(text, '"'), line[1:]
	}
	if len(line) == 0 {
		return text, nil, false, nil
	}
	if line[0] != ',' {
		return nil, nil, false, fmt.Errorf("%s after a closing quote", clip(line))
	}
	return text, line[1:], true, nil
}

func sniffCSV(head []byte) bool {
	first := firstLines(head, 1)
	return len(first) == 1 && (&csvReader{}).header(first[0]) == nil
}

// csvSink writes the columns of key traces or those of paginated ones, as the first request has it.
type csvSink struct {
	inOrder
	out       *bufio.Writer
	columns   []*field
	paginated bool
	line      []byte
}

// Write writes one line. A request unlike the first (keys against pages) and a text that holds a
// line break are ErrUnsupported.
func (s *csvSink) Write(r Request) error {
	if err := s.admit(&r); err != nil {
		return fmt.Errorf("csv: %w: %w", ErrUnsupported, err)
	}
	if s.columns == nil {
		s.begin(r.Paginated())
	}
	if r.Paginated() != s.paginated {
		return fmt.Errorf("csv: %w: ids and pages in one file", ErrUnsupported)
	}
	s.line = s.line[:0]
	for i, f := range s.columns {
		if i > 0 {
			s.line = append(s.line, ',')
		}
		start := len(s.line)
		s.line = f.write(s.line, &r)
		if err := s.quote(start); err != nil {
			return err
		}
	}
	_, err := s.out.Write(append(s.line, '\n'))
	return err
}

func (s *csvSink) begin(paginated bool) {
	s.paginated, s.columns = paginated, written(paginated)
	names := make([]string, len(s.columns))
	for i, f := range s.columns {
		names[i] = f.name
	}
	_, _ = s.out.WriteString(strings.Join(names, ",") + "\n") // bufio keeps the error for Flush
}

// written are the fields that a sink writes.
func written(paginated bool) []*field {
	var chosen []*field
	for i := range fields {
		if f := &fields[i]; paginated && f.pages || !paginated && f.keys {
			chosen = append(chosen, f)
		}
	}
	return chosen
}

// quote puts the cell from start on into quotes if it needs them.
func (s *csvSink) quote(start int) error {
	cell := s.line[start:]
	if bytes.ContainsAny(cell, "\r\n") {
		return fmt.Errorf("csv: %w: %s holds a line break", ErrUnsupported, clip(cell))
	}
	if bytes.ContainsAny(cell, `,"`) {
		quoted := `"` + strings.ReplaceAll(string(cell), `"`, `""`) + `"`
		s.line = append(s.line[:start], quoted...)
	}
	return nil
}

// Close writes what is buffered.
func (s *csvSink) Close() error { return s.out.Flush() }
