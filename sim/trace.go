// Package sim replays recorded and generated workloads through the arena and through the
// baselines of the literature, and says what each would have done.
//
// A trace is decoded once, its units are interned once to dense ids, and all runs share the
// one read-only array: one goroutine and one result a run.
package sim

import (
	"context"
	"sync"
	"time"

	"github.com/foliocache/folio/sim/baseline"
	"github.com/foliocache/folio/strategy"
	"github.com/foliocache/folio/workloads"
)

// Trace is a decoded workload. It is read-only and shared by all runs.
//
// Memory: 4 bytes a request for key traces, 17 for paginated ones, plus 4 to 26 a unit.
type Trace struct {
	Name   string
	SHA256 string // of the file, or of a generator's stream
	Sample Sample // which part of it this is
	whole  int    // requests of all of it

	ids   []uint32 // the unit of a read, the feed of a write
	ops   []uint8  // workloads.Op of each request; nil: all reads
	times []uint32 // ms since the start; nil: no clock
	sizes []uint32 // bytes of the answer; nil: unknown
	loads []uint32 // µs that the origin takes; nil: unknown
	rows  []uint16 // rows of the answer; nil: unknown

	feeds  []uint32 // the feed of each unit; nil: every unit is its own feed
	depths []uint8  // the depth bucket of each unit; nil: no pages

	hashes []uint64 // of each unit, as the cache that was recorded knew it; nil: unknown

	places  []place // of each unit; nil: no pages
	queries []query
	widths  sync.Mutex
	wides   map[int]*wide // by the number of further pages

	units, feedCount int
	reads            int
	measure          sync.Once
	unitSizes        []uint32 // see largest
	next             sync.Once
	nextRead         []uint32 // see future
	firstRead        []uint32
}

// Units returns the number of distinct units asked for.
func (t *Trace) Units() int { return t.units }

// Reads returns the number of requests that are reads.
func (t *Trace) Reads() int { return t.reads }

// Requests returns the number of requests, reads and writes.
func (t *Trace) Requests() int { return len(t.ids) }

// Whole returns the number of requests of the trace that this is a sample of.
func (t *Trace) Whole() int { return t.whole }

// Bytes returns the sum over distinct units of the largest answer seen; 0 = sizes unknown.
func (t *Trace) Bytes() int64 {
	sum := int64(0)
	for _, s := range t.largest() {
		sum += int64(s)
	}
	return sum
}

// largest returns the largest answer seen of every unit; nil: sizes are unknown. Computed once.
func (t *Trace) largest() []uint32 {
	t.measure.Do(func() {
		if t.sizes == nil {
			return
		}
		t.unitSizes = make([]uint32, t.units)
		for i, id := range t.ids {
			if t.read(i) {
				t.unitSizes[id] = max(t.unitSizes[id], t.sizes[i])
			}
		}
	})
	return t.unitSizes
}

// Timed reports whether the trace has a clock and load times, so that loads overlap.
func (t *Trace) Timed() bool { return t.times != nil && t.loads != nil }

// Paged reports whether the trace is of pages whose place in their list is known.
func (t *Trace) Paged() bool { return t.places != nil }

func (t *Trace) read(i int) bool { return t.ops == nil || t.ops[i] == uint8(workloads.Read) }

// rowsTold reports whether it is known how many rows the answer of a read holds, and short
// whether they are less than the page has room for, which ends the list.
func (t *Trace) rowsTold(i int) bool { return t.rows != nil && t.rows[i] > 0 }

func (t *Trace) short(i int) bool {
	return t.rowsTold(i) && uint32(t.rows[i]) < t.queries[t.places[t.ids[i]].query].limit
}

func (t *Trace) feed(unit uint32) uint32 {
	if t.feeds == nil {
		return unit
	}
	return t.feeds[unit]
}

// firsts returns the first pages of each feed.
func (t *Trace) firsts() map[uint32][]uint32 {
	all := map[uint32][]uint32{}
	for unit := range uint32(t.units) {
		if t.depth(unit) == 1 {
			all[t.feed(unit)] = append(all[t.feed(unit)], unit)
		}
	}
	return all
}

func (t *Trace) depth(unit uint32) uint8 {
	if t.depths == nil {
		return 0
	}
	return t.depths[unit]
}

// Decode reads a source to its end.
func Decode(s *workloads.Source) (*Trace, error) {
	return DecodeSample(context.Background(), s, Sample{})
}

// decoder interns units and feeds in the order they appear.
type decoder struct {
	trace *Trace
	keys  map[uint64]uint32 // of a key trace
	pages map[page]uint32   // of a paginated trace
	feeds map[feed]uint32
	walks map[walk]uint32 // places in Trace.queries

	timed, loaded, sized, rowed bool
}

func newDecoder(name string) *decoder {
	return &decoder{trace: &Trace{Name: name}, keys: map[uint64]uint32{}, pages: map[page]uint32{}, feeds: map[feed]uint32{}, walks: map[walk]uint32{}}
}

type feed struct{ list, scope string }

// walk is what the pages of one query have in common.
type walk struct {
	feed    uint32
	variant string
	limit   uint32
}

type page struct {
	walk
	offset uint32
	cursor string
}

func (d *decoder) add(r workloads.Request) {
	if !r.Paginated() {
		d.addKey(r)
		return
	}
	t := d.trace
	if r.Op != workloads.Read {
		t.ids = append(t.ids, d.feed(r))
	} else {
		t.ids = append(t.ids, d.page(r))
		t.reads++
	}
	d.columns(r)
}

// addKey books a request of a key trace; columns start only when there is something in them.
func (d *decoder) addKey(r workloads.Request) {
	t := d.trace
	id, ok := d.keys[r.ID]
	if !ok {
		id = uint32(len(d.keys))
		d.keys[r.ID] = id
	}
	t.ids = append(t.ids, id)
	if r.Op == workloads.Read {
		t.reads++
	}
	if t.ops != nil || r.Op != workloads.Read || r.Size != 0 || r.Load != 0 || r.Time != 0 {
		d.columns(r)
	}
}

// columns appends what a request has beside its id, after catching up with requests that had
// nothing.
func (d *decoder) columns(r workloads.Request) {
	t := d.trace
	for len(t.ops) < len(t.ids)-1 {
		d.column(workloads.Request{})
	}
	d.column(r)
}

func (d *decoder) column(r workloads.Request) {
	t := d.trace
	t.ops = append(t.ops, uint8(r.Op))
	t.times = append(t.times, uint32(r.Time/time.Millisecond))
	t.sizes = append(t.sizes, r.Size)
	t.loads = append(t.loads, uint32(min(r.Load/time.Microsecond, 1<<32-1)))
	t.rows = append(t.rows, uint16(min(r.Rows, 1<<16-1)))
	d.timed = d.timed || r.Time > 0
	d.loaded = d.loaded || r.Load > 0
	d.sized = d.sized || r.Size > 0
	d.rowed = d.rowed || r.Rows > 0
}

func (d *decoder) feed(r workloads.Request) uint32 {
	k := feed{r.List, r.Scope}
	id, ok := d.feeds[k]
	if !ok {
		id = uint32(len(d.feeds))
		d.feeds[k] = id
	}
	return id
}

func (d *decoder) page(r workloads.Request) uint32 {
	k := page{walk{d.feed(r), r.Variant, r.Limit}, r.Offset, r.Cursor}
	id, ok := d.pages[k]
	if !ok {
		id = uint32(len(d.pages))
		d.pages[k] = id
		d.trace.feeds = append(d.trace.feeds, k.feed)
		d.trace.depths = append(d.trace.depths, depthBucket(r))
		d.trace.places = append(d.trace.places, place{d.query(k), r.Offset})
		if r.ID != 0 {
			for len(d.trace.hashes) < int(id) { // nobody knew those
				d.trace.hashes = append(d.trace.hashes, spread(uint64(len(d.trace.hashes))))
			}
			d.trace.hashes = append(d.trace.hashes, r.ID)
		}
	}
	return id
}

func (d *decoder) query(k page) uint32 {
	id, ok := d.walks[k.walk]
	if !ok {
		id = uint32(len(d.walks))
		d.walks[k.walk] = id
		d.trace.queries = append(d.trace.queries, query{limit: k.limit})
	}
	if k.cursor != "" {
		d.trace.queries[id].keyset = true
	}
	return id
}

// done drops the columns that say nothing.
func (d *decoder) done() *Trace {
	t := d.trace
	t.units, t.feedCount = len(d.keys)+len(d.pages), len(d.keys)+len(d.feeds)
	if !d.timed {
		t.times = nil
	}
	if !d.loaded {
		t.loads = nil
	}
	if !d.sized {
		t.sizes = nil
	}
	if !d.rowed {
		t.rows = nil
	}
	if t.reads == len(t.ids) {
		t.ops = nil
	}
	if len(t.hashes) < t.units {
		t.hashes = nil
	}
	return t
}

// depthBucket cuts page numbers as the arena's classes do.
func depthBucket(r workloads.Request) uint8 {
	p := r.Page
	if p == 0 && r.Limit > 0 {
		p = r.Offset/r.Limit + 1
	}
	switch {
	case p <= 2:
		return uint8(p)
	case p <= 5:
		return 3
	case p <= 10:
		return 4
	}
	return 5
}

// Depths names the depth buckets, as results do.
var Depths = [strategy.Depths]string{"key", "page1", "page2", "page3-5", "page6-10", "deeper"}

// future returns, for every read, the index among reads of the next read of the same unit, and
// for every unit that of its first read. Computed once, 4 bytes each, and safe for concurrent use.
func (t *Trace) future() (next, first []uint32) {
	t.next.Do(func() { t.nextRead, t.firstRead = t.findNext() })
	return t.nextRead, t.firstRead
}

func (t *Trace) findNext() (next, last []uint32) {
	next = make([]uint32, t.reads)
	last = make([]uint32, t.units)
	for i := range last {
		last[i] = baseline.NoNext
	}
	r := t.reads
	for i := len(t.ids) - 1; i >= 0; i-- {
		if t.read(i) {
			r--
			next[r] = last[t.ids[i]]
			last[t.ids[i]] = uint32(r)
		}
	}
	return next, last
}

// Info says what the trace is, for a result.
func (t *Trace) Info() TraceInfo {
	return TraceInfo{Name: t.Name, SHA256: t.SHA256, Requests: t.reads, Writes: len(t.ids) - t.reads, IDs: t.units, Bytes: t.Bytes()}
}
