package folio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/tier"
)

// What a tier keeps of a page: a checksum of the rest, the format, flags, then, lengths and numbers as varints, what the
// load took (ns), rows, the space, the key's text, the number of tags that the rows revealed and 8 bytes each, and
// the body. What comes back is untrusted.
const (
	sharedFormat   = 1
	sharedMost     = 16 << 20 // bytes of a body, decompressed
	compressedFrom = 1 << 10  // bytes

	emptyFlag, fullFlag, packedFlag = 1, 2, 4
)

var (
	errNothing = errors.New("folio: nothing there")
	errShared  = errors.New("folio: not what a cache has written")
)

// encode makes what a tier keeps of a page.
func encode(id *identity, p *page, took time.Duration) []byte {
	flags := byte(0)
	if p.empty {
		flags |= emptyFlag
	}
	if p.full {
		flags |= fullFlag
	}
	b := make([]byte, 10, 64+len(id.text)+8*len(p.revealed)+len(p.body))
	b[8] = sharedFormat
	b = binary.AppendUvarint(b, uint64(max(0, took)))
	b = binary.AppendUvarint(b, uint64(max(0, p.rows)))
	b = append(b, byte(id.space))
	b = append(binary.AppendUvarint(b, uint64(len(id.text))), id.text...)
	b = binary.AppendUvarint(b, uint64(len(p.revealed)))
	for _, t := range p.revealed {
		b = binary.LittleEndian.AppendUint64(b, uint64(t))
	}
	body := p.body
	if len(body) >= compressedFrom {
		if packed := s2.EncodeBetter(nil, body); len(packed) < len(body) {
			body, flags = packed, flags|packedFlag
		}
	}
	b = append(b, body...)
	b[9] = flags
	binary.LittleEndian.PutUint64(b, xxh3.Hash(b[8:]))
	return b
}

// decode reads what encode wrote, of the page that is asked for.
func (f *fleet) decode(id *identity, v *tier.Value) (p page, took time.Duration, err error) {
	if v.Body == nil {
		return p, 0, errNothing
	}
	b := v.Body
	if len(b) < 10 || b[8] != sharedFormat || xxh3.Hash(b[8:]) != binary.LittleEndian.Uint64(b) {
		return p, 0, fmt.Errorf("%w: %d bytes under %s", errShared, len(b), id.text)
	}
	r := reader{b: b, at: 10}
	nanos, rows := r.number(math.MaxInt64), r.number(math.MaxInt32)
	if s, text := space(r.byte()), r.text(); r.bad || s != id.space || text != id.text {
		return p, 0, fmt.Errorf("%w: at byte %d: %q is not %q", errShared, r.at, text, id.text)
	}
	for range r.number(maxTags) {
		if tag := r.take(8); !r.bad {
			p.revealed = append(p.revealed, core.Tag(binary.LittleEndian.Uint64(tag)))
		}
	}
	if r.bad {
		return page{}, 0, fmt.Errorf("%w: it ends at byte %d", errShared, r.at)
	}
	flags := b[9]
	p.rows, p.empty, p.full, p.ttl, p.body = int(rows), flags&emptyFlag > 0, flags&fullFlag > 0, v.TTL, b[r.at:]
	if flags&packedFlag > 0 {
		if n, err := s2.DecodedLen(p.body); err != nil || n > sharedMost {
			return page{}, 0, fmt.Errorf("%w: a body of %d bytes: %w", errShared, n, err)
		}
		if p.body, err = s2.Decode(nil, p.body); err != nil {
			return page{}, 0, fmt.Errorf("%w: body: %w", errShared, err)
		}
	}
	return p, time.Duration(nanos), nil
}

// reader reads numbers and texts, as long as there are some.
type reader struct {
	b   []byte
	at  int
	bad bool
}

func (r *reader) number(most uint64) uint64 {
	n, size := binary.Uvarint(r.b[r.at:])
	if size <= 0 || n > most {
		r.bad = true
		return 0
	}
	r.at += size
	return n
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b)-r.at {
		r.bad = true
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) text() string { return string(r.take(int(r.number(math.MaxInt32)))) }
