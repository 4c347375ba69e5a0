// Package arena decides what stays: it keeps the books of the store's two rings, replays every
// strategy as a shadow beside them, and lets an arbiter choose the strategy that rules.
//
// The arena is a deterministic state machine without clock, lock or I/O: callers tell it of
// requests and fills and get verdicts. It keeps no values, only what it must know to say
// whether a value is still there. Not for concurrent use.
package arena

import (
	"errors"
	"fmt"

	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/chunked"
	"github.com/foliocache/folio/strategy"
)

// Config says what an arena is made of. The zero value of every field but Geometry is its
// default.
type Config struct {
	Geometry   Geometry
	Entries    int      // units that fit, roughly; sizes the sketch and decides how shadows are sampled. 0: Geometry holds objects
	Strategies []string // that compete; default all registered
	Rule       string   // one strategy that rules alone, without shadows or arbiter; default none
	Arbiter    string   // see [Arbiters]; default hedge
	Exact      int      // up to so many entries every feed is shadowed; above, a sample of at least half as many entries. Default 262,144
	Seed       uint64   // of the arbiters that draw random numbers, and of the sample
	Steps      bool     // a store follows: see [Arena.Steps]
}

// DefaultExact is the default of Config.Exact.
const DefaultExact = 1 << 18

// Arena is the competition: the composite that really rules the store, and the strategies'
// shadows.
type Arena struct {
	config  Config
	live    *plane // world 0 is the composite; when shadows are exact, they are the others
	shadow  *plane // sampled shadows: world 0 follows the composite's rule; nil when exact or alone
	rate    uint64 // one of rate feeds is shadowed
	names   []string
	rules   []strategy.Strategy
	arbiter Arbiter
	ruling  int
	young   int // reads that the shadows are still to see before it is known what the cache is of
	pages   int // of those that came
	Competition
}

// Competition tells how the contest went.
type Competition struct {
	Switches int64   // changes of the ruling strategy
	Ruled    []int64 // requests that each strategy ruled, in the order of Names
}

// Request is one read of a unit.
type Request struct {
	Key     uint64  // hash of the unit's key
	Feed    uint64  // hash of its feed: the unit of sampling
	Depth   uint8   // depth bucket, 0..5, see strategy.ClassOf
	Hazard  uint8   // write hazard of the feed, 0..2, see strategy.ClassOf
	Main    bool    // to Fill: its copy was in main before a restart
	Stale   bool    // a copy from before this request is of an older version
	Version uint32  // of the unit's data; for sampled shadows, which Stale does not speak of
	Cost    float32 // what a load is expected to cost, in ms; 0 = unknown, every load costs the same
}

func (r *Request) cost() float64 {
	if r.Cost <= 0 {
		return 1
	}
	return float64(r.Cost)
}

// New builds an arena. The error joins every fault of the config.
func New(c Config) (*Arena, error) {
	if c.Arbiter == "" {
		c.Arbiter = "hedge"
	}
	if c.Exact == 0 {
		c.Exact = DefaultExact
	}
	if c.Entries == 0 {
		c.Entries = int(c.Geometry.Capacity())
	}
	if most := int(c.Geometry.Most); most > 0 {
		c.Entries = min(c.Entries, most)
	}
	if c.Rule != "" {
		c.Strategies = []string{c.Rule}
	} else if len(c.Strategies) == 0 {
		c.Strategies = strategy.Names()
	}
	a := &Arena{config: c, names: c.Strategies, rate: 1}
	var faults []error
	for _, n := range c.Strategies {
		s, err := strategy.New(n)
		faults = append(faults, err)
		a.rules = append(a.rules, s)
	}
	if c.Geometry.Probation == 0 {
		faults = append(faults, errors.New("arena: no capacity"))
	}
	if g := c.Geometry; g.Most > 0 && int(g.Most) < 2*g.Buckets {
		faults = append(faults, fmt.Errorf("arena: a bound of %d entries; rings of %d buckets need %d", g.Most, g.Buckets, 2*g.Buckets))
	}
	err := a.appoint(false)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	a.young, a.ruling = acquaintance, a.arbiter.Leader()
	a.Ruled = make([]int64, len(a.rules))
	a.build()
	if c.Rule == "" {
		a.follow(a.ruling)
	}
	return a, nil
}

// appoint makes an arbiter that has seen nothing.
func (a *Arena) appoint(pages bool) (err error) {
	a.arbiter, err = newArbiter(a.config.Arbiter, ArbiterConfig{Arms: a.names, Entries: a.config.Entries, Pages: pages, Seed: a.config.Seed})
	return err
}

// build makes the planes: all worlds in one where the shadows are exact.
func (a *Arena) build() {
	g, entries := a.config.Geometry, a.config.Entries
	all := append([]strategy.Strategy{a.rules[a.ruling]}, a.rules...)
	switch {
	case a.config.Rule != "":
		a.live = newPlane(g, entries, all[:1])
	case entries <= a.config.Exact:
		a.live = newPlane(g, entries, all)
	default:
		for a.rate = 2; entries/int(a.rate) > a.config.Exact; {
			a.rate *= 2
		}
		a.live = newPlane(g, entries, all[:1])
		a.shadow = newPlane(g.scaled(a.rate), entries/int(a.rate), all)
		a.shadow.versions = new(chunked.Slice[uint32])
		a.live.board, a.live.sketch = new(board.Board), newSmallSketch(entries)
		a.live.worlds[0].mind, a.live.worlds[0].learns = a.shadow.worlds[0].mind, false // it hears of hits too late
	}
	a.shadows().worlds[0].calibrator = new(strategy.Calibrator)
	a.live.worlds[0].listened = a.config.Steps
}

// Find returns the slot of a unit the composite knows, or NoSlot, and whether it is resident.
func (a *Arena) Find(key uint64) (Slot, bool) {
	s := a.live.table.find(key)
	return s, s != NoSlot && a.live.worlds[0].view(s).resident()
}

// Frequency returns how often a unit was asked for lately, 0..15.
func (a *Arena) Frequency(key uint64) uint8 { return a.live.sketch.count(key) }

// Request books a read of the unit in slot (from [Arena.Find]) and reports whether it is
// resident, and not stale. r is not kept.
func (a *Arena) Request(slot Slot, r *Request) bool {
	if a.config.Rule != "" {
		return a.live.request(slot, r) == 0
	}
	if a.shadow != nil {
		return a.sample(slot, r)
	}
	a.Ruled[a.ruling]++
	missed := a.live.request(slot, r)
	hit := missed&1 == 0
	if hit && missed != 0 {
		a.live.fill(slot, r, a.live.unit(slot).size)
	}
	a.judge(missed, r)
	return hit
}

// sample is Request where shadows see a sample: a hit is noted on the board.
func (a *Arena) sample(slot Slot, r *Request) bool {
	hit := false
	if slot != NoSlot && !r.Stale {
		v := a.live.worlds[0].view(slot)
		if hit = v.resident(); hit {
			a.live.board.Hit(slot, v.ring())
			a.Noted(r.Depth, 1)
		}
	}
	if !hit {
		a.Ruled[a.ruling]++
		a.live.request(slot, r)
	}
	if a.Sampled(r.Feed) {
		a.overhear(r, hit)
	}
	return hit
}

// Board returns where hits may be noted that the arena is not told of by Request; nil if it must be told of
// all. Who notes one there tells the arena of it some time, by Noted, and by Overhear if its feed is
// sampled, but before the next Request or Fill if the books are to be those of Requests alone.
func (a *Arena) Board() *board.Board { return a.live.board }

// Noted books that so many hits at some depth were noted on the board.
func (a *Arena) Noted(depth uint8, hits int64) {
	a.Ruled[a.ruling] += hits
	a.live.count(depth, hits)
	a.live.worlds[0].countHits(depth, hits)
}

// Sampled reports whether a feed is one of those that the shadows see. Safe for concurrent use.
func (a *Arena) Sampled(feed uint64) bool { return spread(feed^a.config.Seed)>>8%a.rate == 0 }

// Overhear lets the shadows see a hit that was noted on the board, of a feed that is sampled. r is not kept.
func (a *Arena) Overhear(r *Request) { a.overhear(r, true) }

func (a *Arena) overhear(r *Request, hit bool) {
	missed := a.shadow.request(a.shadow.table.find(r.Key), r)
	if hit && missed != 0 { // found anew: it may just be forgotten
		if slot := a.live.table.find(r.Key); slot != NoSlot {
			a.shadow.fill(a.shadow.table.find(r.Key), r, a.live.unit(slot).size)
		}
	}
	a.judge(missed, r)
}

// judge tells the arbiter which strategies' shadows missed a request and follows its choice. Bit 0 of
// missed is the composite's and no concern of the arbiter.
func (a *Arena) judge(missed uint32, r *Request) {
	if a.young > 0 {
		a.acquaint(r)
	}
	a.arbiter.Observe(Outcome{Missed: missed >> 1, Cost: r.cost(), Lap: a.Lap()})
	if l := a.arbiter.Leader(); l != a.ruling {
		a.Switches++
		a.follow(l)
	}
}

// acquaintance is how many reads that the shadows see tell whether a cache is of pages or of single keys.
const acquaintance = 64

// acquaint counts one of them. Where most are of pages, the arbiter begins anew with who rules these first.
func (a *Arena) acquaint(r *Request) {
	a.young--
	if r.Depth > 0 {
		a.pages++
	}
	if a.young == 0 && 2*a.pages > acquaintance && a.appoint(true) == nil {
		a.follow(a.arbiter.Leader())
	}
}

// follow lets a strategy rule. The composite takes over what its shadow has learned, and learns
// on by itself: its contents are not the shadow's, and roll over lazily.
func (a *Arena) follow(ruling int) {
	a.ruling = ruling
	shadows := a.shadows()
	a.live.worlds[0].rule, shadows.worlds[0].rule = a.rules[ruling], a.rules[ruling]
	shadows.worlds[0].estimator.Adopt(&shadows.worlds[1+ruling].estimator)
}

// Lap returns how often the composite's main ring was written round.
func (a *Arena) Lap() float64 {
	w := a.live.worlds[0]
	return float64(w.clock) / strategy.TicksPerLap
}

// Fill offers a loaded unit of some size (key and value; >= 1). It returns the unit's slot, or
// NoSlot if it is not even remembered, and whether a new copy is stored. r is not kept.
func (a *Arena) Fill(slot Slot, r *Request, size uint32) (_ Slot, stored bool) {
	size = max(1, size) + a.config.Geometry.Header
	w := a.live.worlds[0]
	before := w.Admitted
	w.steps = w.steps[:0]
	slot = a.live.fill(slot, r, size)
	if a.shadow != nil && a.Sampled(r.Feed) {
		a.shadow.fill(a.shadow.table.find(r.Key), r, size)
	}
	if a.live.unit(slot).known == 0 {
		return NoSlot, false
	}
	return slot, w.Admitted > before
}

// Slots returns an upper bound of the slots in use: slots are 0..Slots-1.
func (a *Arena) Slots() int { return int(a.live.records.len) }

// Names returns the competing strategies in the order of Competition's slices.
func (a *Arena) Names() []string { return a.names }

// Ruling returns the strategy that rules now.
func (a *Arena) Ruling() string { return a.names[a.ruling] }

// Leader returns the same as a number: the index in Names.
func (a *Arena) Leader() int { return a.ruling }

// Answerer returns how one of those that compete answers reads, by its index in Names.
func (a *Arena) Answerer(i uint8) strategy.Answerer { return strategy.AnswererOf(a.rules[i]) }

// Confidence returns the probability, 0..1, that the unit in a slot in use, if it were loaded now, were
// asked for again within a lap of main and before a write.
func (a *Arena) Confidence(slot Slot) float64 {
	u := a.live.unit(slot)
	return a.shadows().worlds[0].calibrator.Expect(u.class, a.live.freq(u), a.live.worlds[0].clock)
}

// Composite returns the counters of the cache that really is kept.
func (a *Arena) Composite() Counters { return a.live.worlds[0].Counters }

// Asked returns the requests so far by depth bucket.
func (a *Arena) Asked() [strategy.Depths]int64 { return a.live.asked }

// Calibration returns how the composite's stated confidences came true.
func (a *Arena) Calibration() *strategy.Calibration {
	return &a.shadows().worlds[0].calibrator.Calibration
}

// Standing tells how one strategy fares: in its shadow, or alone in the store.
type Standing struct {
	Name  string
	Ruled int64 // requests that it ruled
	Counters
	Asked [strategy.Depths]int64 // requests that it saw, by depth bucket
}

// Standings returns how every strategy fares, in the order of Names. Sampled shadows see and
// hold a part of what the composite does.
func (a *Arena) Standings() []Standing {
	if a.config.Rule != "" {
		c := a.Composite()
		return []Standing{{a.names[0], c.Requests, c, a.live.asked}}
	}
	p := a.shadows()
	var all []Standing
	for i, n := range a.names {
		all = append(all, Standing{n, a.Ruled[i], p.worlds[1+i].Counters, p.asked})
	}
	return all
}

// Own returns how the composite fares on the requests that the shadows see; nothing where one
// strategy rules alone.
func (a *Arena) Own() Counters {
	if a.config.Rule != "" {
		return Counters{}
	}
	return a.shadows().worlds[0].Counters
}

// shadows returns the plane of the shadows: world 0 is the composite or its shadow, the others
// are the strategies'.
func (a *Arena) shadows() *plane {
	if a.shadow != nil {
		return a.shadow
	}
	return a.live
}

// Memory says what an arena's store and its own books take.
type Memory struct {
	Rings    int64 // size of both rings as far as they were ever written
	Live     int64 // of that, live units
	Dead     int64 // outdated and dropped copies, and what chunks waste
	Written  int64 // to both rings so far
	Metadata int64 // bytes of heap: index, queues, sketch, estimators, shadows included
}

// Memory returns what is taken now, in O(buckets).
func (a *Arena) Memory() Memory {
	w := a.live.worlds[0]
	m := Memory{Rings: int64(w.probation.used() + w.main.used()), Live: w.Bytes,
		Written: int64(w.probation.written + w.main.written), Metadata: a.live.metadata()}
	m.Dead = m.Rings - m.Live
	if a.shadow != nil {
		m.Metadata += a.shadow.metadata()
	}
	return m
}

// Arbiter returns the name of the arbiter, empty where one strategy rules alone.
func (a *Arena) Arbiter() string {
	if a.config.Rule != "" {
		return ""
	}
	return a.config.Arbiter
}
