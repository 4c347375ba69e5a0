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
func (w *world) toGhost(v view) {
	main := v.place == inMain
	switch {
	case v.resident():
		w.hold(v.size, -1)
	default:
		w.leaveGhost(v)
	}
	w.moved(v)
	v.place = inGhost
	v.flags = 0
	v.set(fromMain, main)
	v.index = w.ghosts.push(v.slot, v.size)
	w.forgetOld()
}

// leaveGhost makes a unit known that is on its way to a new place.
func (w *world) leaveGhost(v view) {
	if v.place == inGhost {
		w.ghosts.drop(v.size)
		v.place = nowhere
	} else {
		v.known++
	}
}

// forgetOld drops what the ghost remembers for too long.
func (w *world) forgetOld() {
	q := &w.ghosts.queue
	for q.head != q.tail {
		e := q.oldest()
		if v := w.view(e.slot); v.place == inGhost && v.index == q.head {
			if w.ghosts.bytes <= w.ghosts.limit && w.ghosts.units <= w.ghosts.most && w.since(v.state) < strategy.TicksPerLap {
				return
			}
			w.ghosts.drop(e.offset)
			w.disown(v)
		}
		q.pop()
		w.preview(q)
	}
}

// disown forgets a ghost whose bytes are no longer counted.
func (w *world) disown(v view) {
	w.settle(v, false)
	*v.state = noState
	w.plane.forget(v.slot)
}
