package folio

import (
	"encoding/binary"
	"slices"

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
	pieces  uint16 // 0: the body as it is; else it is compressed, and lies in so many pieces: this is one
	slot    arena.Slot

	// What is not written, but known of an entry that was found:
	ring  store.Ring
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
	trailerSize = 4 + 8 + 8 + 4 + 4 + 4 + 2 + 2 + 1 + 1 + 1
	entryFormat = 3
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
	}
	return true
}

// size returns the bytes of an entry in the store, its hashed key not counted.
func (e *entry) size() int { return len(e.body) + len(e.key) + len(e.stamps) + trailerSize }

// appendTo writes an entry behind dst.
func (e *entry) appendTo(dst []byte) []byte {
	dst = append(slices.Grow(dst, e.size()), e.body...)
	dst = append(dst, e.key...)
	dst = append(dst, e.stamps...)
	dst = binary.LittleEndian.AppendUint32(dst, e.slot)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.expires))
	dst = binary.LittleEndian.AppendUint64(dst, e.sum)
	dst = binary.LittleEndian.AppendUint32(dst, e.rows)
	dst = binary.LittleEndian.AppendUint32(dst, e.epoch)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e.key)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(e.stamps)/stampSize))
	dst = binary.LittleEndian.AppendUint16(dst, e.pieces)
	return append(dst, byte(e.space), byte(e.kind), entryFormat)
}

// setSlot says in an entry that appendTo wrote which slot it has.
func setSlot(v []byte, slot arena.Slot) {
	binary.LittleEndian.PutUint32(v[len(v)-trailerSize:], slot)
}

// parseEntry reads an entry that appendTo wrote; it shares v's memory.
func parseEntry(v []byte) (e entry, ok bool) {
	body := len(v) - trailerSize
	if body < 0 || v[len(v)-1] != entryFormat {
		return e, false
	}
	slot, t := binary.LittleEndian.Uint32(v[body:]), v[body+4:]
	keyLen, tags := int(binary.LittleEndian.Uint32(t[24:])), int(binary.LittleEndian.Uint16(t[28:]))*stampSize
	if body -= keyLen + tags; body < 0 || tags == 0 {
		return e, false
	}
	e = entry{body: v[:body], key: v[body : body+keyLen], stamps: stamps(v[body+keyLen : body+keyLen+tags]),
		expires: int64(binary.LittleEndian.Uint64(t)), sum: binary.LittleEndian.Uint64(t[8:]),
		rows: binary.LittleEndian.Uint32(t[16:]), epoch: binary.LittleEndian.Uint32(t[20:]), pieces: binary.LittleEndian.Uint16(t[30:]), space: space(t[32]), kind: kind(t[33]), slot: slot}
	return e, e.space >= plainSpace && e.space <= pieceSpace && e.kind >= found && e.kind <= notFound && e.expires >= 0
}
