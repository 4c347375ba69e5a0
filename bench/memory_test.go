package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/foliocache/folio"
)

// BenchmarkFull fills 256 MiB several times over, with values of one size or of all (mean 3 KB, lognormal),
// by keys of which there are three times as many as fit, Zipf by s = 1.01, or that never come again. It
// reports, of MaxBytes, what rings and heap take together, and of the rings, what is live.
func BenchmarkFull(b *testing.B) {
	for _, bytes := range []int{500, 1 << 10, 3 << 10, 8000, 0} {
		for _, keys := range []string{"zipf", "new"} {
			b.Run(fmt.Sprintf("bytes=%d/keys=%s", bytes, keys), func(b *testing.B) { full(b, bytes, keys == "zipf") })
		}
	}
}

func full(b *testing.B, bytes int, again bool) {
	mean, size := bytes, func(uint64) int { return bytes }
	if bytes == 0 {
		mean = 3 << 10
		size = func(key uint64) int {
			const sigma = 1
			r := rand.New(rand.NewPCG(key, 1))
			return min(60_000, int(float64(mean)*math.Exp(sigma*r.NormFloat64()-sigma*sigma/2)))
		}
	}
	v, fit := make([]byte, 1<<16), capacity/mean
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 0)), 1.01, 100, uint64(3*fit)-1)
	before := heap()
	c, err := folio.New(folio.Config{MaxBytes: capacity, MeanBytes: mean, Seed: 1})
	must(b, err)
	n := uint64(0)
	for c.Stats().Stored < int64(4*fit*b.N) {
		for range 1000 {
			n++
			key := n
			if again {
				key = z.Uint64()
			}
			name := fmt.Sprint("tickets:user:", key)
			if _, ok := c.GetIfPresent(nil, name); !ok {
				must(b, c.Set(name, v[:size(key)]))
			}
		}
	}
	s, owned := c.Stats(), heap()-before
	owned -= s.Memory.Heap // rings
	b.ReportMetric(float64(s.Memory.Rings+owned)/capacity, "taken/MaxBytes")
	b.ReportMetric(float64(s.Memory.Live)/float64(s.Memory.Rings), "live/rings")
	b.ReportMetric(float64(s.Memory.Rings)/float64(s.Memory.Capacity), "rings/split")
	b.ReportMetric(float64(s.Memory.Books)/float64(owned), "books/heap")
	must(b, c.Close(context.Background()))
}
