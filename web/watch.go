package web

import (
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/folioprom"
	"github.com/foliocache/folio/internal/meter"
)

// Watch is told of what a cache does: it has the metrics, and what the dashboard shows of the last minute. Give its
// Observe to folio.Config. Safe for concurrent use; it takes some 200 ns of a read.
type Watch struct {
	metrics *folioprom.Collector
	shards  *meter.Stripes[watchShard]

	mu     sync.Mutex
	recent []told // invalidations, the latest last
}

// watchShard is what one processor has counted, mostly.
type watchShard struct {
	mu    sync.Mutex
	began time.Time // the current windows
	reads uint
	times [2]*hdrhistogram.WindowedHistogram // of reads, by whether they waited for a load; ns
	lists map[string]*counted
	_     [64]byte // a cache line of its own
}

// counted is what a list was asked for.
type counted struct{ reads, hits, loads, bytes int64 }

// told is an invalidation that somebody told of.
type told struct {
	at   time.Time
	tags []folio.Tag
}

const (
	windows    = 6 // of
	windowTime = 10 * time.Second
	turnEvery  = 64 // reads of a shard: to look at the clock takes as long as to count one
	mostRecent = 50
	mostLists  = 64 // that are counted apart
)

// NewWatch makes a watch; labels are put on all of its metrics.
func NewWatch(labels prometheus.Labels) *Watch {
	w := &Watch{metrics: folioprom.New(labels), shards: meter.NewStripes[watchShard]()}
	for i := range w.shards.All {
		s := &w.shards.All[i]
		s.lists, s.began = map[string]*counted{}, time.Now()
		for k := range s.times {
			s.times[k] = hdrhistogram.NewWindowed(windows, 1, int64(time.Minute), 2)
		}
	}
	return w
}

// Collector returns the metrics, to be registered.
func (w *Watch) Collector() prometheus.Collector { return w.metrics }

func (w *Watch) watch(c *folio.Cache) { w.metrics.Watch(c) }

// Observe takes an event.
func (w *Watch) Observe(e folio.Event) {
	w.metrics.Observe(e)
	switch e.Op {
	case folio.Read:
		w.read(&e)
	case folio.Load:
		w.count(&e, func(n *counted) { n.loads++ })
	case folio.Invalidate:
		w.mu.Lock()
		w.recent = append(w.recent, told{time.Now(), e.Tags})
		if len(w.recent) > 2*mostRecent {
			w.recent = slices.Clone(w.recent[mostRecent:])
		}
		w.mu.Unlock()
	}
}

func (w *Watch) read(e *folio.Event) {
	s := w.shards.Get()
	defer w.shards.Put(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads++; s.reads%turnEvery == 0 {
		s.turn(time.Now())
	}
	waited := 1
	if e.Err == nil && (e.Source == folio.Hit || e.Source == folio.Refresh) {
		waited = 0
	}
	_ = s.times[waited].Current.RecordValue(min(max(1, int64(e.Took)), int64(time.Minute)))
	n := s.list(e.List)
	n.reads++
	n.bytes += int64(e.Bytes)
	if waited == 0 {
		n.hits++
	}
}

func (w *Watch) count(e *folio.Event, add func(*counted)) {
	s := w.shards.Get()
	defer w.shards.Put(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	add(s.list(e.List))
}

func (s *watchShard) list(name string) *counted {
	n := s.lists[name]
	if n == nil && len(s.lists) >= mostLists {
		name = "others"
		n = s.lists[name]
	}
	if n == nil {
		n = new(counted)
		s.lists[name] = n
	}
	return n
}

// Latency holds quantiles of reads of the last minute, in seconds.
type Latency struct {
	Count         int64   `json:"count"`
	P50, P95, P99 float64 `json:",omitempty"`
}

// snapshot returns the quantiles of hits and of reads that waited, and what each list was asked for.
func (w *Watch) snapshot() (hits, misses Latency, lists map[string]counted) {
	now := time.Now()
	lists = map[string]counted{}
	var all [2]*hdrhistogram.Histogram
	for i := range w.shards.All {
		s := &w.shards.All[i]
		s.mu.Lock()
		s.turn(now)
		for k := range s.times {
			if m := s.times[k].Merge(); all[k] == nil {
				all[k] = m
			} else {
				all[k].Merge(m)
			}
		}
		for name, n := range s.lists {
			sum := lists[name]
			lists[name] = counted{sum.reads + n.reads, sum.hits + n.hits, sum.loads + n.loads, sum.bytes + n.bytes}
		}
		s.mu.Unlock()
	}
	return latency(all[0]), latency(all[1]), lists
}

// turn begins new windows, as many as time has passed for. Under s.mu.
func (s *watchShard) turn(now time.Time) {
	n := int(now.Sub(s.began) / windowTime)
	s.began = s.began.Add(time.Duration(n) * windowTime)
	for range min(n, windows) {
		for k := range s.times {
			s.times[k].Rotate()
		}
	}
}

func latency(h *hdrhistogram.Histogram) Latency {
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e9 }
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{h.TotalCount(), at(50), at(95), at(99)}
}

// invalidations returns the latest ones, the latest first.
func (w *Watch) invalidations() []told {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.recent[max(0, len(w.recent)-mostRecent):])
	slices.Reverse(all)
	return all
}
