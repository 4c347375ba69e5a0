package sim

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
)

// LRUCurve returns the row of lru for each of some sizes, all of objects or all of bytes, the smallest first, in one
// pass over the trace: O(n log m) for n requests for m units. done, if not nil, is told of every so many requests.
// Errors: [ErrConfig], and ctx's.
//
// Rows are those that [Run] makes, as far as they tell what was asked of the cache and of the origin, but for little:
// a page counts as asked for last when its load begins and not when it ends; of loads of one page that overlap in
// time, caches of different sizes having begun them, the last one counts; and where sizes are bytes, units whose
// size changes or is more than the cache's are not exact.
//
// Source: Mattson et al., "Evaluation techniques for storage hierarchies" (IBM Systems Journal 9:2, 1970): a unit is
// in all caches that have room for what was asked for since it was. Counted by a tree over places, as in Bennett and
// Kruskal, "LRU stack processing" (IBM Journal of Research and Development 19:4, 1975).
func LRUCurve(ctx context.Context, t *Trace, sizes []Size, warmup float64, done func(requests int)) ([]Row, error) {
	c := &lruCurve{trace: t, warmup: int(warmup * float64(len(t.ids))), stack: newStack(t.units)}
	for _, size := range sizes {
		capacity, err := size.Resolve(t)
		if err == nil && size.Bytes != sizes[0].Bytes {
			err = fmt.Errorf("%w: sizes %s and %s: one curve is of objects or of bytes", ErrConfig, sizes[0].Text, size.Text)
		}
		if err != nil {
			return nil, err
		}
		row := Row{Trace: t.Name, Policy: "lru", Curve: true, Size: capacity, SizeUnit: "objects", SizeText: size.Text}
		if size.Bytes {
			row.SizeUnit, c.bytes = "bytes", true
		}
		c.rows = append(c.rows, row)
	}
	slices.SortStableFunc(c.rows, func(a, b Row) int { return cmp.Compare(a.Size, b.Size) })
	n := len(sizes) + 1
	c.hits, c.begun, c.spared = make([]tally, n), make([]origin, n), make([]origin, n)
	if t.ops != nil {
		c.current, c.seen = make([]uint32, t.feedCount), make([]uint32, t.units)
	}
	if t.Timed() {
		c.flights = make([]flight, t.units)
	}
	for from := 0; from < len(t.ids); from += checkEvery {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := min(len(t.ids), from+checkEvery)
		for i := from; i < to; i++ {
			c.step(i)
		}
		if done != nil {
			done(to - from)
		}
	}
	c.finish()
	return c.rows, nil
}

type lruCurve struct {
	trace         *Trace
	warmup        int
	bytes         bool
	stack         *stack
	current, seen []uint32 // writes of each feed, by now and when each unit was last asked for; nil: there are none
	flights       []flight // the last load of each unit; nil: loads take no time
	rows          []Row    // by size
	hits          []tally  // of the cache of a row and of all that are larger; the last: of none
	begun, spared []origin // by the cache of a row and by all that are larger
}

// flight is a load of a unit, under way in all caches below a size.
type flight struct{ until, size int64 } // µs

// never is the distance of what no cache holds.
const never = math.MaxInt64

// tally counts reads: those before the warm-up's end as early ones only.
type tally struct {
	reads, early, bytes int64 // early: in the trace's first half
	classes             [len(Depths)]int64
	parts               [PartCount]int64
}

// origin counts what is asked of it.
type origin struct{ queries, rows, micros int64 }

// step takes one request: caches below its distance and no smaller than a flight's size begin a load, those below
// either do not answer at once.
func (c *lruCurve) step(i int) {
	t, id := c.trace, c.trace.ids[i]
	if !t.read(i) {
		c.current[id]++
		return
	}
	size := uint32(1)
	if c.bytes {
		size = max(1, t.sizes[i])
	}
	distance, under := c.stack.touch(id, size), int64(0)
	fresh := true
	if c.current != nil {
		now := c.current[t.feed(id)]
		fresh = c.seen[id] == now
		c.seen[id] = now
	}
	if distance == 0 || !fresh {
		distance = never
	}
	if c.flights != nil {
		f, now := &c.flights[id], int64(t.times[i])*1000
		if fresh && now < f.until {
			under = f.size
		}
		if distance > under {
			*f = flight{now + int64(t.loads[i]), distance}
		}
	}
	c.count(i, size, c.row(distance), c.row(under))
}

// row returns the first row of at least a size.
func (c *lruCurve) row(size int64) int {
	return sort.Search(len(c.rows), func(k int) bool { return c.rows[k].Size >= size })
}

// count books a read that caches before row below do not hold, and that those before row under have under way.
func (c *lruCurve) count(i int, size uint32, below, under int) {
	t, h := c.trace, &c.hits[max(below, under)]
	if i < len(t.ids)/2 {
		h.early++
	}
	if i < c.warmup {
		return
	}
	h.reads++
	h.bytes += int64(size)
	h.classes[t.depth(t.ids[i])]++
	h.parts[i*PartCount/len(t.ids)]++
	if under >= below {
		return
	}
	for _, o := range [...]*origin{&c.begun[under], &c.spared[below]} {
		o.queries++
		if t.rows != nil {
			o.rows += int64(t.rows[i])
		}
		if t.loads != nil {
			o.micros += int64(t.loads[i])
		}
	}
}

// finish makes rows of what was counted.
func (c *lruCurve) finish() {
	var all, hits tally
	for i := range c.hits {
		all.add(&c.hits[i])
	}
	micros := int64(0)
	for i := range c.rows {
		row := &c.rows[i]
		hits.add(&c.hits[i])
		row.Requests, row.Hits, row.Misses, row.MissesFirstHalf = all.reads, hits.reads, all.reads-hits.reads, all.early-hits.early
		row.HitRatio, row.ByteHitRatio = ratio(hits.reads, all.reads), ratio(hits.bytes, all.bytes)
		if i > 0 {
			row.OriginQueries, row.OriginRows = c.rows[i-1].OriginQueries, c.rows[i-1].OriginRows
		}
		row.OriginQueries += c.begun[i].queries - c.spared[i].queries
		row.OriginRows += c.begun[i].rows - c.spared[i].rows
		micros += c.begun[i].micros - c.spared[i].micros
		row.OriginMS = float64(micros) / 1000
		row.Parts = Parts{slices.Clone(all.parts[:]), slices.Clone(hits.parts[:])}
		if c.trace.depths == nil {
			continue
		}
		var classes [len(Depths)]Class
		for d := range classes {
			classes[d] = Class{all.classes[d], hits.classes[d]}
		}
		row.Classes = byDepth(classes)
	}
}

func (a *tally) add(b *tally) {
	a.reads += b.reads
	a.early += b.early
	a.bytes += b.bytes
	for i := range a.classes {
		a.classes[i] += b.classes[i]
	}
	for i := range a.parts {
		a.parts[i] += b.parts[i]
	}
}

// stack holds units in the order in which they were last asked for. Who is asked for takes the next place; where
// there is none left, all move up to the first ones. 32 bytes a unit.
type stack struct {
	at     []uint32 // place of each unit, from 1; 0: none yet
	sizes  []uint32 // of each unit
	units  []uint32 // by place
	sums   []int64  // a tree: the one at p is of the sizes at the p&-p places up to p
	top    int      // the last place taken
	weight int64    // of all
}

func newStack(units int) *stack {
	places := 2*units + 1
	return &stack{at: make([]uint32, units), sizes: make([]uint32, units), units: make([]uint32, places+1), sums: make([]int64, places+1)}
}

// touch returns the size of all that was asked for since a unit was, itself included, and 0 if it never was.
func (s *stack) touch(unit, size uint32) (distance int64) {
	if s.top+1 == len(s.units) {
		s.compact()
	}
	if at := int(s.at[unit]); at > 0 {
		distance = s.weight - s.below(at)
		s.add(at, -int64(s.sizes[unit]))
	}
	s.top++
	s.at[unit], s.sizes[unit], s.units[s.top] = uint32(s.top), size, unit
	s.add(s.top, int64(size))
	return distance
}

// below returns the size of what is at the places before one.
func (s *stack) below(place int) (sum int64) {
	for p := place - 1; p > 0; p &= p - 1 {
		sum += s.sums[p]
	}
	return sum
}

func (s *stack) add(place int, size int64) {
	s.weight += size
	for p := place; p < len(s.sums); p += p & -p {
		s.sums[p] += size
	}
}

// compact moves all units to the first places.
func (s *stack) compact() {
	n := 0
	for p := 1; p <= s.top; p++ {
		if u := s.units[p]; int(s.at[u]) == p {
			n++
			s.at[u], s.units[n] = uint32(n), u
		}
	}
	s.top = n
	clear(s.sums)
	for p := 1; p < len(s.sums); p++ {
		if p <= n {
			s.sums[p] += int64(s.sizes[s.units[p]])
		}
		if up := p + p&-p; up < len(s.sums) {
			s.sums[up] += s.sums[p]
		}
	}
}
