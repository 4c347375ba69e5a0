package folio

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/foliocache/folio/tier"
)

// BenchmarkLearn books hits: what readers note of them, and what is told to the core off their way (told-ns/op
// of the whole). Of 50,000 keys, Zipf, held in 256 MiB, shadowed each, one in four, or one in eight.
func BenchmarkLearn(b *testing.B) {
	for _, exact := range []int{1 << 18, 1 << 14, 1 << 13} {
		b.Run(fmt.Sprintf("exact=%d", exact), func(b *testing.B) {
			c := open(b, Config{MaxBytes: 256 << 20, MeanBytes: 3 << 10, Seed: 3, Exact: exact})
			type hit struct {
				id identity
				e  entry
			}
			hits := make([]hit, 1<<18)
			z := rand.NewZipf(rand.New(rand.NewPCG(1, 0)), 1.1, 1, 50_000-1)
			body := make([]byte, 3<<10)
			for i := range hits {
				key := strconv.FormatUint(z.Uint64(), 10)
				if _, ok := c.GetIfPresent(nil, key); !ok {
					if err := c.Set(key, body); err != nil {
						b.Fatal(err)
					}
				}
				id := c.plain(key)
				_, e, _ := c.lookup(nil, &id)
				hits[i] = hit{id, e}
			}
			seen := 0
			for _, h := range hits {
				if c.core.Arena().Sampled(uint64(h.id.feed)) {
					seen++
				}
			}
			told := time.Duration(0)
			c.Stats()
			b.ResetTimer()
			for i := range b.N {
				h := &hits[i&(len(hits)-1)]
				c.served(&h.id, &h.e, 1)
				if i%(stripeReads/2) == 0 {
					began := time.Now()
					c.mu.Lock()
					c.journal.drain(c.core)
					c.mu.Unlock()
					told += time.Since(began)
				}
			}
			b.ReportMetric(float64(told)/float64(b.N), "told-ns/op")
			b.ReportMetric(float64(seen)/float64(len(hits)), "shadowed")
			s := c.Stats()
			if s.Unlearned > 0 {
				b.Errorf("%d of %d hits are not learned from", s.Unlearned, s.Hits)
			}
			b.ReportMetric(float64(s.Memory.Books)/float64(s.Entries), "books-bytes/entry")
		})
	}
}

// BenchmarkSet writes values anew, of as many keys.
func BenchmarkSet(b *testing.B) {
	for _, exact := range []int{1 << 18, 1 << 14, 1 << 13} {
		b.Run(fmt.Sprintf("exact=%d", exact), func(b *testing.B) {
			c := open(b, Config{MaxBytes: 256 << 20, MeanBytes: 3 << 10, Seed: 3, Exact: exact})
			z := rand.NewZipf(rand.New(rand.NewPCG(1, 0)), 1.1, 1, 50_000-1)
			keys := make([]string, 1<<16)
			for i := range keys {
				keys[i] = strconv.FormatUint(z.Uint64(), 10)
			}
			body := make([]byte, 3<<10)
			set := func(i int) {
				body[0], body[1] = byte(i), byte(i>>8)
				if err := c.Set(keys[i&(len(keys)-1)], body); err != nil {
					b.Fatal(err)
				}
			}
			for i := range 1 << 16 {
				set(i)
			}
			b.ResetTimer()
			for i := range b.N {
				set(i)
			}
		})
	}
}

// BenchmarkTier is what hits of a list with a time to live cost beside a tier, of what they cost without: rounds of both
// take turns, and what counts is the median of their ratios.
func BenchmarkTier(b *testing.B) {
	const round, keys = 20_000, 2000
	var caches [2]*Cache
	all := make([]string, keys)
	for i := range caches {
		config := Config{MaxBytes: 64 << 20, OnHeap: true, Seed: 3, TTL: time.Hour}
		if i == 1 {
			config.Tier = tier.NewMemory(1)
		}
		caches[i] = open(b, config)
	}
	time.Sleep(300 * time.Millisecond) // until it follows the log
	for k := range all {
		all[k] = strconv.Itoa(k)
		for _, c := range caches {
			if _, err := c.Get(context.Background(), all[k], func(context.Context) ([]byte, error) { return make([]byte, 3<<10), nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
	var ratios []float64
	var buffer []byte
	hit := func(c *Cache) time.Duration {
		began := time.Now()
		for i := range round {
			v, ok := c.GetIfPresent(buffer[:0], all[i*7919%keys])
			if !ok {
				b.Fatal("not a hit")
			}
			buffer = v
		}
		return time.Since(began)
	}
	for n := 0; b.Loop(); n++ {
		var took [2]time.Duration
		for i := range took {
			took[(i+n)%2] = hit(caches[(i+n)%2])
		}
		ratios = append(ratios, float64(took[1])/float64(took[0]))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "of-without")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(len(ratios)*2*round), "ns/hit")
}
