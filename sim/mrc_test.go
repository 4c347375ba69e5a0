package sim

import (
	"cmp"
	"context"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foliocache/folio/workloads"
)

// TestTheCurveOfLRUIsWhatReplaysFind: at every size, of keys and of pages that are written; where loads take time, but
// for a part in five hundred.
func TestTheCurveOfLRUIsWhatReplaysFind(t *testing.T) {
	lru, err := ParsePolicy("lru")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gen:zipf?n=50000&m=4000", "gen:loop?n=20000&m=700", "gen:mix?n=60000&m=3000", "gen:pages?n=40000&m=900", "gen:tickets?n=40000&users=300&writes=.05"} {
		source, err := workloads.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		trace, err := Decode(source)
		if err != nil {
			t.Fatal(err)
		}
		times := trace.times
		for n, warmup := range []float64{0, .25, .1, 0} {
			if trace.times = nil; n == 3 {
				trace.times = times
			}
			var jobs []Job
			var sizes []Size
			texts := []string{"1", "2", "17", "1%", "5%", "20%", "60%", "100%"}
			if n == 2 { // each unit of one size
				trace.sizes, texts = make([]uint32, len(trace.ids)), []string{"1KiB", "9KiB", "1%B", "40%B", "100%B"}
				for i, id := range trace.ids {
					trace.sizes[i] = 1 + uint32(spread(uint64(id))%1000)
				}
			}
			for _, text := range texts {
				size, err := ParseSize(text)
				if err != nil {
					t.Fatal(err)
				}
				sizes, jobs = append(sizes, size), append(jobs, Job{Trace: trace, Policy: lru, Size: size, Warmup: warmup})
			}
			want, err := Run(context.Background(), jobs, 2, nil)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortStableFunc(want, func(a, b Row) int { return cmp.Compare(a.Size, b.Size) })
			got, err := LRUCurve(context.Background(), trace, sizes, warmup, nil)
			if err != nil {
				t.Fatal(err)
			}
			if trace.Timed() {
				for i := range want {
					near(t, name, want[i].Hits, got[i].Hits, want[i].Requests)
					near(t, name, want[i].OriginQueries, got[i].OriginQueries, want[i].Requests)
				}
				continue
			}
			other := cmpopts.IgnoreFields(Row{}, "Curve", "Admitted", "Evicted", "Invalidated", "BytesWritten", "BytesLive", "BytesPeak", "Latency")
			if d := gocmp.Diff(want, got, other, cmpopts.IgnoreUnexported(Row{})); d != "" {
				t.Errorf("%s, warm-up %g: -replay +curve:\n%s", name, warmup, d)
			}
		}
	}
}

func near(t *testing.T, what string, want, got, of int64) {
	t.Helper()
	if want == got {
		return
	}
	t.Logf("%s: %d, want %d", what, got, want)
	if d := want - got; max(d, -d)*500 > of {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}
