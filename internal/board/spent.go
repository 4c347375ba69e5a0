package board

import (
	"math"
	"sync/atomic"
)

// Spent notes of copies by slot how many reads they answered, and how many of those were stale by
// expectation. The zero value is ready; nothing is noted before Grow.
type Spent struct{ slots atomics[atomic.Uint64] }

// perRead is the part of a read that expectations are noted in.
const perRead = 1 << 20

// Of returns how many reads of the copy in a slot were stale, by expectation.
func (s *Spent) Of(slot uint32) float64 {
	at := s.slots.at(slot)
	if at == nil {
		return 0
	}
	return float64(at.Load()&math.MaxUint32) / perRead
}

// Spend notes a read of the copy in a slot that is stale with probability p, 0..1. Of a slot that there is no
// place for nothing is noted.
func (s *Spent) Spend(slot uint32, p float64) {
	at := s.slots.at(slot)
	for at != nil {
		before := at.Load()
		reads := min(before>>32+1, math.MaxUint32)
		stale := min(before&math.MaxUint32+uint64(p*perRead), math.MaxUint32)
		if at.CompareAndSwap(before, reads<<32|stale) {
			return
		}
	}
}

// Take returns how many reads were noted of a slot and how many of them were stale by expectation, and wipes
// them out.
func (s *Spent) Take(slot uint32) (reads, stale float64) {
	at := s.slots.at(slot)
	if at == nil {
		return 0, 0
	}
	n := at.Swap(0)
	return float64(n >> 32), float64(n&math.MaxUint32) / perRead
}

// Grow makes room for slots 0..slots-1. Not concurrently with itself.
func (s *Spent) Grow(slots int) { s.slots.grow(slots) }

// Bytes returns the bytes of heap that the notes take.
func (s *Spent) Bytes() int64 { return s.slots.bytes() }
