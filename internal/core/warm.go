package core

import (
	"math/bits"

	"github.com/foliocache/folio/arena"
)

// purse is what may be spent on loads that nobody waits for: each load that somebody waits for earns a
// part of one.
type purse struct {
	loads float64 // that may be spent
	bar   float64 // how sure one must be to spend: it rises while there is not enough, and sinks
	due   []Due

	alone, beside mean    // what loads took that readers wait for, as a part of what was expected: without a load that nobody waits for beside them, and with one
	since         int     // of the latter, since the last load that nobody waits for,
	near          float64 // and how many there are for each of these
	held          uint32  // loads that were to do readers more harm than good: for nothing but every sixteenth
}

// mean is one of numbers, the older the less they weigh.
type mean struct{ n, sum float64 }

func (m *mean) add(x float64) { m.n, m.sum = m.n*slowForget+1, m.sum*slowForget+x }

const (
	purseMost  = 10  // loads that are put by
	barRises   = .02 // by this part of what is left, each time that there is not enough
	barSinks   = .98 // to this part, each time that there is more than enough
	againProbe = 64  // where it was not, one bump of so many tries it all the same
	surely     = .7  // how often what was loaded again must have been asked for, for the next
	slowMost   = 4   // times what was expected that one load counts as at most
	slowForget = .99 // weight of a load's slowness after one more
	slowNear   = .02 // weight of the last load that nobody waits for in how many others run beside one
	slower     = 1.2 // times what loads take alone that is no chance
)

// Earn books a load that somebody waits for: one call of a loader, whatever it brings.
func (c *Core) Earn() { c.purse.loads = min(purseMost, c.purse.loads+c.config.Budget) }

// spend reports whether there is a load for something that is wanted with probability p, and takes it.
func (p *purse) spend(wanted float64) bool {
	switch {
	case p.loads < 1:
		p.bar += barRises * (1 - p.bar)
		return false
	case p.loads > purseMost/2:
		p.bar *= barSinks
	}
	if wanted < p.bar {
		return false
	}
	p.loads--
	if wanted <= p.harm() {
		if p.held++; p.held%walkProbe != 0 {
			return false
		}
	}
	p.near += slowNear * (float64(p.since) - p.near)
	p.since = 0
	return true
}

// took books what a load took that somebody waited for, as a part of what was expected.
func (p *purse) took(part float64, beside bool) {
	m := &p.alone
	if beside {
		m = &p.beside
		p.since++
	}
	m.add(min(part, slowMost))
}

// harm returns how much longer readers wait, in loads, for each load that nobody waits for: where the origin, or this
// process, has no processor or connection left for that.
func (p *purse) harm() float64 {
	a, b := &p.alone, &p.beside
	if min(a.n, b.n) < walkSure {
		return 0
	}
	times := b.sum / b.n / (a.sum / a.n)
	if times < slower {
		return 0
	}
	return p.near * (times - 1)
}

// further reports whether the page behind one that was just served should be loaded by itself: where that is the
// last one that is there, and its reader is likely to go on.
func (c *Core) further(slot arena.Slot, q *Query) bool {
	w := c.walk(q.List)
	if w == nil || !c.rule(q.List).Ahead || q.Busy {
		return false
	}
	t := c.trail(slot)
	if !t.has(trailLast) || t.has(trailPut) {
		return false
	}
	t.flags |= trailPut
	next := &w.next[t.step][t.behind+1]
	p := 0.
	switch {
	case next.tries >= walkSure:
		p = next.asked / next.tries
	case q.Blind:
		p = 1 // only pages that are loaded tell
	}
	if w.tries++; q.Blind && w.tries%walkProbe == 0 {
		p = 1
	}
	if !q.Blind {
		next.try()
	}
	if p == 0 || !c.arena.Answerer(t.arm).Ahead(p) || !c.purse.spend(p) {
		c.charge(q.List, t.depth, t.arm, 0, 1)
		return false
	}
	if q.Blind {
		next.try()
	}
	t.flags &^= trailLast
	c.charge(q.List, t.depth, t.arm, 1, 1)
	return true
}

// Warm books a load for a page that nobody asked for: as a reader of another one, that Lookup has just
// answered, is likely to ask for it next. It returns how many pages more the load should bring, as many as if
// somebody had asked.
func (c *Core) Warm(q, reader *Query) (f Flight, ahead int) {
	f = c.Begin(q)
	l := &c.loads[f.at]
	l.step = c.stepAt(q, c.tags[q.Feed], 1+c.arena.Frequency(q.Key))
	slot, _ := c.arena.Find(reader.Key)
	l.trail = trail{}
	if slot != arena.NoSlot {
		l.trail = *c.trail(slot)
	}
	l.trail.flags = trailWarm
	c.Ahead.Warmed++
	return f, c.walk(q.List).ahead(q, l.step)
}

// Due is a page to be loaded after a bump.
type Due struct {
	Key  uint64
	list uint32
	kind uint8
}

// consider decides whether what is read most of a feed is loaded again, now that it is bumped, after so many
// reads: if that was mostly asked for in time where as many reads, and votes for one page, had been.
func (c *Core) consider(k *tag, reads uint32) {
	w := c.walk(k.list)
	if w == nil || k.votes == 0 {
		return
	}
	kind := uint8(min(bits.Len32(reads), len(w.again)/agains-1)*agains + min(bits.Len8(k.votes), agains-1))
	r := &w.again[kind]
	k.votes /= 2
	p := 1.
	if r.tries >= walkSure {
		p = r.asked / r.tries
	}
	w.bumps++
	if (p > surely || w.bumps%againProbe == 0) && c.purse.spend(p) {
		c.purse.due = append(c.purse.due, Due{k.hot, k.list, kind})
	}
}

const agains = 5 // classes of votes

// Due returns the next page that is to be loaded again as a bump has outdated it, once.
func (c *Core) Due() (d Due, ok bool) {
	if len(c.purse.due) == 0 {
		return Due{}, false
	}
	d, c.purse.due = c.purse.due[0], c.purse.due[1:]
	return d, true
}

// Again books the load that is due, of what a query asks for.
func (c *Core) Again(d Due, q *Query) (f Flight, ahead int) {
	w := c.walk(d.list)
	f = c.Begin(q)
	l := &c.loads[f.at]
	l.step = c.step(q, c.tags[q.Feed])
	l.trail = trail{step: l.step, kind: d.kind, flags: trailAgain}
	w.again[d.kind].try()
	c.Ahead.Again++
	return f, w.ahead(q, l.step)
}

// vote books for what page a feed is read (Boyer & Moore's majority vote), where it may be loaded again.
func (c *Core) vote(q *Query, k *tag) {
	switch {
	case k == nil || !c.rule(q.List).Again:
	case k.hot == q.Key:
		k.votes = min(k.votes, 254) + 1
	case k.votes > 0:
		k.votes--
	default:
		k.hot, k.list, k.votes = q.Key, q.List, 1
	}
}
