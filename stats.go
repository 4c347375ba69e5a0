package folio

import (
	"time"

	"github.com/foliocache/folio/arena"
)

// Stats are a cache's counters since it was made, and what it holds now. Reads that were
// served lately may be missing in all but Hits and Misses; a value in pieces counts as several in all
// but those.
type Stats struct {
	Hits       int64         // reads answered from the store
	Misses     int64         // reads that began a load, or found nothing and did not want to
	Joined     int64         // reads that waited for a load under way
	Stale      int64         // reads answered with what was too old, because the load failed
	Loads      int64         // calls of loaders: origin queries
	Rows       int64         // that they brought for lists
	Around     int64         // of them, as if there were no cache: it observes, is off, or verifies
	Brought    int64         // pages that they brought along, of scopes that are learned from
	Used       int64         // of those, asked for before they were gone
	Refreshed  int64         // hits whose value was to be loaded anew behind: too old, of before a write, or likely to be stale, as far as the rules allow
	Warmed     WarmStats     // loads of pages that were likely to be asked for next
	Rewarmed   WarmStats     // loads of pages that a write had outdated
	WarmRows   int64         // that they brought
	WarmTime   time.Duration // in them
	LoadErrors int64         // of all loads; panics among them, ErrNotFound not
	Panics     int64         // of loaders
	LoadTime   time.Duration // in loaders, in all

	Verified int64 // answers from the store, given or not, that were compared with the origin's
	Differed int64 // of them, not the same though nothing was invalidated meanwhile: also if a write is committed and about to be told

	Stored        int64 // values written to the store
	Revoked       int64 // loads whose value was not stored because a write overtook it
	Invalidations int64 // of tags; those that an invalidation reaches are counted each
	Evicted       int64 // values overwritten by others
	Refused       int64 // values stored nowhere: too large, or hopeless
	TooLarge      int64 // values refused with an ErrTooLarge
	Capped        int64 // values not stored because their scope has its MaxShare
	Unchanged     int64 // values set that were there already, byte for byte
	Moved         int64 // values written again to keep them
	Lost          int64 // values that were to be moved and were not there
	Unlearned     int64 // reads that nobody learned from: they came faster than can be learned

	Tier TierStats // that instances share

	Entries int64 // values held
	Memory  Memory

	Depths [6]DepthStats // by how deep pages are

	Ruling     string // the strategy that rules
	Switches   int64  // changes of it
	Strategies []StrategyStats
	// Regret is how much less the cache hit than the best strategy would have alone, over all reads so
	// far: a difference of hit ratios, negative where it was ahead of all.
	Regret float64
	// Calibration is the mean error of the confidences stated, 0..1, and BrierSkill their skill
	// over base rates, at most 1; both over all decisions so far.
	Calibration, BrierSkill float64
	Bins                    [10]Bin // of the confidences stated: below .1, below .2 and so on
}

// Bin compares the confidences that were stated within a tenth with what came of it.
type Bin struct {
	N      int64   // decisions
	Stated float64 // mean confidence
	Found  float64 // the part that was asked for again in time
}

// WarmStats count loads that nobody waited for; they are among Stats.Loads.
type WarmStats struct {
	Loads int64 // begun
	Used  int64 // of them, whose page was asked for before it was gone; the others were for nothing, or not yet of use
}

// Memory says what a cache takes, in bytes.
type Memory struct {
	Capacity int64 // of the rings
	Small    int64 // of that, the small ring that all goes through first; the rest is the large one
	Heap     int64 // of Capacity, what is on the Go heap: the small ring where Values are less than 640 MiB; all with Config.OnHeap
	Rings    int64 // written so far, at most Capacity
	Live     int64 // of that, values held
	Dead     int64 // of that, outdated values and waste
	Books    int64 // on the Go heap, roughly
	Values   int64 // of Config.MaxBytes, what is for values, before it is cut into rings: the size that simulate is to be told
	Most     int64 // entries that there is room for the books of: what simulate is to be told as entries
}

// DepthStats tell how the reads of one depth fared, as far as they were learned from.
type DepthStats struct {
	Depth        string // no page: plain keys, totals, ends; page 1; page 2; pages 3-5; pages 6-10; deeper
	Hits, Misses int64
}

// depthNames are those of the depth buckets, see core.Query.
var depthNames = [6]string{"no page", "page 1", "page 2", "pages 3-5", "pages 6-10", "deeper"}

// depths tells hits and misses apart by depth.
func depths(asked, hits [6]int64) (all [6]DepthStats) {
	for i, name := range depthNames {
		all[i] = DepthStats{name, hits[i], asked[i] - hits[i]}
	}
	return all
}

// StrategyStats tell how one strategy fares in its shadow. Shadows may see a sample of the reads.
type StrategyStats struct {
	Name         string
	Ruled        int64 // reads that it ruled
	Hits, Misses int64
	Entries      int64
	Confidence   float64 // mean of the estimates it decided on, 0..1
	Depths       [6]DepthStats
}

// Stats returns the counters. It waits for the lock that fills and invalidations take.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.journal.drain(c.core)
	a, n := c.core.Arena(), &c.counts
	own, m, cal := a.Composite(), a.Memory(), a.Calibration()
	s := Stats{
		Hits: n.hits.Load() + c.journal.hits(), Misses: n.misses.Load(), Joined: n.waits.Load(),
		Loads: n.loads.Load(), LoadErrors: n.loadErrors.Load(), Panics: n.panicked.Load(), LoadTime: time.Duration(n.loadNanos.Load()),
		Stored: own.Admitted, Revoked: c.core.Revoked, Invalidations: c.core.Bumps, Evicted: own.Evicted, Refused: own.Refused,
		TooLarge: n.tooLarge.Load(), Capped: c.shares.refused, Unchanged: n.unchanged.Load(), Stale: n.stale.Load(), Rows: n.rows.Load(),
		Around: n.around.Load(), Verified: n.verified.Load(), Differed: n.differed.Load(), Tier: c.fleet.stats(),
		Brought: c.core.Ahead.Brought, Used: c.core.Ahead.Used, Refreshed: n.refreshed.Load(),
		Warmed: WarmStats{c.core.Ahead.Warmed, c.core.Ahead.WarmedUsed}, Rewarmed: WarmStats{c.core.Ahead.Again, c.core.Ahead.AgainUsed},
		WarmRows: n.warmRows.Load(), WarmTime: time.Duration(n.warmNanos.Load()),
		Moved: own.Moved, Lost: c.store.Lost, Unlearned: c.journal.lost.Load(), Entries: own.Entries,
		Memory: Memory{Capacity: int64(c.store.Geometry.Capacity()), Small: int64(c.store.Geometry.Probation), Heap: c.store.Heap(), Rings: m.Rings, Live: m.Live, Dead: m.Dead,
			Books: m.Metadata + c.core.Metadata() + c.store.Metadata() + c.shares.metadata() + c.once.Bytes(), Values: c.config.values(), Most: int64(c.store.Geometry.Most)},
		Ruling: a.Ruling(), Switches: a.Switches, Calibration: cal.ECE(), BrierSkill: cal.Skill(),
		Depths: depths(a.Asked(), own.ClassHits),
	}
	for i, b := range cal.Bins {
		if b.N > 0 {
			s.Bins[i] = Bin{b.N, b.Stated / float64(b.N), float64(b.Reused) / float64(b.N)}
		}
	}
	all := a.Standings()
	s.Regret = regret(a.Own(), all)
	for _, t := range all {
		s.Strategies = append(s.Strategies, StrategyStats{t.Name, t.Ruled, t.Hits, t.Requests - t.Hits, t.Entries,
			t.Confidence / float64(max(1, t.Decisions)), depths(t.Asked, t.ClassHits)})
	}
	return s
}

// regret returns how much the best strategy's shadow is ahead of the cache on the same reads.
func regret(own arena.Counters, all []arena.Standing) float64 {
	best := int64(0)
	for _, t := range all {
		best = max(best, t.Hits)
	}
	if own.Requests == 0 {
		return 0
	}
	return float64(best-own.Hits) / float64(own.Requests)
}
