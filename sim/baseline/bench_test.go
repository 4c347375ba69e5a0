package baseline_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/foliocache/folio/sim/baseline"
)

var benchTrace = sync.OnceValue(func() trace { return recipes["zipf09_10m"].generate() })

// BenchmarkPolicy replays the Zipf 0.9 trace of 10 M requests for 1 M ids, over and over.
func BenchmarkPolicy(b *testing.B) {
	for _, info := range baseline.All() {
		for _, size := range []int64{10_000, 100_000} {
			b.Run(fmt.Sprintf("policy=%s/size=%d", info.Name, size), func(b *testing.B) {
				benchmarkPolicy(b, info.Name, size)
			})
		}
	}
}

func benchmarkPolicy(b *testing.B, name string, size int64) {
	tr := benchTrace()
	p := build(b, name, tr.config(size))
	b.ReportAllocs()
	at := 0
	for b.Loop() {
		if at == len(tr.ids) { // the future starts over, and policies that know it with it
			at = 0
			p = build(b, name, tr.config(size))
		}
		if id := tr.ids[at]; !p.Get(id) {
			p.Put(id, 1)
		}
		at++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
