package baseline

import "math/bits"

// schedule is the set of units whose next request is known, by its position in the trace. A
// bitmap orders the positions, which differ; a hash table with linear probing leads from
// one to its unit. It holds ids only, for their positions are known. 4 bytes an id, and 6 to
// 11 a unit in the set.
type schedule struct {
	bitmap
	due   []uint32 // position of the next request by id, of all units
	table []uint32 // 1 + id; 0 is vacant
	held  int
}

func newSchedule(positions, ids int) schedule {
	return schedule{
		bitmap: newBitmap(positions),
		due:    make([]uint32, ids),
		table:  make([]uint32, 64),
	}
}

// slot returns where the search for a position starts (Knuth's multiplicative hash).
func (s *schedule) slot(position uint32) int {
	const golden = 0x9e3779b1
	return int(position * golden >> bits.LeadingZeros32(uint32(len(s.table)-1)))
}

func (s *schedule) next(slot int) int { return (slot + 1) & (len(s.table) - 1) }

// enter adds a unit under its due position.
func (s *schedule) enter(id uint32) {
	if s.held++; s.held > len(s.table)/3*2 {
		s.rehash(2 * len(s.table))
	}
	s.bitmap.add(s.due[id])
	s.place(id)
}

func (s *schedule) place(id uint32) {
	slot := s.slot(s.due[id])
	for s.table[slot] != 0 {
		slot = s.next(slot)
	}
	s.table[slot] = id + 1
}

// rehash moves the units to a table of another length, a power of two.
func (s *schedule) rehash(length int) {
	old := s.table
	s.table = make([]uint32, length)
	for _, unit := range old {
		if unit != 0 {
			s.place(unit - 1)
		}
	}
}

// leave removes a unit; its due position must be the one it was entered under.
func (s *schedule) leave(id uint32) {
	s.held--
	s.bitmap.remove(s.due[id])
	hole := s.slot(s.due[id])
	for s.table[hole] != id+1 {
		hole = s.next(hole)
	}
	s.closeHole(hole)
}

// closeHole vacates a slot and moves up the units that are found past it otherwise.
func (s *schedule) closeHole(hole int) {
	mask := len(s.table) - 1
	for slot := s.next(hole); s.table[slot] != 0; slot = s.next(slot) {
		home := s.slot(s.due[s.table[slot]-1])
		if (slot-home)&mask >= (slot-hole)&mask {
			s.table[hole] = s.table[slot]
			hole = slot
		}
	}
	s.table[hole] = 0
}

// farthest returns the unit due last; the set must not be empty.
func (s *schedule) farthest() uint32 {
	position := s.bitmap.max()
	slot := s.slot(position)
	for s.due[s.table[slot]-1] != position {
		slot = s.next(slot)
	}
	return s.table[slot] - 1
}
