package store

import "sync/atomic"

// hint remembers roughly which ring a unit is in, a bit for all units of a residue: most reads
// need to ask one ring only.
type hint []atomic.Uint64

const hintBits = 1 << 22 // 512 KiB

func newHint() hint { return make(hint, hintBits/64) }

func (h hint) get(unit uint64) Ring {
	at := unit / 512 % hintBits // the low bits are the bucket
	return Ring(h[at/64].Load() >> (at % 64) & 1)
}

func (h hint) set(unit uint64, r Ring) {
	at := unit / 512 % hintBits
	if bit := uint64(1) << (at % 64); r == Probation {
		h[at/64].Or(bit)
	} else {
		h[at/64].And(^bit)
	}
}
