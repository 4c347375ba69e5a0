package arena

import (
	"errors"
	"fmt"

	"github.com/foliocache/folio/strategy"
)

// Check recomputes every sum of the arena from scratch and returns what does not agree, joined;
// nil if all does. For tests: O(units × worlds + ring entries). Safe whenever no call is under way.
func (a *Arena) Check() error {
	err := a.live.check()
	if a.shadow != nil {
		err = errors.Join(err, a.shadow.check())
	}
	return err
}

// faults gathers what a check finds.
type faults []error

func (f *faults) want(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf("arena: "+format, args...))
	}
}

func (p *plane) check() error {
	var f faults
	free := p.checkTable(&f)
	known := make([]uint8, p.records.len)
	for _, w := range p.worlds {
		w.check(&f, known)
	}
	for slot := range p.records.len {
		u := p.unit(slot)
		if free[slot] {
			f.want(known[slot] == 0, "slot %d is free, but %d worlds know it", slot, known[slot])
			continue
		}
		f.want(u.known == known[slot] && u.known > 0, "slot %d says %d worlds know it, %d do", slot, u.known, known[slot])
		f.want(u.size > 0, "slot %d has no size", slot)
	}
	return errors.Join(f...)
}

// checkTable compares units, index and free list, and returns the latter as a set.
func (p *plane) checkTable(f *faults) map[Slot]bool {
	free := map[Slot]bool{}
	s := p.free
	for ; s < p.records.len && !free[s]; s = p.unit(s).next() {
		free[s] = true
	}
	f.want(s == NoSlot, "the chain of free slots ends at %d", s)
	indexed := 0
	for _, at := range p.table.places {
		if s := at.slot; s != NoSlot {
			indexed++
			f.want(!free[s], "slot %d is free and indexed", s)
		}
	}
	used := int(p.records.len) - len(free)
	f.want(indexed == p.table.used && indexed == used, "%d units indexed, the table says %d, %d units are not free", indexed, p.table.used, used)
	f.want(indexed*4 <= len(p.table.places)*3, "%d units in a table of %d", indexed, len(p.table.places))
	for slot := range p.records.len {
		if u := p.unit(slot); !free[slot] {
			f.want(p.table.find(u.key) == slot, "slot %d of key %x is found at %d", slot, u.key, p.table.find(u.key))
		}
	}
	return free
}

// check recounts one world and books in known what it knows.
func (w *world) check(f *faults, known []uint8) {
	var entries, bytes int64
	ghosts, remembered := uint64(0), uint32(0)
	for slot := range w.plane.records.len {
		v := w.view(slot)
		switch v.place {
		case nowhere:
			f.want(*v.state == noState, "world %d: slot %d is nowhere, yet has %+v", w.number, slot, *v.state)
			continue
		case inGhost:
			ghosts += uint64(v.size)
			remembered++
			f.want(w.ghosts.queue.holds(v.slot, v.index), "world %d: the ghost's queue lacks slot %d", w.number, slot)
		default:
			entries++
			bytes += int64(v.size)
			r := &w.probation
			if v.place == inMain {
				r = &w.main
			}
			f.want(r.bucket(v.key).holds(v.slot, v.index), "world %d: ring %d lacks slot %d", w.number, v.place, slot)
		}
		known[slot]++
	}
	f.want(entries == w.Entries && bytes == w.Bytes, "world %d: %d entries of %d bytes, the counters say %d of %d", w.number, entries, bytes, w.Entries, w.Bytes)
	f.want(ghosts == w.ghosts.bytes && remembered == w.ghosts.units, "world %d: %d ghosts of %d bytes, the counters say %d of %d", w.number, remembered, ghosts, w.ghosts.units, w.ghosts.bytes)
	f.want(w.Admitted-w.Evicted-w.Invalidated == w.Entries, "world %d: %d admitted - %d evicted - %d invalidated are not %d entries", w.number, w.Admitted, w.Evicted, w.Invalidated, w.Entries)
	f.want(sum(w.ClassHits) == w.Hits && sum(w.plane.asked) == w.Requests, "world %d: %d hits of %d requests by depth, %d of %d in all", w.number, sum(w.ClassHits), sum(w.plane.asked), w.Hits, w.Requests)
	f.want(w.Hits <= w.Requests, "world %d: %d hits in %d requests", w.number, w.Hits, w.Requests)
	f.want(uint64(w.Bytes) <= w.probation.used()+w.main.used(), "world %d: %d live bytes in rings of %d", w.number, w.Bytes, w.probation.used()+w.main.used())
	w.checkRing(f, &w.probation, inProbation)
	w.checkRing(f, &w.main, inMain)
}

func sum(counts [strategy.Depths]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// holds reports whether the entry of a running index is there and is the slot's.
func (b *bucket) holds(slot Slot, index uint32) bool {
	return index-b.head < b.tail-b.head && b.at(index).slot == slot
}

// checkRing walks a ring's entries: none is overwritten, none overlaps the next, live ones are
// within their chunk.
func (w *world) checkRing(f *faults, r *ring, p place) {
	for n := range r.buckets {
		b := &r.buckets[n]
		f.want(b.tail-b.head <= min(r.most, uint32(len(b.entries))), "world %d: ring %d bucket %d holds %d of %d", w.number, p, n, b.tail-b.head, len(b.entries))
		next := b.offset // where the entry that follows begins
		for i := b.tail; i != b.head; {
			i--
			e := b.at(i)
			begin := r.begin(b, e)
			f.want(begin < next, "world %d: ring %d bucket %d: entry %d begins at %d, the next at %d", w.number, p, n, i, begin, next)
			f.want(begin+r.capacity >= b.offset, "world %d: ring %d bucket %d: entry %d is overwritten", w.number, p, n, i)
			if v := w.view(e.slot); v.place == p && v.index == i {
				f.want(r.bucket(v.key) == b, "world %d: ring %d bucket %d: entry %d passes for the copy of a unit of another bucket", w.number, p, n, i)
				end := begin + uint64(v.size)
				f.want(end <= next, "world %d: ring %d bucket %d: entry %d ends at %d, the next begins at %d", w.number, p, n, i, end, next)
				f.want(r.chunk == 0 || end%r.chunk != 0 && begin/r.chunk == end/r.chunk, "world %d: ring %d bucket %d: entry %d crosses its chunk", w.number, p, n, i)
			}
			next = begin
		}
	}
}
