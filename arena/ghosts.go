package arena

import "github.com/foliocache/folio/strategy"

// ghosts is a world's memory of units whose bytes are gone: a FIFO that forgets a unit one
// lap of main after it was dropped, or when it remembers more than main's capacity.
type ghosts struct {
	queue bucket
	bytes uint64 // of the units remembered
	units uint32
	limit uint64 // of bytes
	most  uint32 // of units
}

// push remembers a unit. The queue's offsets hold the sizes.
func (g *ghosts) push(slot Slot, size uint32) (index uint32) {
	g.bytes += uint64(size)
	g.units++
	return g.queue.push(entry{slot, size})
}

// drop books that a unit is remembered no more.
func (g *ghosts) drop(size uint32) {
	g.bytes -= uint64(size)
	g.units--
}

// resize books another size of a unit that is remembered.
func (g *ghosts) resize(index uint32, size uint32) {
	e := g.queue.at(index)
	g.bytes += uint64(size) - uint64(e.offset)
	e.offset = size
}

// toGhost drops a unit's bytes, if it has any, and remembers its key.
func (w *world) toGhost(slot Slot, s *state) {
	u := w.plane.unit(slot)
	main := s.place == inMain
	switch {
	case s.resident():
		w.hold(u.size, -1)
	default:
		w.leaveGhost(slot, s)
	}
	w.moved(slot, s)
	s.place = inGhost
	s.flags = 0
	s.set(fromMain, main)
	s.index = w.ghosts.push(slot, u.size)
	w.forgetOld()
}

// leaveGhost makes a unit known that is on its way to a new place.
func (w *world) leaveGhost(slot Slot, s *state) {
	u := w.plane.unit(slot)
	if s.place == inGhost {
		w.ghosts.drop(u.size)
		s.place = nowhere
	} else {
		u.known++
	}
}

// forgetOld drops what the ghost remembers for too long.
func (w *world) forgetOld() {
	q := &w.ghosts.queue
	for q.head != q.tail {
		e := q.at(q.head)
		if s := w.state(e.slot); s.place == inGhost && s.index == q.head {
			if w.ghosts.bytes <= w.ghosts.limit && w.ghosts.units <= w.ghosts.most && w.since(s) < strategy.TicksPerLap {
				return
			}
			w.ghosts.drop(e.offset)
			w.disown(e.slot, s)
		}
		q.pop()
		w.preview(q)
	}
}

// disown forgets a ghost whose bytes are no longer counted.
func (w *world) disown(slot Slot, s *state) {
	w.settle(slot, s, false)
	*s = noState
	w.plane.forget(slot)
}
