package meter_test

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/foliocache/folio/internal/meter"
)

func vec() *meter.Vec[int] {
	desc := prometheus.NewDesc("took_seconds", "Help.", []string{"of"}, nil)
	return meter.NewVec(desc, time.Microsecond, 4, 6, func(k int) []string { return []string{strconv.Itoa(k)} })
}

// TestTheSameAsPrometheusOwn: what several goroutines count is what client_golang's histogram has of the same durations,
// those at bounds among them.
func TestTheSameAsPrometheusOwn(t *testing.T) {
	v, own := vec(), prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "took_seconds", Help: "Help.", Buckets: prometheus.ExponentialBuckets(1e-6, 4, 6)}, []string{"of"})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range 2000 {
				took := time.Duration(r.IntN(8_000_000))
				if i%10 == 0 {
					took = time.Microsecond << (2 * r.IntN(6))
				}
				v.Observe(i%3, took)
				own.WithLabelValues(strconv.Itoa(i % 3)).Observe(took.Seconds())
			}
		})
	}
	all.Wait()
	want, err := testutil.CollectAndFormat(own, expfmt.TypeTextPlain, "took_seconds")
	if err != nil {
		t.Fatal(err)
	}
	got, err := testutil.CollectAndFormat(v, expfmt.TypeTextPlain, "took_seconds")
	if err != nil {
		t.Fatal(err)
	}
	// The last digits of sums differ, as floating point adds up in other orders.
	sum := regexp.MustCompile(`(_sum\S* \d+\.\d{6})\d+`)
	if got, want := sum.ReplaceAllString(string(got), "$1"), sum.ReplaceAllString(string(want), "$1"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// BenchmarkObserve: of all processors at once, beside client_golang's.
func BenchmarkObserve(b *testing.B) {
	b.Run("meter", func(b *testing.B) {
		v := vec()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				v.Observe(1, 30*time.Microsecond)
			}
		})
	})
	b.Run("client_golang", func(b *testing.B) {
		own := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Buckets: prometheus.ExponentialBuckets(1e-6, 4, 6)})
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				own.Observe(30e-6)
			}
		})
	})
}
