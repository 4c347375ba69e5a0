package arena

import "github.com/foliocache/folio/strategy"

// ghosts is a world's memory of units whose bytes are gone: a FIFO that forgets a unit one
// lap of main after it was dropped, or when it remembers more than main's capacity.
type ghosts struct {
	queue bucket
	bytes uint64 // of the units remembered
	limit uint64
}

// toGhost drops a unit's bytes, if it has any, and remembers its key.
func (w *world) toGhost(slot Slot, s *state) {
	u := &w.plane.units[slot]
	main := s.place == inMain
	switch {
	case s.resident():
		w.hold(u.size, -1)
	default:
		w.leaveGhost(slot, s)
	}
	w.moved(s)
	s.place = inGhost
	s.flags = 0
	s.set(fromMain, main)
	s.index = w.ghosts.queue.push(slot)
	w.ghosts.bytes += uint64(u.size)
	w.forgetOld()
}

// leaveGhost makes a unit known that is on its way to a new place.
func (w *world) leaveGhost(slot Slot, s *state) {
	u := &w.plane.units[slot]
	if s.place == inGhost {
		w.ghosts.bytes -= uint64(u.size)
		s.place = nowhere
	} else {
		u.known++
	}
}

// forgetOld drops what the ghost remembers for too long.
func (w *world) forgetOld() {
	q := &w.ghosts.queue
	for q.head != q.tail {
		slot := q.entries[q.head&uint32(len(q.entries)-1)].slot
		s := w.state(slot)
		if s.place == inGhost && s.index == q.head {
			if w.ghosts.bytes <= w.ghosts.limit && w.since(s) < strategy.TicksPerLap {
				return
			}
			w.disown(slot, s)
		}
		q.head++
	}
}

// disown forgets a ghost.
func (w *world) disown(slot Slot, s *state) {
	w.settle(s, false)
	w.ghosts.bytes -= uint64(w.plane.units[slot].size)
	*s = noState
	w.plane.forget(slot)
}
