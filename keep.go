package folio

import (
	"math"
	"time"

	"github.com/foliocache/folio/internal/core"
)

// drop forgets what is stored of an identity, all pieces of it, under c.mu.
func (c *Cache) drop(id *identity) {
	v, _, ok := c.store.Get(c.scratch[:0], id.key, id.unit)
	c.scratch = v[:0]
	if !ok {
		return
	}
	e, _ := parseEntry(v)
	for n := range max(1, int(e.pieces)) {
		p := *id
		if n > 0 {
			p = c.piece(id, n)
		}
		c.store.Delete(p.key)
		slot, _ := c.core.Arena().Find(p.unit)
		c.shares.release(slot)
	}
}

const longest = 100 * 365 * 24 * time.Hour // time to live: more would overflow

// keep offers a filling to the core as what a flight brought, under c.mu. Values that are not stored
// are an error only where they are too large.
func (c *Cache) keep(id *identity, f core.Flight, born int64, v *filling) error {
	if !c.core.Stands(f) {
		c.core.Complete(f) // it is counted
		return nil
	}
	life, age := int64(0), int64(v.age)
	if v.ttl > 0 {
		life = int64(min(v.ttl, longest))
		if !id.raw { // who judges its age counts on it
			life = max(1, int64(float64(life)*(1-c.config.Jitter*c.random.Float64())))
		}
		v.expires = max(1, born+life)
		life += age
	}
	v.before = uint32(min(v.age/time.Millisecond, math.MaxUint32))
	v.epoch = uint32(c.core.Epoch())
	v.stamps = stamps(nil).add(id.feed, c.core.Stamp(id.feed).N) // if one was bumped since, the flight is not kept
	for _, tags := range [][]core.Tag{id.tags, v.revealed} {
		for _, t := range tags {
			v.stamps = v.stamps.add(t, c.core.Stamp(t).N)
		}
	}
	ids, pieces, err := c.cut(id, v)
	if err != nil {
		c.counts.tooLarge.Add(1)
	}
	if err != nil || c.held.any(id) || !c.room(ids, pieces) {
		c.core.Waste(f, id.list)
		c.drop(id)
		return err
	}
	c.units, c.filled, c.scratch = c.units[:0], c.filled[:0], c.scratch[:0]
	for i := range pieces {
		from := len(c.scratch)
		c.scratch = pieces[i].appendTo(c.scratch)
		c.filled = append(c.filled, filled{&ids[i], c.scratch[from:]})
		c.units = append(c.units, core.Loaded{Query: ids[i].query(born), Revealed: v.revealed, Size: uint32(len(c.scratch) - from), TTL: life, Replace: true, Last: v.last,
			Took: float64(v.took), Fate: v.fate, Before: age})
	}
	c.core.Complete(f, c.units...)
	c.tidy()
	return nil
}

const maxScratch = 1 << 20 // bytes that are kept for the next fill

// tidy lets go of what a fill was made of.
func (c *Cache) tidy() {
	clear(c.filled)
	clear(c.ids)
	clear(c.pieces)
	clear(c.units)
	if cap(c.scratch) > maxScratch {
		c.scratch = nil
	}
}
