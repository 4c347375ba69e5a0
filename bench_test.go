package folio

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
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
