package core

import (
	"math"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/chunked"
	"github.com/foliocache/folio/strategy"
)

// Rules say how a list's copies may be served. Times are in the unit of Query.Now; the zero value serves
// what is valid, and nothing else.
type Rules struct {
	Late    int64   // so long after its time to live a copy is served while a new one is loaded
	Written int64   // so long after a bump of its feed as well, where it is the only bump since
	Early   float64 // how many load times before its end a copy is renewed, roughly; 0: not before
	// MaxStale is the part of reads, 0..1, that may be answered with what the origin has changed without
	// a word; 0: it tells of all changes.
	MaxStale float64
	Ahead    bool // the page behind one that was just served may be loaded before anybody asks for it
	Again    bool // a bump may have what is read most be loaded again
}

// Copy is what a copy is known by from its load on: enough to say, without the core, what it is good for.
type Copy struct {
	Born       int64   // when its load began
	Expires    int64   // 0: never
	Early      float32 // it is renewed about so long before that
	Hazard     float32 // changes at the origin that nobody tells of, in a unit of time; 0: there are none
	Strategy   uint8   // whose answers it gives, see [arena.Arena.Names]
	Confidence float32 // that it is asked for again in time, 0..1
	Told       bool    // its first hit is to be told at once, see Consider
}

// Stale returns the probability, 0..1, that the origin has changed a copy by now without a word.
func (k *Copy) Stale(now int64) float64 {
	return -math.Expm1(-float64(k.Hazard) * float64(max(0, now-k.Born)))
}

const (
	rather = .5 // what is stale more likely than that is not served
	wait   = .5 // what it costs a reader to wait for a load, in loads
)

// Ask says what a valid copy in a slot is good for: Serve, Refresh or Refetch, and notes the read unless it
// is to be answered anew. promise is the list's, nil if it has none; patience is the strategy's whose answers
// the copy gives. luck is random, 0..1. Safe for concurrent use.
//
// To be renewed early, with a probability that grows towards the end, is XFetch (Vattani, Chierichetti &
// Lowenstein, VLDB 2015, section 3). That all copies have the same allowance, however often they are read
// and changed, keeps a share of stale reads with the fewest loads: see docs/decisions/0008-fresh.md.
func (k *Copy) Ask(promise *board.Promise, spent *board.Spent, slot arena.Slot, patience float64, now int64, luck float64) Action {
	if promise != nil {
		p, of := promise.Calibrated(k.Stale(now)), patience*promise.Allowance()
		over := spent.Of(slot)+p > of
		if p > rather || over && p > wait*of {
			return Refetch
		}
		spent.Spend(slot, p)
		promise.Serve(p)
		if over {
			return Refresh
		}
	}
	if k.Early > 0 && k.Expires > 0 && -float64(k.Early)*math.Log(max(luck, 1e-300)) >= float64(k.Expires-now) {
		return Refresh
	}
	return Serve
}

// Fate is what became of a copy, as a load that replaces it has found.
type Fate uint8

// The fates.
const (
	Unknown Fate = iota // there was none, or it was known to be outdated
	Same
	Changed
)

// promise is what is known of a list that promises a share of stale reads.
type promise struct {
	*board.Promise
	share   float64                  // that is aimed at
	changes [strategy.Depths]changes // of pages
	first   float64                  // of them in a unit of time, before any is known
	fates   [16]fates                // by what had been stated
	reads   float64                  // old ones forgotten
	stale   float64                  // of them, by expectation

	came, expected float64 // stale reads of copies whose fate is known
}

// fates compares what was stated of copies with what became of them.
type fates struct{ changed, stated float64 }

// changes estimates how often something changes that is only looked at now and then.
type changes struct{ n, time float64 }

const (
	freshMargin = .8   // of the promise is aimed at
	freshReads  = 1000 // reads that the share of stale ones is kept over
	mend        = 2    // how much of its error the allowance is mended by while as many reads go by
	mendFirst   = .5   // stale reads that are believed to have been as many as they should

	leastAllowance, mostAllowance = 1e-3, 64

	cameForget    = .999    // weight of a copy's reads after one more copy
	cameFirst     = 5       // stale reads that are believed to have been as many as expected
	fatesForget   = .998    // weight of a fate after one more, whatever was stated of that: what is seldom stated is not believed for ever
	fatesFirst    = .5      // fates that are believed to have been as stated
	changesForget = .999    // weight of a look after one more, of a class
	ownForget     = .99     // the same, of one page
	ownWeight     = 1       // changes that the class's rate is worth to a page
	firstRate     = 1. / 60 // changes a second, before any is known
)

// saw books that something had changed, or not, so long after the last look. How long a change had been
// there is what is expected at the rate known so far (EM for interval-censored times: Dempster, Laird &
// Rubin 1977, section 4.2).
func (k *changes) saw(changed bool, after, rate, forget float64) {
	k.n, k.time = k.n*forget, k.time*forget
	if !changed {
		k.time += after
		return
	}
	k.n++
	if x := rate * after; x > 1e-6 {
		k.time += 1/rate - after/math.Expm1(x)
	} else {
		k.time += after / 2
	}
}

// rate returns the changes in a unit of time, where so many are believed to happen at a rate anyway.
func (k *changes) rate(weight, rate float64) float64 { return (weight + k.n) / (weight/rate + k.time) }

// promised is what is known of a copy on whose fate something hangs.
type promised struct {
	Copy
	own changes32
}

// changes32 is changes, smaller.
type changes32 struct{ n, time float32 }

// fresh is what the core knows of the copies of lists with rules.
type fresh struct {
	rules    []Rules // by list; 0: of what is of none
	promises map[uint32]*promise
	copies   chunked.Slice[promised] // by slot; in use where lists promise, or Config.Copies
	grown    int
	spent    *board.Spent
	placing  Copy // what is just offered to the arena
}

// Ask says what the copy of a query is good for, where the core knows of one: for shells that keep nothing of
// a copy themselves.
func (c *Core) Ask(q *Query, luck float64) Action {
	slot, resident := c.arena.Find(q.Key)
	k := c.Copy(slot)
	if k == nil || !resident || !c.valid(slot, c.tags[q.Feed], q.Now) {
		return Serve
	}
	return k.Ask(c.Promise(q.List), c.fresh.spent, slot, c.arena.Answerer(k.Strategy).Patience(), q.Now, luck)
}

// Would reports whether a copy of a query that was loaded at a time, elsewhere, will do: whether it would, if it were
// here and not read before. asked: somebody reads it.
func (c *Core) Would(q *Query, born int64, asked bool) bool {
	p := c.fresh.promises[q.List]
	if p == nil {
		return true
	}
	at := new(promised)
	if slot, _ := c.arena.Find(q.Key); int64(slot) < int64(c.fresh.grown) {
		at = c.fresh.copies.At(slot)
	}
	k := Copy{Born: born, Hazard: float32(p.hazard(at, q.Depth))}
	stale := p.Calibrated(k.Stale(q.Now))
	good := stale <= min(rather, wait*p.Allowance())
	if good && asked {
		p.Serve(stale)
	}
	return good
}

// Promise returns where reads of a list with a promise are to be noted; nil if it has none.
func (c *Core) Promise(list uint32) *board.Promise {
	if p := c.fresh.promises[list]; p != nil {
		return p.Promise
	}
	return nil
}

// late returns until when the copy of a query may be served though it is outdated; 0: not.
func (c *Core) late(q *Query) int64 {
	r := c.rule(q.List)
	if r.Late == 0 && r.Written == 0 || q.Lost {
		return 0
	}
	slot, resident := c.arena.Find(q.Key)
	if !resident || len(c.more) > 0 && !c.unchanged(c.more[slot]) {
		return 0
	}
	until := int64(math.MaxInt64)
	if c.mortal {
		if end := *c.expires.At(slot); end > 0 {
			until = end + r.Late
		}
	}
	feed := c.tags[q.Feed]
	stored, now := *c.stored.At(slot), feed.at(c.config.Epoch).mark()
	switch {
	case stored.epoch != now.epoch || now.n-stored.n > 1:
		return 0
	case now.n != stored.n && r.Written == 0:
		return 0
	case now.n != stored.n:
		until = min(until, feed.bumped+r.Written)
	}
	return until
}

// List registers a list's rules and returns its number, from 1.
func (c *Core) List(r Rules) uint32 {
	c.fresh.rules = append(c.fresh.rules, r)
	list := uint32(len(c.fresh.rules) - 1)
	if r.MaxStale > 0 {
		p := &promise{Promise: new(board.Promise), share: r.MaxStale * freshMargin, first: firstRate / float64(c.config.Second)}
		p.Allow(r.MaxStale)
		for bin := range p.fates {
			p.Calibrate(bin, 1)
		}
		c.fresh.promises[list] = p
		c.grow() // copies of before a restart may be there
	}
	return list
}

// rule returns a list's rules.
func (c *Core) rule(list uint32) *Rules {
	if int(list) < len(c.fresh.rules) {
		return &c.fresh.rules[list]
	}
	return &Rules{}
}

// Placing returns what the copy is known by that Config.Placed is just told of.
func (c *Core) Placing() *Copy { return &c.fresh.placing }

// Spent returns where reads of copies with an allowance are to be noted.
func (c *Core) Spent() *board.Spent { return c.fresh.spent }

// Copy returns what is known of a slot's copy; nil if nothing is kept of any.
func (c *Core) Copy(slot arena.Slot) *Copy {
	if int64(slot) >= int64(c.fresh.grown) { // or there is no slot
		return nil
	}
	return &c.fresh.copies.At(slot).Copy
}

// renew works out what the copy is known by that a load brought, and learns from what became of the one
// before it. known: the slot was this unit's before.
func (c *Core) renew(slot arena.Slot, known bool, l *loading, u *Loaded) {
	r, p, k, born := c.rule(u.List), c.fresh.promises[u.List], &c.fresh.placing, l.born-u.Before
	*k = Copy{Born: born, Strategy: uint8(c.arena.Leader()), Confidence: float32(c.confidence(slot))}
	if u.TTL > 0 {
		k.Expires, k.Early = born+u.TTL, float32(r.Early*u.Took)
	}
	if p != nil || r.Ahead {
		k.Strategy = c.pick(u.List, u.Depth)
	}
	if slot == arena.NoSlot || p == nil && !c.config.Copies {
		return
	}
	c.grow()
	at := c.fresh.copies.At(slot)
	reads, stale := c.fresh.spent.Take(slot)
	if !known {
		*at = promised{}
	}
	if p != nil {
		if u.Fate != Unknown && at.Hazard > 0 && born > at.Born {
			c.learn(p, at, u, born, reads, stale)
		}
		k.Hazard = float32(p.hazard(at, u.Depth))
	}
	at.Copy = *k
}

// confidence is the arena's; of what it has no slot for, none.
func (c *Core) confidence(slot arena.Slot) float64 {
	if slot == arena.NoSlot {
		return 0
	}
	return c.arena.Confidence(slot)
}

func (c *Core) grow() {
	if n := c.arena.Slots(); n > c.fresh.grown {
		c.fresh.grown = n
		c.fresh.copies.Grow(n)
		c.fresh.spent.Grow(n)
	}
}

// hazard estimates how often a page changes: as its class does, until its own fate tells more.
func (p *promise) hazard(at *promised, depth uint8) float64 {
	own := changes{float64(at.own.n), float64(at.own.time)}
	return own.rate(ownWeight, p.changes[depth].rate(1, p.first))
}

// learn books a copy's fate: how often its page and its class change, what was stated of it, and what the
// strategy cost whose answers it gave over some reads.
func (c *Core) learn(p *promise, at *promised, u *Loaded, now int64, reads, stale float64) {
	changed, after, stated := u.Fate == Changed, float64(now-at.Born), at.Stale(now)
	rate := p.hazard(at, u.Depth)
	p.changes[u.Depth].saw(changed, after, rate, changesForget)
	own := changes{float64(at.own.n), float64(at.own.time)}
	own.saw(changed, after, rate, ownForget)
	at.own = changes32{float32(own.n), float32(own.time)}

	for bin := range p.fates {
		p.fates[bin].stated *= fatesForget
		p.fates[bin].changed *= fatesForget
	}
	f := &p.fates[board.PromiseBin(stated)]
	f.stated += stated
	cost := 1.
	was := 0.
	if changed {
		f.changed++
	}
	if changed && p.Calibrated(stated) > 0 {
		was = min(reads, stale/p.Calibrated(stated)) // a read at half the age was stale half as likely as one now would be
	}
	p.came, p.expected = p.came*cameForget+was, p.expected*cameForget+stale
	cost += was / p.Allowance()
	p.calibrate()
	c.charge(u.List, u.Depth, at.Strategy, cost, 1+reads)
}

// calibrate works out by what factor what is stated is wrong, for each bin from the surest on: where little
// is known of one, it is believed to be as its neighbour is.
func (p *promise) calibrate() {
	ratio := 1.
	for bin := range p.fates {
		f := &p.fates[bin]
		ratio = (f.changed + fatesFirst*ratio) / (f.stated + fatesFirst)
		p.Calibrate(bin, ratio)
	}
}

// asked books a read that is answered by a load, unless it is noted already, and mends the allowance by what was served since the last one.
func (p *promise) asked(noted bool) {
	reads, stale := p.Take()
	if !noted {
		reads++
	}
	keep := math.Exp(-reads / freshReads)
	p.reads, p.stale = p.reads*keep+reads, p.stale*keep+stale
	stale = p.stale * (p.came + cameFirst) / (p.expected + cameFirst)
	err := math.Log((p.share*p.reads + mendFirst) / (stale + mendFirst))
	a := p.Allowance() * math.Exp(mend*max(-1, min(1, err))*reads/freshReads)
	p.Allow(max(leastAllowance, min(mostAllowance, a)))
}
