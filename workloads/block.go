package workloads

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// block is a run of requests of the folio format and its encoding; see folio.go for the layout.
type block struct {
	requests []Request
	texts    []string
	order    inOrder           // when reading; lasts from block to block
	index    map[string]uint32 // of texts, when writing
	refs     [][4]uint32       // each request's texts by index, when writing
	size     int               // bytes of texts, when writing
}

// errColumn reports a value beyond its field's range.
var errColumn = errors.New("a value is out of range")

// column is how one field of a request is stored.
type column struct {
	name string
	get  func(b *block, i int) uint64
	set  func(b *block, i int, v uint64) error
}

// folioColumns is the order of the columns; part of the format, so only ever changed with its version.
var folioColumns = []column{
	{"time", getTime, setTime},
	{"op", func(b *block, i int) uint64 { return uint64(b.requests[i].Op) }, setOp},
	{"id", getID, setID},
	textColumn("list", 0, func(r *Request) *string { return &r.List }),
	textColumn("scope", 1, func(r *Request) *string { return &r.Scope }),
	textColumn("variant", 2, func(r *Request) *string { return &r.Variant }),
	textColumn("cursor", 3, func(r *Request) *string { return &r.Cursor }),
	numberColumn("offset", func(r *Request) *uint32 { return &r.Offset }),
	numberColumn("limit", func(r *Request) *uint32 { return &r.Limit }),
	numberColumn("page", func(r *Request) *uint32 { return &r.Page }),
	numberColumn("rows", func(r *Request) *uint32 { return &r.Rows }),
	{"total", getTotal, setTotal},
	numberColumn("size", func(r *Request) *uint32 { return &r.Size }),
	{"load", func(b *block, i int) uint64 { return uint64(b.requests[i].Load) }, setLoad},
	numberColumn("position", func(r *Request) *uint32 { return &r.Position }),
}

func textColumn(name string, ref int, at func(*Request) *string) column {
	return column{name,
		func(b *block, i int) uint64 { return uint64(b.refs[i][ref]) },
		func(b *block, i int, v uint64) error {
			if v >= uint64(len(b.texts)) {
				return errColumn
			}
			*at(&b.requests[i]) = b.texts[v]
			return nil
		}}
}

func numberColumn(name string, at func(*Request) *uint32) column {
	return column{name,
		func(b *block, i int) uint64 { return uint64(*at(&b.requests[i])) },
		func(b *block, i int, v uint64) error {
			if v>>32 != 0 {
				return errColumn
			}
			*at(&b.requests[i]) = uint32(v)
			return nil
		}}
}

func getTime(b *block, i int) uint64 {
	if i == 0 {
		return uint64(b.requests[0].Time)
	}
	return uint64(b.requests[i].Time - b.requests[i-1].Time)
}

func setTime(b *block, i int, v uint64) error {
	if i > 0 {
		v += uint64(b.requests[i-1].Time)
	}
	b.requests[i].Time = time.Duration(v) // check finds one below zero, admit one that falls
	return nil
}

func getID(b *block, i int) uint64 {
	difference := b.requests[i].ID
	if i > 0 {
		difference -= b.requests[i-1].ID
	}
	return difference<<1 ^ uint64(int64(difference)>>63)
}

func setID(b *block, i int, v uint64) error {
	id := v>>1 ^ -(v & 1)
	if i > 0 {
		id += b.requests[i-1].ID
	}
	b.requests[i].ID = id
	return nil
}

func setOp(b *block, i int, v uint64) error {
	if v >= uint64(len(opNames)) {
		return errColumn
	}
	b.requests[i].Op = Op(v)
	return nil
}

func getTotal(b *block, i int) uint64 {
	if b.requests[i].Total {
		return 1
	}
	return 0
}

func setTotal(b *block, i int, v uint64) error {
	b.requests[i].Total = v == 1
	if v > 1 {
		return errColumn
	}
	return nil
}

func setLoad(b *block, i int, v uint64) error {
	b.requests[i].Load = time.Duration(v) // check finds one below zero
	return nil
}

// add appends a request and gives its texts their numbers.
func (b *block) add(r Request) {
	if len(b.texts) == 0 {
		b.texts, b.index = append(b.texts, ""), map[string]uint32{"": 0}
	}
	b.requests = append(b.requests, r)
	b.refs = append(b.refs, [4]uint32{b.ref(r.List), b.ref(r.Scope), b.ref(r.Variant), b.ref(r.Cursor)})
}

// ref returns the number of a text, a new one for a new text.
func (b *block) ref(text string) uint32 {
	if text == "" {
		return 0
	}
	n, known := b.index[text]
	if !known {
		n = uint32(len(b.texts))
		b.index[text] = n
		b.texts = append(b.texts, text)
		b.size += len(text)
	}
	return n
}

// full reports whether the block should be written before the next add.
func (b *block) full() bool {
	return len(b.requests) >= maxBlockRequests || b.size >= maxBlockRaw/16
}

func (b *block) reset() {
	clear(b.texts)
	clear(b.requests)
	*b = block{requests: b.requests[:0], texts: b.texts[:0], refs: b.refs[:0]}
}

// encode appends the raw bytes of the block.
func (b *block) encode(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(b.texts)-1))
	for _, text := range b.texts[1:] {
		to = binary.AppendUvarint(to, uint64(len(text)))
		to = append(to, text...)
	}
	for _, c := range folioColumns {
		start, any := len(to), uint64(0)
		to = append(to, 1)
		for i := range b.requests {
			v := c.get(b, i)
			any |= v
			to = binary.AppendUvarint(to, v)
		}
		if any == 0 {
			to = append(to[:start], 0)
		}
	}
	return to
}

// decode replaces the block by the count requests that raw holds.
func (b *block) decode(raw []byte, count int) error {
	b.requests = append(b.requests[:0], make([]Request, count)...)
	raw, err := b.decodeTexts(raw)
	if err != nil {
		return err
	}
	for _, c := range folioColumns {
		if raw, err = b.decodeColumn(raw, c); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	if len(raw) > 0 {
		return fmt.Errorf("%d bytes after the last column", len(raw))
	}
	for i := range b.requests {
		if err := b.order.admit(&b.requests[i]); err != nil {
			return fmt.Errorf("request %d of the block: %w", i, err)
		}
	}
	return nil
}

func (b *block) decodeTexts(raw []byte) ([]byte, error) {
	count, n := binary.Uvarint(raw)
	if n <= 0 || count > uint64(len(raw)) {
		return nil, errors.New("the count of texts is malformed")
	}
	raw = raw[n:]
	b.texts = append(b.texts[:0], "")
	for range count {
		length, n := binary.Uvarint(raw)
		if n <= 0 || length > uint64(len(raw)-n) {
			return nil, errors.New("a text is malformed")
		}
		b.texts = append(b.texts, string(raw[n:n+int(length)]))
		raw = raw[n+int(length):]
	}
	return raw, nil
}

func (b *block) decodeColumn(raw []byte, c column) ([]byte, error) {
	if len(raw) == 0 || raw[0] > 1 {
		return nil, errors.New("its first byte is missing or neither 0 nor 1")
	}
	stored := raw[0] == 1
	raw = raw[1:]
	for i := range b.requests {
		v := uint64(0)
		if stored {
			n := 0
			if v, n = binary.Uvarint(raw); n <= 0 {
				return nil, errors.New("a number is malformed")
			}
			raw = raw[n:]
		}
		if err := c.set(b, i, v); err != nil {
			return nil, err
		}
	}
	return raw, nil
}
