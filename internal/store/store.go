// Package store keeps the bytes that the arena keeps books of: two rings that overwrite their
// oldest bytes, on fastcache or on the Go heap. It decides nothing; it follows the arena's steps.
package store

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/board"
)

// Key is a value's name: 128 bits of hash.
type Key [16]byte

// Unit returns the number that the arena and the core know a key by. Its residue is the bucket
// that fastcache puts the key in, so that the arena's books can follow.
func (k Key) Unit() uint64 { return xxhash.Sum64(k[:]) }

// Ring names one of the two rings.
type Ring = board.Ring

// The rings.
const (
	Main      = board.Main
	Probation = board.Probation
)

// memory is one ring. Safe for concurrent use.
type memory interface {
	// get appends a key's value to dst.
	get(dst []byte, k Key) ([]byte, bool)
	// set writes a value over the oldest bytes; the key's former value is dead.
	set(k Key, value []byte)
	// del forgets a key; its bytes stay until they are overwritten.
	del(k Key)
	// free gives the memory back. Only get may be called after or meanwhile: it finds nothing.
	free()
}

// Store is both rings. Get may be called at any time, concurrently with all others; the others
// follow an arena and are called by one goroutine at a time.
type Store struct {
	Geometry arena.Geometry
	rings    [2]memory
	hint     hint
	keys     []Key    // by slot
	moved    [][]byte // read before the first write of a fill overwrites it; by step
	spare    []byte
	Lost     int64 // values that were to be moved and were not there
}

// New makes a store for at most so many bytes, in fastcache as [arena.Fastcache] cuts them, or on the Go heap. Less than
// [arena.MinFastcache], or [MinHeap], is an error.
func New(capacity int64, onHeap bool) (*Store, error) {
	if onHeap {
		return newHeap(capacity)
	}
	g, err := arena.Fastcache(capacity)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := checkFast(newFast); err != nil {
		return nil, err
	}
	probation := newFast
	if g.Loose {
		probation = newHeapRing
	}
	return newStore(g, newFast(g.Main), probation(g.Probation)), nil
}

func newStore(g arena.Geometry, main, probation memory) *Store {
	return &Store{Geometry: g, rings: [2]memory{main, probation}, hint: newHint(g.Capacity())}
}

// Heap returns how many bytes of the rings are on the Go heap.
func (s *Store) Heap() int64 {
	n := uint64(0)
	for i, size := range []uint64{s.Geometry.Main, s.Geometry.Probation} {
		if _, ok := s.rings[i].(*heap); ok {
			n += size
		}
	}
	return int64(n)
}

// Metadata returns the bytes of heap that the store takes beside its rings, roughly.
func (s *Store) Metadata() int64 {
	return int64(cap(s.keys))*int64(len(Key{})) + int64(len(s.hint))*8 + int64(cap(s.spare))
}

// Keys returns the keys that were last stored in the arena's slots, by slot. It is not to be written, and
// holds until the next Follow.
func (s *Store) Keys() []Key { return s.keys }

// Close gives the memory back.
func (s *Store) Close() {
	for _, r := range s.rings {
		r.free()
	}
}

// Get appends a key's value to dst and returns the ring it is in.
func (s *Store) Get(dst []byte, k Key, unit uint64) ([]byte, Ring, bool) {
	r := s.hint.get(unit)
	if v, ok := s.rings[r].get(dst, k); ok {
		return v, r, true
	}
	r = r.Other()
	v, ok := s.rings[r].get(dst, k)
	return v, r, ok
}

// Delete forgets a key: what the arena declined must not leave its former value readable.
func (s *Store) Delete(k Key) {
	for _, r := range s.rings {
		r.del(k)
	}
}

// Follow does what the arena's last fill asks for. value is that of the unit just filled, in slot,
// whose key is k.
func (s *Store) Follow(steps []arena.Step, slot arena.Slot, k Key, value []byte) {
	if len(steps) == 0 {
		return
	}
	for int(slot) >= len(s.keys) {
		s.keys = append(s.keys, Key{})
	}
	s.keys[slot] = k
	s.read(steps)
	for i, step := range steps {
		k, v := s.keys[step.Slot], s.moved[i]
		if step.Slot == slot && step.Do != arena.Drop {
			v = value
		}
		switch {
		case v == nil: // dropped, or lost: without its bytes the books run ahead, which wastes a little
			s.Delete(k)
		case step.Do == arena.ToProbation:
			s.write(Probation, k, v)
		default:
			s.write(Main, k, v)
		}
	}
}

// read reads what the steps move, each unit once, before anything is overwritten.
func (s *Store) read(steps []arena.Step) {
	s.moved, s.spare = s.moved[:0], s.spare[:0]
	for i, step := range steps {
		s.moved = append(s.moved, nil)
		var from Ring
		switch step.Do {
		case arena.Promote:
			from = Probation
		case arena.Again:
			from = Main
		default:
			continue
		}
		if j := earlier(steps[:i], step.Slot); j >= 0 {
			s.moved[i] = s.moved[j]
			continue
		}
		begin := len(s.spare)
		var ok bool
		if s.spare, ok = s.rings[from].get(s.spare, s.keys[step.Slot]); !ok {
			s.Lost++
			continue
		}
		s.moved[i] = s.spare[begin:len(s.spare):len(s.spare)]
	}
}

// earlier returns the step that moves a slot first, or -1.
func earlier(steps []arena.Step, slot arena.Slot) int {
	for i, s := range steps {
		if s.Slot == slot && s.Do != arena.Drop {
			return i
		}
	}
	return -1
}

// write writes a value to a ring and forgets the other's: of two copies one is outdated.
func (s *Store) write(r Ring, k Key, value []byte) {
	s.rings[r].set(k, value)
	s.hint.set(k.Unit(), r)
	s.rings[r.Other()].del(k)
}
