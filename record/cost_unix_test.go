//go:build unix

package record

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/foliocache/folio"
)

// BenchmarkCost is what recording adds to the processor's time of all threads: rounds of reads from a cache that nobody
// listens to and from one that is recorded take turns, and what counts is the median of their ratios.
// Three reads in four are hits.
func BenchmarkCost(b *testing.B) {
	const round, users = 5000, 3000
	for _, oneIn := range []int{0, 16, 1} {
		b.Run(fmt.Sprintf("one in %d", oneIn), func(b *testing.B) {
			var rec Recorder
			silent, recorded := site(b, nil), site(b, rec.Observe)
			if oneIn > 0 {
				if err := rec.Start(io.Discard, oneIn); err != nil {
					b.Fatal(err)
				}
			}
			read := func(l *folio.List[ticket], n int) float64 {
				began := processor(b)
				for i := range round {
					at := 1000 + (n*round+i)/4 // a new page,
					if i%4 > 0 {
						at -= i * 7919 % 1000 // or one of before
					}
					page(b, l, folio.Params{Scope: folio.Scope{Kind: "user", ID: fmt.Sprint(at % users)}, Offset: 20 * (at / users % 50)})
				}
				return float64(processor(b) - began)
			}
			var ratios []float64
			without := 0.
			for n := 0; b.Loop(); n++ {
				var took [2]float64
				for i := range took { // each goes first in turn
					at := (i + n) % 2
					took[at] = read([]*folio.List[ticket]{silent, recorded}[at], n)
				}
				if n > 0 { // the first fills the caches
					without += took[0]
					ratios = append(ratios, took[1]/took[0])
				}
			}
			if oneIn > 0 {
				if _, err := rec.Stop(); err != nil {
					b.Fatal(err)
				}
			}
			if len(ratios) > 0 {
				slices.Sort(ratios)
				b.ReportMetric(ratios[len(ratios)/2], "of-unrecorded")
				b.ReportMetric(without/float64(len(ratios))/round, "cpu-ns/read")
			}
		})
	}
}

type ticket struct {
	ID            int
	Title, Status string
	Created       time.Time
}

// site returns a list of pages of 20 tickets, some 3 KB each.
func site(b *testing.B, observe func(folio.Event)) *folio.List[ticket] {
	c, err := folio.New(folio.Config{MaxBytes: 32 << 20, OnHeap: true, Observe: observe})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close(context.Background()) })
	l, err := folio.NewList(c, folio.ListConfig[ticket]{Name: "tickets", NoWarm: true, Load: func(_ context.Context, _ folio.Query, r folio.Range) ([]ticket, error) {
		rows := make([]ticket, r.Limit)
		for i := range rows {
			rows[i] = ticket{r.Offset + i, strings.Repeat("a title ", 9), "open", time.Unix(int64(i), 0).UTC()}
		}
		return rows, nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// processor returns the time that this process has had of all processors.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
