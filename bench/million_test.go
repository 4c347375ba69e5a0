package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"

	"github.com/maypok86/otter/v2"

	"github.com/foliocache/folio"
)

const (
	million = 1_000_000
	little  = 1 << 10 // bytes of a value, where there are a million
)

// holders fill a cache with a million values and keep it.
var holders = []struct {
	name string
	fill func(testing.TB) (get func(key string) bool)
}{
	{"folio", func(b testing.TB) func(string) bool { return fillFolio(b, folio.Config{}) }},
	{"folio-exact", func(b testing.TB) func(string) bool { return fillFolio(b, folio.Config{Exact: 2 * million}) }},
	{"folio-alone", func(b testing.TB) func(string) bool { return fillFolio(b, folio.Config{Strategy: "aggressive"}) }},
	{"otter-bytes", fillOtter(func(i int) []byte { return slices.Clone(value(i)[:little]) })},
	{"otter-values", fillOtter(func(i int) []ticket { return rowsOf(i)[:7] })}, // some 1 KB as well
}

func fillFolio(b testing.TB, config folio.Config) func(string) bool {
	config.MaxBytes, config.MeanBytes, config.Seed = 2<<30, little, 1
	c, err := folio.New(config)
	must(b, err)
	b.Cleanup(func() { must(b, c.Close(context.Background())) })
	v := value(0)[:little]
	for i := range million {
		must(b, c.Set(name(i), v))
	}
	if n := c.Stats().Entries; n < million*95/100 {
		b.Fatalf("%d entries", n)
	}
	return func(key string) bool {
		_, ok := c.GetIfPresent(nil, key)
		return ok
	}
}

func fillOtter[V any](make func(int) V) func(testing.TB) func(string) bool {
	return func(b testing.TB) func(string) bool {
		c := otter.Must(&otter.Options[string, V]{MaximumSize: 2 * million})
		b.Cleanup(func() { c.InvalidateAll() })
		for i := range million {
			c.Set(name(i), make(i))
		}
		return func(key string) bool {
			_, ok := c.GetIfPresent(key)
			return ok
		}
	}
}

func name(i int) string { return fmt.Sprintf("tickets:user:%d:offset=0:limit=20", i) }

// BenchmarkCollect collects the garbage of a program that holds a million values: time of the
// processor and the longest pause of a collection, and what an entry takes on the heap. What folio
// keeps outside the heap is the values themselves.
func BenchmarkCollect(b *testing.B) {
	for _, h := range holders {
		b.Run("cache="+h.name, func(b *testing.B) {
			before := heap()
			get := h.fill(b)
			runtime.GC()
			each := float64(heap()-before) / million
			cpu, cycles, pauses := collector()
			for b.Loop() {
				runtime.GC()
			}
			cpuAfter, cyclesAfter, pausesAfter := collector()
			b.ReportMetric(1e3*(cpuAfter-cpu)/float64(cyclesAfter-cycles), "cpu-ms/collection")
			b.ReportMetric(1e6*longest(pauses, pausesAfter), "µs-longest-pause")
			b.ReportMetric(each, "heap-bytes/entry")
			if !get(name(million - 1)) {
				b.Error("the last value is not there")
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// collector returns the processor's seconds that collections took, their number, and their pauses.
func collector() (seconds float64, cycles uint64, pauses *metrics.Float64Histogram) {
	s := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/gc/cycles/total:gc-cycles"}, {Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64(), s[1].Value.Uint64(), s[2].Value.Float64Histogram()
}

// longest returns the upper end of the last bucket that has grown.
func longest(before, after *metrics.Float64Histogram) float64 {
	for i := len(after.Counts) - 1; i >= 0; i-- {
		if after.Counts[i] > before.Counts[i] {
			return math.Min(after.Buckets[i+1], 1)
		}
	}
	return 0
}
