// Package board is where readers note what the books need not hear of at once: hits by slot, and reads by
// feed. Safe for concurrent use without a lock; of notes on the same thing at the same time some may be
// forgotten.
package board

import "sync/atomic"

// Board notes hits of units in slots. The zero value is ready; nothing is noted before Grow.
type Board struct {
	hands [2]atomic.Uint32 // of the rings

	// By slot: how many hits there were since they were last taken (8 bits), and where its ring's hand
	// was at the last one (8).
	slots atomics[atomic.Uint32]
}

const mostHits = 15 // more do not matter

// Ring names one of the two rings that a unit may be in.
type Ring uint8

// Other returns the ring that a ring is not.
func (r Ring) Other() Ring { return 1 - r }

// The rings.
const (
	Main Ring = iota
	Probation
)

// Hit notes a hit of the unit in a slot. A slot that there is no place for is none of this board's any more.
func (b *Board) Hit(slot uint32, r Ring) {
	at := b.slots.at(slot)
	if at == nil {
		return
	}
	before := at.Load()
	after := min(mostHits, before&255+1) | b.hands[r].Load()<<8
	if after != before { // else readers of a hot one would wait for each other's cache lines
		at.Store(after)
	}
}

// Noted returns how many hits are noted of a slot, up to 15.
func (b *Board) Noted(slot uint32) uint8 {
	at := b.slots.at(slot)
	if at == nil {
		return 0
	}
	return uint8(at.Load())
}

// Take returns how many hits were noted of a slot, up to 15, and the hand at the last one, and wipes them
// out.
func (b *Board) Take(slot uint32) (hits, hand uint8) {
	at := b.slots.at(slot)
	if at == nil || at.Load() == 0 {
		return 0, 0
	}
	n := at.Swap(0)
	return uint8(n), uint8(n >> 8)
}

// Turn sets the hand of a ring.
func (b *Board) Turn(r Ring, hand uint8) { b.hands[r].Store(uint32(hand)) }

// Grow makes room for slots 0..slots-1. Not concurrently with itself.
func (b *Board) Grow(slots int) { b.slots.grow(slots) }

// Bytes returns the bytes of heap that the board takes.
func (b *Board) Bytes() int64 { return b.slots.bytes() }

// Reads counts the reads of a feed since its last write, up to more than matter. The zero value is ready.
type Reads struct{ n atomic.Uint32 }

const mostReads = 1 << 10

// Add counts one; where r is nil, nobody counts.
func (r *Reads) Add() {
	if r == nil {
		return
	}
	if n := r.n.Load(); n < mostReads {
		r.n.Store(n + 1)
	}
}

// Take returns how many there were, up to 1,024, and starts anew.
func (r *Reads) Take() uint32 { return r.n.Swap(0) }
