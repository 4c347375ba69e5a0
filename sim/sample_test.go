package sim

import (
	"context"
	"errors"
	"math"
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

func TestSampleKeepsFeedsWhole(t *testing.T) {
	const one = 8
	kept, left := map[feed]bool{}, map[feed]bool{}
	s := sample(t, "1/8:a")
	for r, err := range source(t, "gen:tickets?n=40000").Requests() {
		if err != nil {
			t.Fatal(err)
		}
		if s.Keeps(r) {
			kept[feed{r.List, r.Scope}] = true
		} else {
			left[feed{r.List, r.Scope}] = true
		}
	}
	for f := range kept {
		if left[f] {
			t.Fatalf("%v is half in the sample", f)
		}
	}
	n := float64(len(kept) + len(left))
	if off := math.Abs(float64(len(kept)) - n/one); off > 5*math.Sqrt(n/one) {
		t.Errorf("the sample holds %d of %.0f feeds, want about one in %d", len(kept), n, one)
	}
}

func TestSamplesOfDifferentSaltsDiffer(t *testing.T) {
	a, b, same := sample(t, "1/2:a"), sample(t, "1/2:b"), 0
	for id := range uint64(1000) {
		if r := (workloads.Request{ID: id}); a.Keeps(r) == b.Keeps(r) {
			same++
		}
	}
	if same < 400 || same > 600 {
		t.Errorf("two salts agree on %d of 1000 ids, want about 500", same)
	}
}

func TestSampledHitRatioIsNearTheWhole(t *testing.T) {
	const spec = "gen:zipf?n=200000&m=20000&alpha=.3"
	lru, err := ParsePolicy("lru")
	if err != nil {
		t.Fatal(err)
	}
	size, err := ParseSize("2000")
	if err != nil {
		t.Fatal(err)
	}
	ratios := map[string]float64{}
	for _, text := range []string{"", "1/8"} {
		s := sample(t, text)
		tr, err := DecodeSample(context.Background(), source(t, spec), s)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := Run(context.Background(), []Job{{Trace: tr, Policy: lru, Size: size.Scaled(s.Share()), Seed: 1}}, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		ratios[text] = rows[0].HitRatio
	}
	if math.Abs(ratios[""]-ratios["1/8"]) > .02 {
		t.Errorf("LRU hits %.3f of the whole and %.3f of the sample", ratios[""], ratios["1/8"])
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
