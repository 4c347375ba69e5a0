package folio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/tier"
)

// What a tier keeps of a page: the format; a byte that says whether it is sealed, and then how; or a checksum of the rest,
// in the clear. That is: flags, then, lengths and numbers as varints, what the load took (ns), rows, the space, the key's
// text, the number of tags that the rows revealed and 8 bytes each, and the body. What comes back is untrusted.
const (
	sharedFormat   = 2
	sharedMost     = 16 << 20 // bytes of a body, decompressed
	compressedFrom = 1 << 10  // bytes
	window         = 1 << 20  // bytes of a body that its compression looks back

	inClear, sealed = 0, 1
	clearHead       = 1 + 1 + 8

	emptyFlag, fullFlag, packedFlag = 1, 2, 4
)

var (
	errNothing = errors.New("folio: nothing there")
	errShared  = errors.New("folio: not what a cache has written")
)

// parcel makes what a tier keeps of pages, and reads it again. Safe for concurrent use.
type parcel struct {
	envelope *envelope // nil: nothing is sealed
	packs    *zstd.Encoder
	unpacks  *zstd.Decoder
}

// newParcel makes one of a cache's own: its channels are of where the cache is made.
func newParcel(keys []TierKey) (*parcel, error) {
	e, err := newEnvelope(keys)
	if err != nil {
		return nil, err
	}
	p := &parcel{envelope: e}
	p.packs, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(tierWriters), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	p.unpacks, err = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(sharedMost), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderLowmem(true))
	return p, err
}

// encode makes what a tier keeps of a page under a key.
func (c *parcel) encode(k *tier.Key, id *identity, p *page, took time.Duration) []byte {
	flags, body := byte(0), p.body
	if p.empty {
		flags |= emptyFlag
	}
	if p.full {
		flags |= fullFlag
	}
	if len(body) >= compressedFrom {
		if packed := c.packs.EncodeAll(body, nil); len(packed) < len(body) {
			body, flags = packed, flags|packedFlag
		}
	}
	b := make([]byte, clearHead, clearHead+64+len(id.text)+8*len(p.revealed)+len(body))
	b[0] = sharedFormat
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(max(0, took)))
	b = binary.AppendUvarint(b, uint64(max(0, p.rows)))
	b = append(b, byte(id.space))
	b = append(binary.AppendUvarint(b, uint64(len(id.text))), id.text...)
	b = binary.AppendUvarint(b, uint64(len(p.revealed)))
	for _, t := range p.revealed {
		b = binary.LittleEndian.AppendUint64(b, uint64(t))
	}
	b = append(b, body...)
	if c.envelope != nil {
		return c.envelope.seal([]byte{sharedFormat, sealed}, b[clearHead:], bound(k, id))
	}
	binary.LittleEndian.PutUint64(b[2:], xxh3.Hash(b[clearHead:]))
	return b
}

// open returns what of a value is in the clear or was sealed.
func (c *parcel) open(id *identity, v *tier.Value) ([]byte, error) {
	b := v.Body
	switch {
	case len(b) < clearHead || b[0] != sharedFormat:
		return nil, fmt.Errorf("%w: %d bytes under %s", errShared, len(b), id.text)
	case c.envelope != nil && b[1] == sealed:
		return c.envelope.open(b[2:], bound(&v.Key, id))
	case c.envelope != nil || b[1] != inClear: // who seals takes nothing that is not
		return nil, fmt.Errorf("%w: %s is sealed here or there alone", errShared, id.text)
	case xxh3.Hash(b[clearHead:]) != binary.LittleEndian.Uint64(b[2:]):
		return nil, fmt.Errorf("%w: a wrong checksum under %s", errShared, id.text)
	}
	return b[clearHead:], nil
}

// decode reads what encode wrote, of the page that is asked for.
func (c *parcel) decode(id *identity, v *tier.Value) (p page, took time.Duration, err error) {
	if v.Body == nil {
		return p, 0, errNothing
	}
	b, err := c.open(id, v)
	if err != nil {
		return p, 0, err
	}
	r := reader{b: b}
	flags, nanos, rows := r.byte(), r.number(math.MaxInt64), r.number(math.MaxInt32)
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
	p.rows, p.empty, p.full, p.ttl, p.body = int(rows), flags&emptyFlag > 0, flags&fullFlag > 0, v.TTL, b[r.at:]
	if flags&packedFlag > 0 {
		if p.body, err = c.unpacks.DecodeAll(p.body, nil); err != nil || len(p.body) < compressedFrom {
			return page{}, 0, fmt.Errorf("%w: body: %d bytes: %w", errShared, len(p.body), err)
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
