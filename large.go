package folio

import (
	"fmt"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/core"
)

const (
	// largeShare is the part of the rings that one value may take: larger ones would push out too
	// much at once.
	largeShare = 16
	maxPieces  = 1 << 12
	maxBody    = 1 << 30 // bytes, as loaded
)

// filling is what a load, or a caller, brought for the store.
type filling struct {
	entry
	revealed []core.Tag    // tags that only the load's result told
	ttl      time.Duration // 0: for ever
	packed   []byte        // the body, compressed, where it is too large as it is
	last     bool          // see core.Loaded
	took     time.Duration // by its load
	fate     core.Fate     // of what it replaces
	age      time.Duration // when its flight began: another instance had loaded it
}

// compress compresses the body where the store cannot hold it as it is.
func (f *filling) compress(id *identity, largest int) {
	f.key, f.space = []byte(id.text), id.space
	tags := 1 + len(id.tags) + len(f.revealed)
	if f.size()+tags*stampSize > largest && len(f.body) <= maxBody {
		f.packed = s2.EncodeBetter(nil, f.body)
	}
}

// cut returns the entries that a value is stored as, and whose they are: itself, or what is compressed
// of it in as many pieces as needed, tied together by the sum of the body.
func (c *Cache) cut(id *identity, f *filling) (ids []identity, pieces []entry, err error) {
	if n := len(f.stamps) / stampSize; n > maxTags {
		return nil, nil, fmt.Errorf("%w: it depends on %d tags", ErrTooLarge, n)
	}
	ids, pieces = append(c.ids[:0], *id), append(c.pieces[:0], f.entry)
	c.ids, c.pieces = ids, pieces
	if f.size() <= c.largest {
		return ids, pieces, nil
	}
	frame := entry{key: f.key, stamps: f.stamps}
	room, rest := c.largest-frame.size(), f.packed
	if len(rest) > room { // smaller pieces, lest one takes the place of another
		room = c.largest/4 - frame.size() - len("1:4096:")
	}
	if most := int(c.store.Geometry.Capacity()) / largeShare; rest == nil || room <= 0 || len(rest) > max(min(most, maxPieces*room), room) {
		return nil, nil, fmt.Errorf("%w: %d bytes, %d when compressed", ErrTooLarge, len(f.body), len(rest))
	}
	count := (len(rest) + room - 1) / room
	for n := range count {
		e := f.entry
		e.body, e.pieces, rest = rest[:min(room, len(rest))], uint16(count), rest[min(room, len(rest)):]
		if n == 0 {
			pieces[0] = e
			continue
		}
		p := c.piece(id, n)
		e.key, e.space, e.rows = []byte(p.text), pieceSpace, uint32(n)
		ids, pieces = append(ids, p), append(pieces, e)
	}
	return ids, pieces, nil
}

// piece returns the identity of a further piece of what an identity names; number 0 is the entry
// itself.
func (c *Cache) piece(id *identity, number int) identity {
	p, _ := c.identify(fmt.Sprintf("%d:%d:%s", id.space, number, id.text), pieceSpace)
	p.feed, p.depth, p.tags = id.feed, id.depth, id.tags
	return p
}

// whole reports whether an entry has all its pieces.
func (c *Cache) whole(id *identity, e *entry) bool {
	_, ok := c.assemble(nil, id, e)
	return ok
}

// assemble appends to dst the body of an entry in pieces. It returns false where one is gone, or is
// of another load: then the sum is wrong.
func (c *Cache) assemble(dst []byte, id *identity, e *entry) (value []byte, ok bool) {
	packed := append([]byte(nil), e.body...) // it lies where dst goes on
	for n := 1; n < int(e.pieces); n++ {
		p, from := c.piece(id, n), len(packed)
		v, _, ok := c.store.Get(packed, p.key, p.unit)
		if !ok {
			return dst, false
		}
		piece, ok := parseEntry(v[from:])
		if !ok {
			return dst, false
		}
		packed = v[:from+len(piece.body)]
	}
	size, err := s2.DecodedLen(packed)
	if err != nil || size > maxBody {
		return dst, false
	}
	body, err := s2.Decode(make([]byte, size), packed)
	if err != nil || xxh3.Hash(body) != e.sum {
		return dst, false
	}
	return append(dst, body...), true
}
