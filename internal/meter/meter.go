// Package meter counts durations for Prometheus at what a cache's hit can pay: each processor counts for itself, where
// client_golang's histograms have all of them change the same words, which takes longer than the hit.
package meter

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stripes are some T, of which each processor keeps to its own, mostly: others may have it at the same time. Safe for
// concurrent use.
type Stripes[T any] struct {
	All []T
	own sync.Pool
}

// NewStripes makes one T for each processor.
func NewStripes[T any]() *Stripes[T] {
	s := &Stripes[T]{All: make([]T, runtime.GOMAXPROCS(0))}
	var next atomic.Uint32
	s.own.New = func() any { return &s.All[int(next.Add(1))%len(s.All)] }
	return s
}

// Get returns the caller's processor's; Put is to give it back.
func (s *Stripes[T]) Get() *T { return s.own.Get().(*T) }

// Put gives a T back.
func (s *Stripes[T]) Put(one *T) { s.own.Put(one) }

// Vec is a histogram for each value of K, a prometheus.Collector. Safe for concurrent use.
type Vec[K comparable] struct {
	desc   *prometheus.Desc
	bounds []time.Duration
	labels func(K) []string

	mu    sync.Mutex // guards changes of known
	known atomic.Pointer[map[K]*Stripes[counts]]
}

// counts are one processor's.
type counts struct {
	mu  sync.Mutex
	n   [maxBounds + 1]uint64 // by bound; the last is of what is beyond
	sum time.Duration
	_   [64]byte // a cache line of its own
}

const maxBounds = 16

// NewVec makes one without histograms: of so many buckets, at most 16, whose bounds begin with least and grow by factor.
// labels returns the values of a key's labels, in the order of the desc's.
func NewVec[K comparable](desc *prometheus.Desc, least time.Duration, factor float64, buckets int, labels func(K) []string) *Vec[K] {
	v := &Vec[K]{desc: desc, labels: labels}
	for _, b := range prometheus.ExponentialBuckets(float64(least), factor, min(buckets, maxBounds)) {
		v.bounds = append(v.bounds, time.Duration(b))
	}
	v.known.Store(&map[K]*Stripes[counts]{})
	return v
}

// Observe counts a duration.
func (v *Vec[K]) Observe(k K, took time.Duration) {
	h := (*v.known.Load())[k]
	if h == nil {
		h = v.more(k)
	}
	at := 0
	for at < len(v.bounds) && took > v.bounds[at] {
		at++
	}
	c := h.Get()
	c.mu.Lock()
	c.n[at]++
	c.sum += took
	c.mu.Unlock()
	h.Put(c)
}

func (v *Vec[K]) more(k K) *Stripes[counts] {
	v.mu.Lock()
	defer v.mu.Unlock()
	if h := (*v.known.Load())[k]; h != nil {
		return h
	}
	all := maps.Clone(*v.known.Load())
	all[k] = NewStripes[counts]()
	v.known.Store(&all)
	return all[k]
}

// Describe sends the description.
func (v *Vec[K]) Describe(to chan<- *prometheus.Desc) { to <- v.desc }

// Collect sends all histograms.
func (v *Vec[K]) Collect(to chan<- prometheus.Metric) {
	for k, h := range *v.known.Load() {
		var sum time.Duration
		n := make([]uint64, len(v.bounds)+1)
		for i := range h.All {
			c := &h.All[i]
			c.mu.Lock()
			sum += c.sum
			for at := range n {
				n[at] += c.n[at]
			}
			c.mu.Unlock()
		}
		total, below := uint64(0), map[float64]uint64{}
		for at, b := range v.bounds {
			total += n[at]
			below[b.Seconds()] = total
		}
		to <- prometheus.MustNewConstHistogram(v.desc, total+n[len(v.bounds)], sum.Seconds(), below, slices.Clone(v.labels(k))...)
	}
}
