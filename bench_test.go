package folio

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/foliocache/folio/internal/core"
)

// BenchmarkLearn books reads as the core is told of them, off the readers' way: of 50,000 keys, Zipf,
// held in 256 MiB, shadowed each or one in eight.
func BenchmarkLearn(b *testing.B) {
	for _, exact := range []int{1 << 18, 1 << 14, 1 << 13} {
		b.Run(fmt.Sprintf("exact=%d", exact), func(b *testing.B) {
			c := open(b, Config{MaxBytes: 256 << 20, MeanBytes: 3 << 10, Seed: 1, Exact: exact})
			queries := make([]core.Query, 1<<18)
			z := rand.NewZipf(rand.New(rand.NewPCG(1, 0)), 1.1, 1, 50_000-1)
			body := make([]byte, 3<<10)
			for i := range queries {
				key := strconv.FormatUint(z.Uint64(), 10)
				if _, ok := c.GetIfPresent(nil, key); !ok {
					if err := c.Set(key, body); err != nil {
						b.Fatal(err)
					}
				}
				id := c.plain(key)
				queries[i] = id.query(0)
			}
			b.ResetTimer()
			for i := range b.N {
				c.core.Read(&queries[i&(len(queries)-1)])
			}
			s := c.Stats()
			b.ReportMetric(float64(s.Memory.Books)/float64(s.Entries), "books-bytes/entry")
		})
	}
}

// BenchmarkSet writes values anew, of as many keys.
func BenchmarkSet(b *testing.B) {
	for _, exact := range []int{1 << 18, 1 << 14, 1 << 13} {
		b.Run(fmt.Sprintf("exact=%d", exact), func(b *testing.B) {
			c := open(b, Config{MaxBytes: 256 << 20, MeanBytes: 3 << 10, Seed: 1, Exact: exact})
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
