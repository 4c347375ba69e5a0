package store

import (
	"math/bits"
	"sync/atomic"
)

// hint remembers roughly which ring a unit is in, a bit for all units of a residue: most reads
// need to ask one ring only.
type hint []atomic.Uint64

// hintBytes is the capacity that a bit is kept for: less than most values take.
const hintBytes = 256

func newHint(capacity uint64) hint {
	return make(hint, max(1, 1<<bits.Len64(capacity/hintBytes)/64))
}

// bit returns where a unit's bit is.
func (h hint) bit(unit uint64) (word *atomic.Uint64, bit uint64) {
	unit >>= 9 // the low bits are the bucket
	return &h[unit>>6&uint64(len(h)-1)], 1 << (unit & 63)
}

func (h hint) get(unit uint64) Ring {
	if word, bit := h.bit(unit); word.Load()&bit != 0 {
		return Probation
	}
	return Main
}

func (h hint) set(unit uint64, r Ring) {
	if word, bit := h.bit(unit); r == Probation {
		word.Or(bit)
	} else {
		word.And(^bit)
	}
}
