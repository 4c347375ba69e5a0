package sim

import (
	"container/heap"
	"context"
	"math"
	"slices"

	"github.com/foliocache/folio/internal/core"
)

// replay runs a trace through one cache on a virtual clock. A load takes the trace's load
// time; reads of the same page and version meanwhile wait for it, and writes overtake it.
type replay struct {
	trace   *Trace
	cache   cache
	warmer  warmer // the same, if it begins loads by itself; else nil
	checker checker
	pending pending
	read    read     // the one being answered
	at      int      // requests replayed
	wide    *wide    // nil: a load brings the page asked for
	warmup  int      // requests that do not count
	told    []uint32 // writes of each feed that the cache was told of; nil while the trace has none
	untold  uint64   // writes whose hash is below are not told of
	partly  bool     // a write may leave pages of its feed, and loads of them, as they are
	bytes   bool     // sizes count
	row     Row
	latency histogram
	classes [len(Depths)]Class
	parts   [PartCount]Class
}

// checkEvery is how many requests pass between two looks at the context and the progress.
const checkEvery = 1 << 16

// run replays the whole trace. done, if not nil, is told of every so many requests.
func (p *replay) run(ctx context.Context, done func(requests int)) error {
	p.warmer, _ = p.cache.(warmer)
	if p.trace.ops != nil {
		p.told = make([]uint32, p.trace.feedCount)
	}
	step := p.steps
	if v, ok := p.cache.(*rival); ok && p.keysOnly() {
		step = func(from, to int) { p.keys(v, from, to) }
	}
	for n := len(p.trace.ids); p.at < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		from := p.at
		p.at = min(n, from+checkEvery)
		step(from, p.at)
		p.row.BytesPeak = max(p.row.BytesPeak, p.cache.bytes())
		if done != nil && p.at < n {
			done(p.at - from)
		}
	}
	p.land(1<<63 - 1)
	p.row.BytesPeak = max(p.row.BytesPeak, p.cache.bytes())
	p.finish()
	return ctx.Err()
}

// steps replays requests, part by part of the trace.
func (p *replay) steps(from, to int) {
	n := len(p.trace.ids)
	for from < to {
		part := from * PartCount / n
		cut := ((part+1)*n + PartCount - 1) / PartCount
		for end := min(cut, to); from < end; from++ {
			p.step(from)
		}
		if o, ok := p.cache.(*ours); ok && from == cut {
			o.mark(part)
		}
	}
}

// keysOnly reports whether all there is to a request is its id.
func (p *replay) keysOnly() bool {
	t := p.trace
	return !p.bytes && t.ops == nil && t.times == nil && t.loads == nil && t.rows == nil && t.depths == nil
}

// keys replays requests that are nothing but ids through a baseline: what steps does, at twice
// the speed.
func (p *replay) keys(v *rival, from, to int) {
	n := len(p.trace.ids)
	for half := n / 2; from < to; {
		end, part := to, from*PartCount/n
		for _, cut := range [...]int{p.warmup, half, ((part+1)*n + PartCount - 1) / PartCount} {
			if from < cut {
				end = min(end, cut)
			}
		}
		hits := v.replay(p.trace.ids[from:end])
		misses := int64(end-from) - hits
		if end <= half {
			p.row.MissesFirstHalf += misses
		}
		if from >= p.warmup {
			p.row.Hits += hits
			p.row.Misses += misses
			p.row.bytesHit += hits
			p.parts[part].Requests += int64(end - from)
			p.parts[part].Hits += hits
		}
		from = end
	}
	p.row.Requests = p.row.Hits + p.row.Misses
	p.row.bytesAsked, p.row.OriginQueries = p.row.Requests, p.row.Misses
}

func (p *replay) step(i int) {
	t := p.trace
	now := int64(0)
	if t.times != nil {
		now = int64(t.times[i]) * 1000
		p.land(now)
	}
	id := t.ids[i]
	if !t.read(i) {
		p.checker.wrote(id)
		if spread(uint64(i)) >= p.untold {
			p.told[id]++
			p.cache.invalidate(now, id)
			p.warm(i, now)
		}
		return
	}
	p.read = read{unit: id, feed: t.feed(id), depth: t.depth(id), size: 1, now: now}
	r := &p.read
	if p.bytes {
		r.size = max(1, t.sizes[i])
	}
	if t.loads != nil {
		r.load = t.loads[i]
	}
	r.truth = p.checker.version(r.feed)
	if p.told != nil {
		r.version = p.told[r.feed]
	}
	if p.wide != nil && !t.short(i) { // a short page ends its list
		r.ahead = p.wide.behind(r.unit)
	}
	action, flight := p.cache.lookup(r)
	loads := flight != core.Flight{} && action != core.Wait || action == core.Load
	if loads {
		r.widened()
	}
	p.count(i, r, action, loads)
	if loads {
		p.load(r, flight)
	}
	p.warm(i, now)
}

// widened has the load of a read take longer by the pages that it brings along.
func (r *read) widened() {
	if len(r.ahead) > 0 {
		r.load = uint32(min(float64(r.load)*(1+wideLoad*float64(len(r.ahead))), math.MaxUint32))
	}
}

// load begins a load.
func (p *replay) load(r *read, flight core.Flight) {
	if p.trace.Timed() {
		p.pending.push(landing{at: r.now + int64(r.load), read: *r, flight: flight})
	} else {
		p.complete(r, flight)
	}
}

// warmer is a cache that begins loads which nobody waits for.
type warmer interface {
	// warmed returns those begun since the last call, and what they are to bring.
	warmed() []landing
}

// warm begins the loads that nobody waits for, after a request.
func (p *replay) warm(i int, now int64) {
	if p.warmer == nil {
		return
	}
	for _, l := range p.warmer.warmed() {
		r := &l.read
		r.now, r.truth = now, p.checker.version(r.feed)
		if p.told != nil {
			r.version = p.told[r.feed]
		}
		r.widened()
		if i >= p.warmup {
			p.row.OriginQueries++
			p.row.originMicros += int64(r.load)
		}
		p.load(r, l.flight)
	}
}

// land completes the loads that are over by now.
func (p *replay) land(now int64) {
	for len(p.pending.heap) > 0 && p.pending.heap[0].at <= now {
		l := heap.Pop(&p.pending).(landing)
		p.complete(&l.read, l.flight)
	}
}

func (p *replay) complete(r *read, f core.Flight) {
	if p.cache.complete(r, f) {
		p.checker.published(r.unit, r.truth, r.now)
		for _, u := range r.ahead {
			p.checker.published(u, r.truth, r.now)
		}
	}
}

// count books the answer to a read.
func (p *replay) count(i int, r *read, a core.Action, loads bool) {
	row := &p.row
	miss := a != core.Serve && a != core.Refresh
	if !miss {
		row.StaleServed += p.checker.served(r.unit, r.feed, r.now)
	} else if i < len(p.trace.ids)/2 {
		row.MissesFirstHalf++
	}
	if i < p.warmup {
		return
	}
	row.Requests++
	class, part := &p.classes[r.depth], &p.parts[i*PartCount/len(p.trace.ids)]
	class.Requests++
	part.Requests++
	wait := int64(0)
	if miss {
		wait = int64(r.load)
		row.Misses++
	} else {
		row.Hits++
		class.Hits++
		part.Hits++
		row.bytesHit += int64(r.size)
	}
	row.bytesAsked += int64(r.size)
	switch {
	case loads:
		row.OriginQueries++
		row.originMicros += int64(r.load)
		if p.trace.rows != nil {
			row.OriginRows += int64(p.trace.rows[i]) * int64(1+len(r.ahead))
		}
	case a == core.Wait:
		wait = p.pending.rest(r, p.partly)
	}
	if a == core.Refresh {
		row.Refreshed++
	}
	if p.trace.loads != nil {
		p.latency.add(wait)
	}
}

// landing is a load under way.
type landing struct {
	at     int64 // µs
	number int64 // of the load; breaks ties
	read   read
	flight core.Flight
}

// pending is the event heap: the loads under way by the time they end.
type pending struct {
	heap  []landing
	loads int64
}

func (p *pending) Len() int { return len(p.heap) }
func (p *pending) Less(i, j int) bool {
	a, b := &p.heap[i], &p.heap[j]
	return a.at < b.at || a.at == b.at && a.number < b.number
}
func (p *pending) Swap(i, j int) { p.heap[i], p.heap[j] = p.heap[j], p.heap[i] }
func (p *pending) Push(x any)    { p.heap = append(p.heap, x.(landing)) }
func (p *pending) Pop() any {
	last := p.heap[len(p.heap)-1]
	p.heap = p.heap[:len(p.heap)-1]
	return last
}

func (p *pending) push(l landing) {
	p.loads++
	l.number = p.loads
	heap.Push(p, l)
}

// rest returns how long a read that joined a load still waits, in µs: one that began since the last write, unless that left it.
func (p *pending) rest(r *read, partly bool) int64 {
	var last *landing
	for i := range p.heap {
		l := &p.heap[i]
		if (partly || l.read.version == r.version) && (last == nil || l.number > last.number) && (l.read.unit == r.unit || slices.Contains(l.read.ahead, r.unit)) {
			last = l
		}
	}
	if last == nil {
		panic("sim: a read waits for no load")
	}
	return last.at - r.now
}
