package board

import "sync/atomic"

// Once notes by slot whether something was done. The zero value is ready; before Grow all is done.
type Once struct{ slots atomics[atomic.Uint32] }

// First reports whether nobody was first since Clear, and notes it.
func (o *Once) First(slot uint32) bool {
	at, bit := o.slots.at(slot>>5), uint32(1)<<(slot&31)
	return at != nil && at.Load()&bit == 0 && at.Or(bit)&bit == 0
}

// Clear has somebody be first again.
func (o *Once) Clear(slot uint32) { o.slots.at(slot >> 5).And(^(uint32(1) << (slot & 31))) }

// Grow makes room for slots 0..slots-1. Not concurrently with itself.
func (o *Once) Grow(slots int) { o.slots.grow((slots + 31) >> 5) }

// Bytes returns the bytes of heap that the notes take.
func (o *Once) Bytes() int64 { return o.slots.bytes() }
