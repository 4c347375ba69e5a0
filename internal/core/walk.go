package core

import "github.com/foliocache/folio/arena"

// MostAhead bounds the further pages that one load brings.
const MostAhead = 4

// walk is what is known of one list's readers: how far they go on from a page that a load is for.
// A load that brings further pages along saves theirs where they are asked for, and costs their rows
// where they are not.
type walk struct {
	rates [steps][MostAhead + 2]rate // by the step from a page, and how far behind it another is, from 1
	next  [steps][MostAhead + 2]rate // the same, from a page that was asked for once more, and was the last one brought
	again [6 * agains]rate           // the same, of pages that were loaded after a bump
	loads line                       // what they take
	tries uint32                     // loads
	bumps uint32                     // of feeds of which one page is read
	shy   uint8                      // so many loads bring one page: one that was to bring more has failed
}

// rate is how often a page so far behind was asked for while the one before it was there.
type rate struct{ asked, tries float64 }

// All is measured on generated tickets: see docs/decisions/0006-ahead.md.
const (
	walkForget = .999 // weight of an outcome after one more
	walkSure   = 20   // outcomes after which a rate is believed: until then a load brings one page
	walkShy    = 16   // loads that bring one page after one has failed that was to bring more
	walkProbe  = 16   // where nothing else tells, one load of so many brings a page more
)

func (r *rate) try()     { r.asked, r.tries = r.asked*walkForget, r.tries*walkForget+1 }
func (r *rate) succeed() { r.asked++ }

// ahead returns how many further pages a load should bring: all those that are asked for often enough to
// be worth their part of a load, at a price.
func (w *walk) ahead(q *Query, s step, price float64) int {
	if w.shy > 0 {
		w.shy--
		return 0
	}
	n, cost := 0, price*w.loads.cost(q.Depth, q.rows())
	for n < MostAhead {
		r := &w.rates[s][n+1]
		if r.tries < walkSure && n > 0 || r.tries >= walkSure && r.asked <= cost*r.tries {
			break
		}
		n++
	}
	if w.tries++; q.Blind && w.tries%walkProbe == 0 {
		n++
	}
	return min(n, MostAhead)
}

// step is what is known of a page asked for that tells how likely its reader goes on: its depth, how often
// its feed is written, how often it is asked for itself. 0..steps-1.
type step uint8

const steps = 6 << 4

func (c *Core) step(q *Query, feed *tag) step {
	return c.stepAt(q, feed, c.arena.Frequency(q.Key))
}

// stepAt is step for what is asked for so often.
func (c *Core) stepAt(q *Query, feed *tag, frequency uint8) step {
	often := [16]uint8{0, 0, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}[min(frequency, 15)]
	return step(q.Depth<<4 | feed.threat()<<2 | often)
}

// trail says of a slot's page how it came, as far as something is still to be learned from that.
type trail struct {
	step   step  // of the page that its load was for; of one that nobody asked for, of the page whose reader was expected
	behind uint8 // that page by so many
	arm    uint8 // whose answers the page gives, and its depth
	depth  uint8
	kind   uint8 // of what was loaded again, see walk.again
	flags  trailFlags
}

type trailFlags uint8

const (
	trailBrought trailFlags = 1 << iota // a load for an earlier page brought it, and nobody asked for it yet
	trailWarm                           // a load that nobody asked for did
	trailAgain                          // a load after a bump did
	trailLast                           // the page behind may be there at the origin, but was not brought
	trailPut                            // whether to load that by itself was asked
	trailDeaf                           // its hits are not heard of: nothing is learned of how far readers go
)

func (t *trail) has(f trailFlags) bool { return t.flags&f != 0 }

// trail returns that of a slot's page.
func (c *Core) trail(slot arena.Slot) *trail {
	c.trails.Grow(c.arena.Slots())
	return c.trails.At(slot)
}

// Ahead counts pages that loads brought along, of the feeds that are learned from.
type Ahead struct {
	Brought int64 // and stored
	Used    int64 // of them, asked for before they were gone

	// Loads that nobody waited for, and those of them whose page was asked for before it was gone:
	Warmed, WarmedUsed int64 // for a page that is likely to be next
	Again, AgainUsed   int64 // for one that a bump had outdated
}

// walk returns what is known of a list, by its number; nil for none.
func (c *Core) walk(list uint32) *walk {
	if list == 0 {
		return nil
	}
	for uint32(len(c.walks)) < list {
		c.walks = append(c.walks, new(walk))
	}
	return c.walks[list-1]
}

// Branch books that a flight's load is to bring what another query of its feed asks for as well, a page up
// to MostAhead behind, and returns a flight for that: it began when the first one did, which must be under way.
func (c *Core) Branch(f Flight, q *Query, behind int) Flight {
	main := *c.underWay(f)
	if at, ok := c.flying[q.Key]; ok {
		c.loads[at].latest = false
	}
	b := c.start(q, main.feed)
	l := &c.loads[b.at]
	l.born, l.on.since, l.step = main.born, main.on.since, main.step
	l.trail = trail{step: main.step, behind: uint8(behind), flags: trailBrought}
	return b
}

// Waste ends a flight for a page that a load was to bring along, and did not or for nothing: as good as one
// that nobody asks for.
func (c *Core) Waste(f Flight, list uint32) {
	if l, w := c.underWay(f), c.walk(list); l != nil && w != nil && l.trail.behind > 0 && l.trail.has(trailBrought) {
		w.rates[l.trail.step][l.trail.behind].try()
	}
	c.Fail(f)
}

// Shy has the next loads of a list bring one page each: one that was to bring more has failed.
func (c *Core) Shy(list uint32) {
	if w := c.walk(list); w != nil {
		w.shy = walkShy
	}
}

// Held reports whether nobody need load what a query asks for: there is a valid copy, or a load under way
// that may be joined.
func (c *Core) Held(q *Query) bool {
	slot, resident := c.arena.Find(q.Key)
	if resident && c.valid(slot, c.tags[q.Feed], q.Now) {
		return true
	}
	at, ok := c.flying[q.Key]
	return ok && c.current(&c.loads[at])
}

// Took books how long a list's load took, in any unit, for a page of some depth bucket, and how many rows it brought.
func (c *Core) Took(list uint32, depth uint8, rows, took float64, as Manner) {
	w := c.walk(list)
	if w == nil {
		return
	}
	if expected, ok := w.loads.expects(depth, rows); ok {
		c.purse.ran(as, took, expected)
	}
	if as != Unasked { // what those take is not what a reader's would
		w.loads.add(depth, rows, took)
	}
}

// came notes how a page came that was just offered to the arena, and stored or not.
func (c *Core) came(slot arena.Slot, l *loading, u *Loaded, stored bool) {
	w := c.walk(u.List)
	if w == nil && len(c.walks) == 0 {
		return
	}
	t := c.trail(slot)
	*t = trail{}
	if w == nil {
		return
	}
	*t = l.trail
	if t.has(trailBrought|trailWarm|trailAgain) && !stored {
		t.flags = 0
	}
	if !c.arena.Sampled(uint64(u.Feed)) {
		t.flags |= trailDeaf
	}
	if u.Last && stored {
		t.flags |= trailLast
	}
	if !t.has(trailWarm) {
		t.arm, t.depth = c.fresh.placing.Strategy, u.Depth
	}
	if !l.trail.has(trailWarm) {
		c.stands(t, w, stored)
	}
	if stored && l.wanted {
		c.use(t, w, &u.Query)
	}
	c.fresh.placing.Told = t.has(trailWarm|trailAgain) || t.has(trailLast) && c.rule(u.List).Ahead
}

// stands books that a page is there from which readers may go on.
func (c *Core) stands(t *trail, w *walk, stored bool) {
	if t.has(trailDeaf) {
		return
	}
	if t.behind > 0 {
		w.rates[t.step][t.behind].try()
		if stored {
			c.Ahead.Brought++
		}
	}
	if t.has(trailLast) {
		w.rates[t.step][t.behind+1].try()
	}
}

// arrived books that a page was asked for that a slot holds.
func (c *Core) arrived(slot arena.Slot, q *Query) {
	w := c.walk(q.List)
	if w == nil {
		return
	}
	c.use(c.trail(slot), w, q)
}

// use books that a page was asked for, if nobody had before.
func (c *Core) use(t *trail, w *walk, q *Query) {
	switch {
	case t.has(trailWarm):
		c.Ahead.WarmedUsed++
		w.next[t.step][t.behind+1].succeed()
		if !t.has(trailDeaf) {
			w.rates[t.step][t.behind+1].succeed()
		}
		c.charge(q.List, t.depth, t.arm, -1, 0) // the load would have been one anyway
		*t = trail{step: c.step(q, c.tags[q.Feed]), arm: t.arm, depth: q.Depth, flags: t.flags &^ trailWarm}
		c.stands(t, w, true)
	case t.has(trailAgain):
		c.Ahead.AgainUsed++
		w.again[t.kind].succeed()
	case t.has(trailBrought) && !t.has(trailDeaf):
		c.Ahead.Used++
		w.rates[t.step][t.behind].succeed()
	}
	t.flags &^= trailBrought | trailAgain
}

// beyond books that a page was asked for that is not there, though the one before it may be.
func (c *Core) beyond(q *Query) {
	w := c.walk(q.List)
	if w == nil || q.Before == 0 {
		return
	}
	slot, resident := c.arena.Find(q.Before)
	if !resident || !c.valid(slot, c.tags[q.Feed], q.Now) {
		return
	}
	t := c.trail(slot)
	if !t.has(trailLast) || t.has(trailWarm) {
		return
	}
	if !t.has(trailDeaf) {
		w.rates[t.step][t.behind+1].succeed()
	}
	if t.has(trailPut) {
		w.next[t.step][t.behind+1].succeed()
		c.charge(q.List, t.depth, t.arm, wait, 0)
	}
	t.flags &^= trailLast
}
