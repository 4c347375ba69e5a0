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
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/internal/meter"
)

// Collector is a prometheus.Collector of one cache. Safe for concurrent use.
type Collector struct {
	cache   atomic.Pointer[folio.Cache]
	reads   *meter.Vec[of] // by list and source
	loads   *meter.Vec[of] // by list and outcome
	metrics []metric
}

// of is what a duration is of.
type of struct{ list, what string }

func (o of) labels() []string { return []string{strings.ToValidUTF8(o.list, "?"), o.what} }

// metric is one number of a cache's stats, or one for each value of a label.
type metric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	values func(*folio.Stats, func(value float64, labels ...string))
}

// New makes a collector. labels are put on all of its metrics: where a program has several caches, they
// must tell those apart.
func New(labels prometheus.Labels) *Collector {
	histogram := func(name, help, label string, least time.Duration, factor float64, buckets int) *meter.Vec[of] {
		return meter.NewVec(prometheus.NewDesc("folio_"+name, help, []string{"list", label}, labels), least, factor, buckets, of.labels)
	}
	c := &Collector{
		reads: histogram("read_duration_seconds", "Time to answer a read, by where the answer came from. Empty list: plain keys.", "source", 250*time.Nanosecond, 4, 13),
		loads: histogram("load_duration_seconds", "Time of loads from the origin, waiting for their turn included.", "outcome", 250*time.Microsecond, 2, 16),
	}
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
		source := "error"
		if e.Err == nil {
			source = e.Source.String()
		}
		c.reads.Observe(of{e.List, source}, e.Took)
	case folio.Load:
		outcome := "ok"
		if e.Err != nil {
			outcome = "error"
		}
		c.loads.Observe(of{e.List, outcome}, e.Took)
	}
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
