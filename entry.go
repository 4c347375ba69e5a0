package folio

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/store"
)

// entry is a value as the store keeps it: body, key, the stamps it depends on, and a trailer of
// fixed size. The body comes first, so that it can be appended to a caller's buffer as it is.
type entry struct {
	body    []byte
	key     []byte // canonical text
	space   space
	kind    kind
	stamps  stamps
	expires int64  // ns since the cache's start; 0: never
	sum     uint64 // hash of the body
	rows    uint32 // of a list's page; of a further piece, its number
	epoch   uint32 // of all stamps: another one after each flush
	before  uint32 // ms before it came here that it was loaded by another instance, at most
	pieces  uint16 // 0: the body as it is; else it is compressed, and lies in so many pieces: this is one
	slot    arena.Slot
	copy    core.Copy // but for its end

	// What is not written, but known of an entry that was found:
	ring  store.Ring
	soft  int64        // since when, by the cache's clock, it is too old, as somebody has said: see [Cache.Soften]; 0: it is not
	reads *board.Reads // of its feed, if that was ever bumped
}

// space tells keys of different origin apart that have the same text.
type space uint8

const (
	plainSpace space = iota + 1
	listSpace
	pieceSpace // of what is cut in pieces, all but the first
)

// kind tells what an entry's body is.
type kind uint8

const (
	found    kind = iota + 1 // the value
	notFound                 // nothing: the origin has no such value
)

// stamps are versions of tags, 16 bytes each: the feed first, then further ones.
type stamps []byte

const (
	stampSize   = 16
	placedSize  = 4 + 8 + 4 + 4 + 2 + 1 + 1 // what is known once it has its place
	trailerSize = placedSize + 8 + 8 + 4 + 4 + 4 + 4 + 2 + 2 + 1 + 1 + 1
	entryFormat = 5
	maxTags     = 1024 // of an entry, its feed included
)

func (s stamps) add(t core.Tag, n uint64) stamps {
	s = binary.LittleEndian.AppendUint64(s, uint64(t))
	return binary.LittleEndian.AppendUint64(s, n)
}

// current reports whether nothing was invalidated since that an entry depends on. It finds the feed's
// reads.
func (e *entry) current(v *versions) bool {
	if e.epoch != v.epoch.Load() {
		return false
	}
	for i := 0; i < len(e.stamps); i += stampSize {
		now := v.get(core.Tag(binary.LittleEndian.Uint64(e.stamps[i:])))
		if now.n != binary.LittleEndian.Uint64(e.stamps[i+8:]) {
			return false
		}
		if i == 0 {
			e.reads = now.reads
		}
		if now.soft > e.copy.Born && (e.soft == 0 || now.soft < e.soft) {
			e.soft = now.soft
		}
	}
	return true
}

// remains reports whether an entry is current, or was until its feed was bumped once.
func (e *entry) remains(v *versions) bool {
	if e.epoch != v.epoch.Load() {
		return false
	}
	for i := 0; i < len(e.stamps); i += stampSize {
		n, now := binary.LittleEndian.Uint64(e.stamps[i+8:]), v.get(core.Tag(binary.LittleEndian.Uint64(e.stamps[i:]))).n
		if now != n && (i > 0 || now != n+1) {
			return false
		}
	}
	return true
}

// since returns when an entry was loaded, or came from the tier, which knew then that it is current.
func (e *entry) since() int64 { return e.copy.Born + int64(e.before)*int64(time.Millisecond) }

// size returns the bytes of an entry in the store, its hashed key not counted.
func (e *entry) size() int { return len(e.body) + len(e.key) + len(e.stamps) + trailerSize }

// appendTo writes an entry behind dst.
func (e *entry) appendTo(dst []byte) []byte {
	dst = append(slices.Grow(dst, e.size()), e.body...)
	dst = append(dst, e.key...)
	dst = append(dst, e.stamps...)
	dst = append(dst, make([]byte, placedSize)...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.expires))
	dst = binary.LittleEndian.AppendUint64(dst, e.sum)
	dst = binary.LittleEndian.AppendUint32(dst, e.rows)
	dst = binary.LittleEndian.AppendUint32(dst, e.epoch)
	dst = binary.LittleEndian.AppendUint32(dst, e.before)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e.key)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(e.stamps)/stampSize))
	dst = binary.LittleEndian.AppendUint16(dst, e.pieces)
	return append(dst, byte(e.space), byte(e.kind), entryFormat)
}

// setPlaced says in an entry that appendTo wrote which slot it has, and what its copy is known by.
func setPlaced(v []byte, slot arena.Slot, k *core.Copy) {
	p := v[len(v)-trailerSize:]
	binary.LittleEndian.PutUint32(p, slot)
	binary.LittleEndian.PutUint64(p[4:], uint64(k.Born))
	binary.LittleEndian.PutUint32(p[12:], math.Float32bits(k.Early))
	binary.LittleEndian.PutUint32(p[16:], math.Float32bits(k.Hazard))
	binary.LittleEndian.PutUint16(p[20:], uint16(k.Confidence*math.MaxUint16))
	p[22], p[23] = k.Strategy, 0
	if k.Told {
		p[23] = 1
	}
}

// placed reads what setPlaced wrote.
func placed(p []byte) (arena.Slot, core.Copy) {
	return binary.LittleEndian.Uint32(p), core.Copy{Born: int64(binary.LittleEndian.Uint64(p[4:])), Early: math.Float32frombits(binary.LittleEndian.Uint32(p[12:])),
		Hazard: math.Float32frombits(binary.LittleEndian.Uint32(p[16:])), Confidence: float32(binary.LittleEndian.Uint16(p[20:])) / math.MaxUint16, Strategy: p[22], Told: p[23] != 0}
}

// parseEntry reads an entry that appendTo wrote; it shares v's memory.
func parseEntry(v []byte) (e entry, ok bool) {
	body := len(v) - trailerSize
	if body < 0 || v[len(v)-1] != entryFormat {
		return e, false
	}
	p, t := v[body:], v[body+placedSize:]
	keyLen, tags := int(binary.LittleEndian.Uint32(t[28:])), int(binary.LittleEndian.Uint16(t[32:]))*stampSize
	if body -= keyLen + tags; body < 0 || tags == 0 {
		return e, false
	}
	e = entry{body: v[:body], key: v[body : body+keyLen], stamps: stamps(v[body+keyLen : body+keyLen+tags]),
		expires: int64(binary.LittleEndian.Uint64(t)), sum: binary.LittleEndian.Uint64(t[8:]),
		rows: binary.LittleEndian.Uint32(t[16:]), epoch: binary.LittleEndian.Uint32(t[20:]), before: binary.LittleEndian.Uint32(t[24:]), pieces: binary.LittleEndian.Uint16(t[34:]), space: space(t[36]), kind: kind(t[37])}
	e.slot, e.copy = placed(p)
	return e, e.space >= plainSpace && e.space <= pieceSpace && e.kind >= found && e.kind <= notFound && e.expires >= 0
}
