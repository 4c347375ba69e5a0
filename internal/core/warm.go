package core

import (
	"math/bits"

	"github.com/foliocache/folio/arena"
)

// purse is what may be spent on loads that nobody waits for: each load that somebody waits for earns a
// part of one.
type purse struct {
	loads  float64 // that may be spent
	probes float64 // of them, where they do more harm than good, to see whether they still do: 0..1
	bar    float64 // how sure one must be to spend: it rises while there is not enough, and sinks
	due    []Due

	// Of loads that somebody waited for:
	alone, beside mean    // what they took, as a part of what was expected: begun while none ran that nobody waits for, and while one did
	expected      mean    // time that the latter were to take
	since         int     // the latter, since the last load that nobody waits for began,
	near          float64 // and how many there are for each of these
}

// mean is one of numbers, the older the less they weigh.
type mean struct{ n, sum float64 }

func (m *mean) add(x float64)  { m.n, m.sum = m.n*slowForget+1, m.sum*slowForget+x }
func (m *mean) value() float64 { return m.sum / max(1, m.n) }

const (
	purseMost  = 10  // loads that are put by
	barRises   = .02 // by this part of what is left, each time that there is not enough
	barSinks   = .98 // to this part, each time that there is more than enough
	againProbe = 64  // where it was not, one bump of so many tries it all the same
	surely     = .7  // how often what was loaded again must have been asked for, for the next
	slowMost   = 4   // times what was expected that one load counts as at most
	slowForget = .99 // weight of a load's slowness after one more
	slowNear   = .02 // weight of the last load that nobody waits for in how many others begin beside one
	slower     = 1.2 // times what loads take alone that is no chance
)

// Earn books a load that somebody waits for: one call of a loader, whatever it brings.
func (c *Core) Earn() {
	p := &c.purse
	p.loads = min(purseMost, p.loads+c.config.Budget)
	p.probes = min(1, p.probes+c.config.Budget/walkProbe)
}

// spend reports whether there is a load for something that is wanted with a probability and saves its reader some
// time then, and takes it. If it is not wanted, it takes the origin as much time in vain.
func (p *purse) spend(wanted, saves float64) bool {
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
	if wanted*saves < (1-wanted)*saves+p.harm() {
		if p.probes < 1 {
			return false
		}
		p.probes--
	}
	p.loads--
	return true
}

// began books a load that nobody waits for.
func (p *purse) began() {
	p.near += slowNear * (float64(p.since) - p.near)
	p.since = 0
}

// Waited books how long a list's load took that somebody waited for, as [Core.Took] does, which is to be told after
// it, and whether it began while one ran that nobody waits for.
func (c *Core) Waited(list uint32, depth uint8, rows, took float64, beside bool) {
	w, p := c.walk(list), &c.purse
	if w == nil {
		return
	}
	expected, ok := w.loads.expects(depth, rows)
	switch part := min(took/expected, slowMost); {
	case !ok:
	case beside:
		p.since++
		p.beside.add(part)
		p.expected.add(expected)
	default:
		p.alone.add(part)
	}
}

// harm returns how much longer readers wait, in all, for each load that nobody waits for: where the origin, or this
// process, has no processor or connection left for that.
func (p *purse) harm() float64 {
	if min(p.alone.n, p.beside.n) < walkSure {
		return 0
	}
	times := p.beside.value() / p.alone.value()
	if times < slower {
		return 0
	}
	return p.near * (times - 1) * p.expected.value()
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
	if p == 0 || !c.arena.Answerer(t.arm).Ahead(p) || !c.purse.spend(p, w.loads.mean()) {
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
	c.purse.began()
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
	if w.bumps++; w.bumps%againProbe == 0 {
		p = 1
	}
	if p > surely && c.purse.spend(p, w.loads.mean()) {
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
	c.purse.began()
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
