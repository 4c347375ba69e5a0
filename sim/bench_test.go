package sim_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// zipf10M is 10 M requests for 1 M ids, Zipf 0.9, the trace that speed is quoted on.
var zipf10M = sync.OnceValue(func() *sim.Trace {
	s, err := workloads.Open("gen:zipf?n=10000000&m=1000000")
	if err != nil {
		panic(err)
	}
	t, err := sim.Decode(s)
	if err != nil {
		panic(err)
	}
	return t
})

func job(b *testing.B, t *sim.Trace, policy, size string) sim.Job {
	p, err := sim.ParsePolicy(policy)
	if err != nil {
		b.Fatal(err)
	}
	s, err := sim.ParseSize(size)
	if err != nil {
		b.Fatal(err)
	}
	return sim.Job{Trace: t, Policy: p, Size: s, Seed: 1}
}

func replayAll(b *testing.B, jobs []sim.Job, workers int) []sim.Row {
	rows, err := sim.Run(context.Background(), jobs, workers, nil)
	if err != nil {
		b.Fatal(err)
	}
	return rows
}

// BenchmarkReplay is what one run of `simulate run` costs, all counters included. Bookkeeping
// bytes are those the cache reports of itself, per distinct id of the trace.
func BenchmarkReplay(b *testing.B) {
	for _, policy := range []string{"fifo", "lru", "sieve", "clock", "s3fifo", "2q", "lfu", "arc", "wtinylfu", "lecar", "gdsf", "opt",
		"folio:strategy=conservative", "folio:strategy=balanced", "folio", "folio:exact=16384"} {
		for _, size := range []string{"1%", "20%"} {
			b.Run(fmt.Sprintf("policy=%s/size=%s", policy, size), func(b *testing.B) {
				t := zipf10M()
				jobs := []sim.Job{job(b, t, policy, size)}
				if err := jobs[0].Check(); err != nil { // computes once what all runs of a trace share
					b.Fatal(err)
				}
				b.ReportAllocs()
				var rows []sim.Row
				for b.Loop() {
					rows = replayAll(b, jobs, 1)
				}
				b.ReportMetric(float64(b.N)*float64(t.Requests())/b.Elapsed().Seconds()/1e6, "Mreq/s")
				b.ReportMetric(float64(rows[0].BytesMetadata)/float64(t.Units()), "B/id")
			})
		}
	}
}

// BenchmarkSizes runs eight sizes on one core and on all of them.
func BenchmarkSizes(b *testing.B) {
	for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			var jobs []sim.Job
			for _, size := range []string{"0.5%", "1%", "2%", "3%", "5%", "8%", "12%", "20%"} {
				jobs = append(jobs, job(b, zipf10M(), "s3fifo", size))
			}
			for b.Loop() {
				replayAll(b, jobs, workers)
			}
		})
	}
}
