package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
)

// walk is a sequence of keys, Zipf by s = 1.1, that all benchmarks read in.
var walk = func() []string {
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprintf("tickets:user:%d:offset=0:limit=20:sort=-created_at", i)
	}
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 0)), 1.1, 1, keys-1)
	all := make([]string, 1<<18)
	for i := range all {
		all[i] = names[z.Uint64()]
	}
	return all
}()

// value returns some bytes of JSON's look.
func value(i int) []byte {
	r := rand.New(rand.NewPCG(uint64(i), 0))
	v := make([]byte, size)
	for j := range v {
		v[j] = byte(' ' + r.IntN(90))
	}
	return v
}

// BenchmarkGet reads values of 3 KB into a buffer of the caller's: all of them are there, or one
// operation of twenty writes one anew.
func BenchmarkGet(b *testing.B) {
	for _, reads := range []int{100, 95} {
		for _, r := range rivals {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("path=raw/reads=%d/cache=%s/threads=%d", reads, r.name, threads), func(b *testing.B) {
					benchmarkGet(b, r.open(b), reads, threads)
				})
			}
		}
	}
}

func benchmarkGet(b *testing.B, c rival, reads, threads int) {
	for i, k := range walk {
		if _, ok := c.get(nil, k); !ok {
			c.set(k, value(i))
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
	var misses, began atomic.Int64
	b.ReportAllocs()
	b.SetBytes(size)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		at := int(began.Add(1)) * 77_777
		buf, fresh := make([]byte, 0, 2*size), value(at)
		missed := int64(0)
		for p.Next() {
			at++
			k := walk[at&(len(walk)-1)]
			if at%20 == 0 && reads < 100 {
				binary.LittleEndian.PutUint64(fresh, uint64(at)) // not what is there
				c.set(k, fresh)
				continue
			}
			if _, ok := c.get(buf[:0], k); !ok {
				missed++
			}
		}
		misses.Add(missed)
	})
	b.ReportMetric(100*float64(misses.Load())/float64(b.N), "%missed")
}
