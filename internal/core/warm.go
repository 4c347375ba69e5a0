package core

import (
	"math"
	"math/bits"

	"github.com/foliocache/folio/arena"
)

// purse is what may be spent on loads that nobody waits for: each load that somebody waits for earns a
// part of one.
type purse struct {
	loads  float64 // that may be spent
	probes float64 // of them, where they do more harm than good, to see whether they still do: 0..1
	vain   int     // probes since a load did more good than harm, or what one costs was halved
	worst  float64 // what one has cost since, at most, in loads
	bar    float64 // how sure one must be to spend: it rises while there is not enough, and sinks
	due    []Due

	took     [Unasked + 1]mean // what loads took, as a part of what was expected
	expected mean              // time that those were to take that ran Beside
	since    int               // of these, since the last load that nobody asked for began,
	near     float64           // and how many there are for each of those
	behind   int               // loads since then
}

// Manner is how a load ran.
type Manner uint8

// Manners of loads.
const (
	Behind  Manner = iota // whoever asked for it had an answer
	Alone                 // somebody waited for it
	Beside                // somebody waited for it, and one that nobody had asked for ran when it began, or shortly before
	Unasked               // nobody had asked for it
)

// mean is one of numbers, the older the less they weigh.
type mean struct{ n, sum, squares float64 }

func (m *mean) add(x, forget float64) {
	m.n, m.sum, m.squares = m.n*forget+1, m.sum*forget+x, m.squares*forget+x*x
}

func (m *mean) value() float64 { return m.sum / max(1, m.n) }

// error returns the mean's standard error, roughly.
func (m *mean) error() float64 {
	v := m.value()
	return math.Sqrt(max(0, m.squares/max(1, m.n)-v*v) / max(1, m.n))
}

const (
	purseMost  = 10  // loads that are put by
	barRises   = .02 // by this part of what is left, each time that there is not enough
	barSinks   = .98 // to this part, each time that there is more than enough
	againProbe = 64  // where it was not, one bump of so many tries it all the same
	harmProbe  = 64  // where loads ahead do more harm than good, one in so many that are earned is begun;
	harmVain   = 10  // half as many once so many in a row did, a third after twice as many, and so on
	surely     = .7  // how often what was loaded again must have been asked for, for the next
	slowMost   = 4   // times what was expected that one load counts as at most
	slowNear   = .02 // weight of the last load that nobody waits for in how many others begin beside one
	slowSure   = 1   // so many standard errors more than
	slowBehind = 3   // loads after one that nobody asked for that it may slow still: connections by turns are cold
	slower     = 1.1 // so many times what loads take alone are no chance
)

// slowForget is the weight of what a load took after one more. Where loads ahead do harm there are few, and some
// Beside each.
var slowForget = [...]float64{Behind: .99, Alone: .999, Beside: .99, Unasked: .97}

// Earn books a load that somebody waits for: one call of a loader, whatever it brings.
func (c *Core) Earn() {
	p := &c.purse
	p.loads = min(purseMost, p.loads+c.config.Budget)
	p.probes = min(1, p.probes+c.config.Budget/(harmProbe*(1+float64(p.vain)/harmVain)))
}

// spend reports whether there is a load ahead for something that is wanted with a probability and takes a load of
// some time otherwise, and takes it. known tells a probability that was learned from one that is made up to learn it.
// Readers' time and the origin's count alike: if it is wanted, it saves both that load; it costs the origin its own, and
// both what it slows others by.
func (p *purse) spend(wanted float64, known bool, load float64) bool {
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
	own, harm := p.times(Unasked), p.harm()
	cost := own + 2*harm
	switch {
	case 2*wanted*load < own*load+2*harm*p.expected.value() || !known && p.vain > 0:
		if p.probes < 1 {
			return false
		}
		p.probes--
		switch {
		case cost <= 1: // it does no harm, but is hardly wanted
		case cost < p.worst/2:
			p.vain, p.worst = 1, cost
		default:
			p.vain, p.worst = p.vain+1, max(p.worst, cost)
		}
	case known:
		p.vain, p.worst = 0, 0
	}
	p.loads--
	return true
}

// began books a load that nobody waits for.
func (p *purse) began() {
	p.near += slowNear * (float64(p.since) - p.near)
	p.since, p.behind = 0, 0
}

// ran books what a load took, and what was expected.
func (p *purse) ran(as Manner, took, expected float64) {
	if p.behind++; as == Alone && p.behind <= slowBehind {
		as = Beside
	}
	p.took[as].add(min(took/expected, slowMost), slowForget[as])
	if as == Beside {
		p.since++
		p.expected.add(expected, slowForget[as])
	}
}

// times returns how many times longer loads take than those that run alone; 1 where that may be chance, unless
// so many probes in a row have said that it is not.
func (p *purse) times(as Manner) float64 {
	loads, alone := &p.took[as], &p.took[Alone]
	if min(loads.n, alone.n) < walkSure || p.vain <= harmVain && loads.value()-slowSure*loads.error() < slower*alone.value() {
		return 1
	}
	return max(1, loads.value()/alone.value())
}

// harm returns how much longer others take, in all, for each load ahead, in loads: where the origin, or this process,
// has no processor or connection left for that.
func (p *purse) harm() float64 { return p.near * (p.times(Beside) - 1) }

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
	p, known := 0., next.tries >= walkSure
	if known {
		p = next.asked / next.tries
	}
	if w.tries++; q.Blind && (!known || w.tries%walkProbe == 0) {
		p, known = 1, false // only pages that are loaded tell
	}
	if !q.Blind {
		next.try()
	}
	if p == 0 || !c.arena.Answerer(t.arm).Ahead(p) || !c.purse.spend(p, known, w.loads.mean()) {
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
	return f, c.walk(q.List).ahead(q, l.step, c.price())
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
	p, known := 1., r.tries >= walkSure
	if known {
		p = r.asked / r.tries
	}
	if w.bumps++; w.bumps%againProbe == 0 {
		p, known = 1, false
	}
	if p > surely && c.purse.spend(p, known, w.loads.mean()) {
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
	return f, w.ahead(q, l.step, c.price())
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
