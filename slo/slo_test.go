package slo_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/slo"
)

func TestWhatIsOutOfBoundsIsAViolation(t *testing.T) {
	o, err := slo.Read(strings.NewReader(`
objectives:
  - {metric: hit_ratio, at_least: 80%}
  - {metric: hit_p99, at_most: 100us}
  - {metric: stale_ratio, at_most: "0"}
  - {metric: eviction_rate, at_least: 0.1, at_most: 0.5}
  - {metric: miss_p99, at_most: 1s, optional: true}
  - {metric: origin_rate, at_most: 0.1}
`))
	if err != nil {
		t.Fatal(err)
	}
	fine := slo.Measured{slo.HitRatio: .8, slo.HitP99: 100e-6, slo.StaleRatio: 0, slo.EvictionRate: .5, slo.OriginRate: .1}
	if v := o.Check(fine); len(v) != 0 {
		t.Errorf("at the bounds: %v", v)
	}
	var got []string
	for _, v := range o.Check(slo.Measured{slo.HitRatio: .79, slo.HitP99: 101e-6, slo.StaleRatio: 1e-9, slo.EvictionRate: .09, slo.MissP99: 1.1, slo.OriginRate: math.NaN()}) {
		got = append(got, v.String())
	}
	want := []string{"hit_ratio is 0.79, want at least 80%", "hit_p99 is 101µs, want at most 100us", "stale_ratio is 1e-09, want at most 0",
		"eviction_rate is 0.09, want at least 0.1 and at most 0.5", "miss_p99 is 1.1s, want at most 1s", "origin_rate was not measured, want at most 0.1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestBadObjectivesAreRefused(t *testing.T) {
	for _, text := range []string{"", "objectives: []", "objectives:\n  - {metric: hits, at_least: 1}", "objectives:\n  - {metric: hit_ratio}", "objectives:\n  - {metric: hit_ratio, at_least: many}",
		"objectives:\n  - {metric: hit_p99, at_most: 5}", "objectives:\n  - {metric: hit_ratio, at_least: 0.9, at_most: 0.1}", "objectives:\n  - {metric: hit_ratio, least: 1}", "objectives:\n  - {metric: hit_ratio, at_least: nan}"} {
		if _, err := slo.Read(strings.NewReader(text)); !errors.Is(err, slo.ErrObjectives) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func Example() {
	o, err := slo.Read(strings.NewReader(`{"objectives": [{"metric": "hit_ratio", "at_least": "80%"}]}`))
	if err != nil {
		panic(err)
	}
	for _, v := range o.Check(slo.Measured{slo.HitRatio: .75}) {
		fmt.Println(v)
	}
	// Output: hit_ratio is 0.75, want at least 80%
}
