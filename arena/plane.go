package arena

import (
	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/chunked"
	"github.com/foliocache/folio/strategy"
)

func class(r *Request) strategy.Class { return strategy.ClassOf(r.Depth, r.Hazard) }

// plane is a set of worlds over the same requests: one index, one frequency sketch, and for
// each unit one state a world, side by side in memory.
type plane struct {
	worlds   []*world
	records  records
	told     chunked.Slice[[2]strategy.Statement] // what the first world stated of each unit; empty if nobody is told
	versions *chunked.Slice[uint32]               // of each unit's data when it was last filled; nil: callers tell what is stale
	free     Slot                                 // the first of a chain, see unit.next; NoSlot: none
	table    table
	sketch   sketch
	board    *board.Board           // of hits that were only noted, where there is one world; nil: all are told at once
	asked    [strategy.Depths]int64 // requests by depth bucket
}

func (p *plane) unit(s Slot) *unit { return p.records.unit(s) }

// newPlane makes a plane with a world for each rule. All worlds have the same geometry.
func newPlane(g Geometry, entries int, rules []strategy.Strategy) *plane {
	p := &plane{sketch: newSketch(entries), free: NoSlot, records: records{stride: uint32(1 + len(rules))}}
	p.table = newTable(&p.records)
	for i, r := range rules {
		w := &world{plane: p, number: uint32(i), rule: r, probation: g.probation(), main: g.main(),
			ghosts: g.ghosts(), mind: new(mind), learns: true}
		p.worlds = append(p.worlds, w)
	}
	return p
}

// request books a request in every world and returns the set of worlds that miss, bit i for
// world i.
func (p *plane) request(slot Slot, r *Request) (missed uint32) {
	if slot != NoSlot {
		p.catchUp(slot)
	}
	freq, halved := p.sketch.add(r.Key, 1), p.sketch.halved
	p.count(r.Depth, 1)
	if slot == NoSlot {
		return 1<<len(p.worlds) - 1
	}
	u := p.unit(slot)
	u.class, u.freq, u.halved = class(r), freq, halved
	if p.outdated(slot, r) {
		p.outdate(slot)
	}
	for i, w := range p.worlds {
		if !w.touch(w.view(slot), r.cost()) {
			missed |= 1 << i
		}
	}
	return missed
}

// count books that there were some requests.
func (p *plane) count(depth uint8, n int64) {
	p.asked[depth] += n
	p.sketch.age(uint64(n))
	for _, w := range p.worlds {
		w.Requests += n
	}
}

// catchUp books the hits of a unit that were only noted. Its class is still the same: it changes with
// the version.
func (p *plane) catchUp(slot Slot) {
	if p.board == nil {
		return
	}
	n, hand := p.board.Take(slot)
	w := p.worlds[0]
	if v := w.view(slot); n > 0 && v.resident() {
		v.freq, v.halved = p.sketch.add(v.key, n), p.sketch.halved
		w.hit(v, n, hand)
	}
}

// outdate turns every world's copy of a unit into a ghost.
func (p *plane) outdate(slot Slot) {
	for _, w := range p.worlds {
		w.outdate(slot)
	}
}

// fill offers a unit to every world that does not hold it.
func (p *plane) fill(slot Slot, r *Request, size uint32) Slot {
	if slot == NoSlot {
		slot = p.create(r.Key, size)
	}
	p.catchUp(slot)
	u := p.unit(slot)
	u.known++ // not to be forgotten meanwhile
	if p.outdated(slot, r) {
		p.outdate(slot)
	}
	if u.size != size {
		p.resize(slot, size)
	}
	u.class = class(r)
	if p.versions != nil {
		*p.versions.At(slot) = r.Version
	}
	for _, w := range p.worlds {
		w.fill(slot, r.Main)
	}
	p.forget(slot)
	return slot
}

// outdated reports whether a unit's copies are not what a request is for.
func (p *plane) outdated(slot Slot, r *Request) bool {
	return r.Stale || p.versions != nil && *p.versions.At(slot) != r.Version
}

// freq returns how often a unit was asked for lately, without a look into the sketch.
func (p *plane) freq(u *unit) uint8 { return u.freq >> min(7, p.sketch.halved-u.halved) }

// resize changes a unit's size: no world's copy is the one just loaded.
func (p *plane) resize(slot Slot, size uint32) {
	u := p.unit(slot)
	for _, w := range p.worlds {
		w.outdate(slot)
		switch v := w.view(slot); {
		case v.place != inGhost:
		case w.fits(size):
			w.ghosts.resize(v.index, size)
		default: // a ghost of what can never be stored would push out all others
			w.ghosts.drop(u.size)
			w.disown(v)
		}
	}
	u.size = size
}

func (p *plane) create(key uint64, size uint32) Slot {
	s := p.free
	if s != NoSlot {
		p.free = p.unit(s).next()
	} else {
		s = p.records.add()
		n := int(s) + 1
		if p.worlds[0].calibrator != nil {
			p.told.Grow(n)
		}
		if p.versions != nil {
			p.versions.Grow(n)
		}
		if p.board != nil {
			p.board.Grow(n)
		}
	}
	u := p.unit(s)
	u.key, u.size, u.class, u.known, u.freq, u.halved = key, size, 0, 0, p.sketch.count(key), p.sketch.halved
	p.table.insert(key, s)
	return s
}

// forget tells that one world less knows the unit; the last one frees its slot.
func (p *plane) forget(slot Slot) {
	u := p.unit(slot)
	if u.known--; u.known > 0 {
		return
	}
	p.table.remove(slot)
	u.chain(p.free)
	p.free = slot
}

// metadata returns the bytes of heap that the plane takes.
func (p *plane) metadata() int64 {
	n := p.records.metadata() + p.told.Bytes() + int64(len(p.table.places))*8 + int64(len(p.sketch.blocks))*64
	if p.versions != nil {
		n += p.versions.Bytes()
	}
	if p.board != nil {
		n += p.board.Bytes()
	}
	for _, w := range p.worlds {
		n += w.probation.metadata() + w.main.metadata() + w.ghosts.queue.metadata()
		if w.learns {
			n += w.estimator.Metadata()
		}
		if w.calibrator != nil {
			n += w.calibrator.Metadata()
		}
	}
	return n
}
