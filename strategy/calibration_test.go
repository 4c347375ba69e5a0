package strategy

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stated returns a statement of p against a base rate, both 0..1.
func stated(p, base float64) Statement { return pack(0, 0, 0, 0, MainTail).with(p, base, true) }

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

func TestCalibrationEqualsHandComputed(t *testing.T) {
	var c Calibration
	if c.N() != 0 || c.Brier() != 0 || c.Skill() != 0 || c.ECE() != 0 {
		t.Errorf("of nothing: %d %v %v %v", c.N(), c.Brier(), c.Skill(), c.ECE())
	}
	c.Add(stated(1, 1), true)   // off by 0; the base rate by 0
	c.Add(stated(1, 0), false)  // off by 1; by 0
	c.Add(stated(.21, 0), true) // off by .79; by 1
	c.Add(stated(0, 1), false)  // off by 0; by 1
	if c.N() != 4 {
		t.Errorf("N = %d", c.N())
	}
	if want := (1 + .79*.79) / 4; !near(c.Brier(), want, 5e-3) {
		t.Errorf("Brier = %v, want %v", c.Brier(), want)
	}
	if want := 1 - (1+.79*.79)/2; !near(c.Skill(), want, 5e-3) {
		t.Errorf("Skill = %v, want %v", c.Skill(), want)
	}
	// Bins: [1, 1] came true once: off by 1; [.21] off by .79; [0] off by 0; 4 in all.
	if want := 1.79 / 4; !near(c.ECE(), want, 5e-3) {
		t.Errorf("ECE = %v, want %v", c.ECE(), want)
	}
	n := [10]int64{0: 1, 2: 1, 9: 2}
	for i, b := range c.Bins {
		if diff := cmp.Diff(n[i], b.N); diff != "" {
			t.Errorf("bin %d: %s", i, diff)
		}
	}
}

// TestBaseRatesAreOfDepthAndFrequencyAlone: frequency 0, 1, 2, and 3 and more.
func TestBaseRatesAreOfDepthAndFrequencyAlone(t *testing.T) {
	type kind struct{ depth, freq uint8 }
	var c Calibrator
	group, kinds := map[kind]int{}, map[int]kind{}
	for ev := range evidences {
		for _, ev.Moment = range []Moment{ev.Moment, Fresh} {
			k, g := kind{ev.Depth, min(ev.Freq, 3)}, stateOn(&c, ev, .5, 0, true).group()
			if was, ok := group[k]; ok && was != g {
				t.Fatalf("%+v is in group %d, another one of %+v in %d", ev, g, k, was)
			}
			if was, ok := kinds[g]; ok && was != k {
				t.Fatalf("group %d is of %+v and of %+v", g, k, was)
			}
			group[k], kinds[g] = g, k
		}
	}
	if len(group) != Depths*4 {
		t.Errorf("%d groups", len(group))
	}
}

func TestStatingTheBaseRateHasNoSkillAndKnowingHasAll(t *testing.T) {
	var base, wise Calibration
	for i := range 1000 {
		asked := i%5 == 0
		base.Add(stated(.2, .2), asked)
		p := 0.0
		if asked {
			p = 1
		}
		wise.Add(stated(p, .2), asked)
	}
	if !near(base.Skill(), 0, 1e-2) || !near(base.ECE(), 0, 5e-3) || !near(base.Brier(), .16, 1e-3) {
		t.Errorf("base rate: skill %v, ECE %v, Brier %v", base.Skill(), base.ECE(), base.Brier())
	}
	if wise.Skill() != 1 || wise.Brier() != 0 || wise.ECE() != 0 {
		t.Errorf("oracle: skill %v, ECE %v, Brier %v", wise.Skill(), wise.ECE(), wise.Brier())
	}
}
