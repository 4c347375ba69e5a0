package arena

import (
	"unsafe"

	"github.com/foliocache/folio/strategy"
)

// unit is what all worlds of a plane share of one unit: 16 bytes, as each world's state of it.
type unit struct {
	key    uint64
	size   uint32
	class  strategy.Class
	known  uint8 // worlds that hold or remember it
	freq   uint8 // the sketch's count at the last request
	halved uint8 // the sketch's halvings then; wraps
}

// next returns the free slot after this one, and chain sets it: a free slot has no key.
func (u *unit) next() Slot   { return Slot(u.key) }
func (u *unit) chain(s Slot) { u.key = uint64(s) }

// view is a unit as one world sees it.
type view struct {
	slot Slot
	*unit
	*state
}

// records holds a record for every slot: a unit and, side by side, each world's state of it, so that
// one or two cache lines tell all of a unit. They grow in chunks and stay where they are.
type records struct {
	chunks [][]state // the first of each record is the unit
	stride uint32    // states a record
	len    uint32
}

const (
	recordBits  = 9
	recordChunk = 1 << recordBits // records a chunk
	stateSize   = unsafe.Sizeof(state{})
)

var _ [stateSize]byte = [unsafe.Sizeof(unit{})]byte{} // they are of one size

func (r *records) unit(s Slot) *unit {
	return (*unit)(unsafe.Pointer(&r.chunks[s>>recordBits][s%recordChunk*r.stride]))
}

// view returns a unit as the world of a number sees it.
func (r *records) view(s Slot, number uint32) view {
	u := r.unit(s)
	return view{s, u, (*state)(unsafe.Add(unsafe.Pointer(u), uintptr(1+number)*stateSize))}
}

// add lengthens it by a record, of which no world knows anything.
func (r *records) add() Slot {
	if r.len%recordChunk == 0 {
		chunk := make([]state, recordChunk*r.stride)
		for i := range chunk {
			chunk[i] = noState
		}
		r.chunks = append(r.chunks, chunk)
	}
	r.len++
	return r.len - 1
}

// metadata returns the bytes of heap that it takes.
func (r *records) metadata() int64 {
	return int64(len(r.chunks))*int64(recordChunk*r.stride)*int64(stateSize) + int64(cap(r.chunks))*int64(unsafe.Sizeof(r.chunks[0]))
}
