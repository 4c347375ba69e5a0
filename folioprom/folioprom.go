// Package folioprom exports what a cache counts as Prometheus metrics. It needs no server of its
// own: register the collector where the program's other ones are.
//
//	metrics := folioprom.New(nil)
//	cache, err := folio.New(folio.Config{MaxBytes: 256 << 20, Observe: metrics.Observe})
//	metrics.Watch(cache)
//	registry.MustRegister(metrics)
//
// Labels are bounded: names of lists, depths, strategies and outcomes, never keys or scopes.
package folioprom

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foliocache/folio"
)

// Collector is a prometheus.Collector of one cache. Safe for concurrent use.
type Collector struct {
	cache   atomic.Pointer[folio.Cache]
	reads   *prometheus.HistogramVec // by list and source
	loads   *prometheus.HistogramVec // by list and outcome
	metrics []metric

	mu    sync.Mutex // guards changes of known
	known atomic.Pointer[map[[2]string]prometheus.Observer]
}

// metric is one number of a cache's stats, or one for each value of a label.
type metric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	values func(*folio.Stats, func(value float64, labels ...string))
}

// New makes a collector. labels are put on all of its metrics: where a program has several caches, they
// must tell those apart.
func New(labels prometheus.Labels) *Collector {
	histogram := func(name, help string, buckets []float64, label string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "folio", Name: name, Help: help, ConstLabels: labels, Buckets: buckets},
			[]string{"list", label})
	}
	c := &Collector{
		reads: histogram("read_duration_seconds", "Time to answer a read, by where the answer came from. Empty list: plain keys.",
			prometheus.ExponentialBuckets(250e-9, 4, 13), "source"),
		loads: histogram("load_duration_seconds", "Time of loads from the origin, waiting for their turn included.",
			prometheus.ExponentialBuckets(250e-6, 2, 16), "outcome"),
	}
	c.known.Store(&map[[2]string]prometheus.Observer{})
	c.metrics = metrics(func(name, help string, names ...string) *prometheus.Desc {
		return prometheus.NewDesc("folio_"+name, help, names, labels)
	})
	return c
}

// Watch has the collector tell of a cache, in place of any other.
func (c *Collector) Watch(cache *folio.Cache) { c.cache.Store(cache) }

// Observe takes the times of reads and loads: give it to folio.Config.
func (c *Collector) Observe(e folio.Event) {
	switch e.Op {
	case folio.Read:
		c.read(&e).Observe(e.Took.Seconds())
	case folio.Load:
		outcome := "ok"
		if e.Err != nil {
			outcome = "error"
		}
		c.loads.WithLabelValues(e.List, outcome).Observe(e.Took.Seconds())
	}
}

// read returns the series of a read. Each is looked up by its labels once: that takes longer than most hits.
func (c *Collector) read(e *folio.Event) prometheus.Observer {
	labels := [2]string{e.List, "error"}
	if e.Err == nil {
		labels[1] = e.Source.String()
	}
	if o := (*c.known.Load())[labels]; o != nil {
		return o
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	more := maps.Clone(*c.known.Load())
	more[labels] = c.reads.WithLabelValues(labels[:]...)
	c.known.Store(&more)
	return more[labels]
}

// Describe sends the descriptions of all metrics.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	c.reads.Describe(to)
	c.loads.Describe(to)
	for _, m := range c.metrics {
		to <- m.desc
	}
}

// Collect sends all metrics.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	c.reads.Collect(to)
	c.loads.Collect(to)
	cache := c.cache.Load()
	if cache == nil {
		return
	}
	s := cache.Stats()
	for _, m := range c.metrics {
		m.values(&s, func(value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
		})
	}
}
