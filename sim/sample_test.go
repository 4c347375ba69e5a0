package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/foliocache/folio/workloads"
)

func source(t *testing.T, spec string) *workloads.Source {
	t.Helper()
	s, err := workloads.Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sample(t *testing.T, text string) Sample {
	t.Helper()
	s, err := ParseSample(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reads counts the reads of every query of a trace, and of a sample of it.
func reads(t *testing.T, spec string, s Sample) (all, kept map[[2]string]int, writes map[feed]bool) {
	t.Helper()
	keeps, err := s.Draw(t.Context(), source(t, spec).Requests())
	if err != nil {
		t.Fatal(err)
	}
	all, kept, writes = map[[2]string]int{}, map[[2]string]int{}, map[feed]bool{}
	for r, err := range source(t, spec).Requests() {
		if err != nil {
			t.Fatal(err)
		}
		f := feed{r.List, r.Scope}
		query := [2]string{fmt.Sprint(f), fmt.Sprint(r.Variant, r.Limit, map[bool]uint64{false: r.ID}[r.Paginated()])}
		switch {
		case r.Op != workloads.Read:
			if was, ok := writes[f]; ok && was != keeps(r) {
				t.Fatalf("of the writes of %v, some are in the sample", f)
			}
			writes[f] = keeps(r)
		case keeps(r):
			kept[query]++
			fallthrough
		default:
			all[query]++
		}
	}
	return all, kept, writes
}

// TestASampleHasItsPart of the queries and of the reads, within what one query is read.
func TestASampleHasItsPart(t *testing.T) {
	for _, spec := range []string{"gen:tickets?n=60000", "gen:zipf?n=60000&m=5000&alpha=1.1", "gen:loop?n=50000&m=6400"} {
		for _, one := range []int{2, 8, 64} {
			all, kept, writes := reads(t, spec, sample(t, fmt.Sprintf("1/%d:%d", one, one)))
			n, part := 0, 0
			for q, k := range all {
				n += k
				if part += kept[q]; kept[q] != 0 && kept[q] != k {
					t.Fatalf("%s 1/%d: %d of %d reads of %v", spec, one, kept[q], k, q)
				}
			}
			if off := math.Abs(float64(len(kept)) - float64(len(all))/float64(one)); off > 1 {
				t.Errorf("%s 1/%d: %d of %d queries", spec, one, len(kept), len(all))
			}
			if share := float64(part) * float64(one) / float64(n); math.Abs(share-1) > .06 {
				t.Errorf("%s 1/%d: %.3f of the reads that it should have", spec, one, share)
			}
			feeds := map[string]bool{}
			for q := range kept {
				feeds[q[0]] = true
			}
			for f, is := range writes {
				if is != feeds[fmt.Sprint(f)] {
					t.Errorf("%s 1/%d: writes of %v are kept: %v", spec, one, f, is)
				}
			}
		}
	}
}

func TestSamplesOfDifferentSaltsDiffer(t *testing.T) {
	const spec = "gen:zipf?n=20000&m=5000&alpha=.6"
	_, a, _ := reads(t, spec, sample(t, "1/4:a"))
	_, b, _ := reads(t, spec, sample(t, "1/4:b"))
	same := 0
	for q := range a {
		if b[q] > 0 {
			same++
		}
	}
	if same > len(a)/2 {
		t.Errorf("two salts agree on %d of %d ids, want about a quarter", same, len(a))
	}
}

// TestSampledHitRatiosAreNearTheWhole: where a hash alone would miss or keep what is read most.
func TestSampledHitRatiosAreNearTheWhole(t *testing.T) {
	for spec, most := range map[string]float64{"gen:zipf?n=300000&m=20000": .005, "gen:tickets?n=300000": .03} {
		ratios := map[string][]Row{}
		for _, text := range []string{"", "1/16:a"} {
			s := sample(t, text)
			tr, err := DecodeSample(t.Context(), source(t, spec), s)
			if err != nil {
				t.Fatal(err)
			}
			var jobs []Job
			for _, name := range []string{"lru", "s3fifo"} {
				for _, share := range []string{"2%", "10%"} {
					policy, err := ParsePolicy(name)
					if err != nil {
						t.Fatal(err)
					}
					size, err := ParseSize(share)
					if err != nil {
						t.Fatal(err)
					}
					jobs = append(jobs, Job{Trace: tr, Policy: policy, Size: size.Scaled(s.Share()), Seed: 1})
				}
			}
			if ratios[text], err = Run(t.Context(), jobs, 1, nil); err != nil {
				t.Fatal(err)
			}
		}
		for i, whole := range ratios[""] {
			if off := ratios["1/16:a"][i].HitRatio - whole.HitRatio; math.Abs(off) > most {
				t.Errorf("%s, %s at %s: %.3f of the whole, %+.3f of the sample", spec, whole.Policy, whole.SizeText, whole.HitRatio, off)
			}
		}
	}
}

func TestBadSamplesAreRefused(t *testing.T) {
	for _, text := range []string{"1", "1/0", "2/3", "1/-4", "1/x", "64", "/64", "1/64.5"} {
		if _, err := ParseSample(text); !errors.Is(err, ErrConfig) {
			t.Errorf("ParseSample(%q): %v, want ErrConfig", text, err)
		}
	}
	if _, err := DecodeSample(context.Background(), source(t, "gen:loop?n=10&m=1"), sample(t, "1/1000000")); !errors.Is(err, ErrConfig) {
		t.Errorf("a sample without a request: %v, want ErrConfig", err)
	}
}

func TestDecodingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := DecodeSample(ctx, source(t, "gen:zipf?n=1000000"), Sample{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestProgressOfASampleGoesOn: a source that is read twice comes to its end once.
func TestProgressOfASampleGoesOn(t *testing.T) {
	s := source(t, "gen:zipf?n=50000&m=500")
	var shares []float64
	s.Progress = func(done, total int64) { shares = append(shares, float64(done)/float64(total)) }
	if _, err := DecodeSample(t.Context(), s, sample(t, "1/4")); err != nil {
		t.Fatal(err)
	}
	if n := len(shares); n < 10 || !slices.IsSorted(shares) || shares[n/4] > .5 || shares[n-1] != 1 {
		t.Errorf("told %v", shares)
	}
}
