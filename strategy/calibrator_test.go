package strategy

import "testing"

func TestStatementKeepsCellBinProbabilityAndBase(t *testing.T) {
	for bin := range bins {
		for p := 0.0; p <= 1; p += 1. / 500 {
			w := pack(7, bin, p, 1-p, bin%2 == 0)
			if !near(w.P(), p, 1./127) || !near(w.Base(), 1-p, 1./31) || w.bin() != bin || w.Cell() != 7 || w.Decisive() != (bin%2 == 0) {
				t.Fatalf("%v in bin %d: %v in %d", p, bin, w.P(), w.bin())
			}
		}
		if w := pack(7, bin, 1, 1, true); w.P() != 1 || w.bin() != bin {
			t.Fatalf("1 in bin %d: %v in %d", bin, w.P(), w.bin())
		}
	}
}

// TestBinsCorrectWhatTheCellsOverstate: the cell stays at its prior; the bin learns that this
// is never worth it.
func TestBinsCorrectWhatTheCellsOverstate(t *testing.T) {
	var c Calibrator
	first := c.State(0, .5, 0, true)
	if !near(first.P(), .5, 1./127) {
		t.Fatalf("starts at %v", first.P())
	}
	for range 20_000 {
		s := c.State(0, .5, 0, true)
		c.Watch(s, 0)
		c.Settle(s, 0, false)
	}
	if s := c.State(0, .5, 0, true); s.P() > .5*binWeight/(binWeight+20_000)+.01 || s.bin() != first.bin() || s.Base() > .04 {
		t.Errorf("still states %v, from bin %d, against %v", s.P(), s.bin(), s.Base())
	}
	if s := c.State(features*hazards, .95, 0, true); !near(s.P(), .95, 1./127) || !near(s.Base(), .95, 1./31) {
		t.Errorf("another bin or depth moved as well: %v, %v", s.P(), s.Base())
	}
}

// TestCalibratorCountsWhatIsOpen: a lap without a request weighs like a no, until the watch is
// dropped.
func TestCalibratorCountsWhatIsOpen(t *testing.T) {
	var c Calibrator
	s := c.State(0, .5, 0, true)
	for range 3000 {
		c.Watch(s, 0)
	}
	if n, starts := c.Open(); n != 3000 || starts != 0 {
		t.Errorf("%d open from %v", n, starts)
	}
	if got := c.State(0, .5, TicksPerLap, true).P(); !near(got, .25, .01) {
		t.Errorf("3000 halves and 3000 noes make %v", got)
	}
	for range 3000 {
		c.Drop(s, 0)
	}
	if got := c.State(0, .5, TicksPerLap, true); got != s || c.N() != 0 {
		t.Errorf("drops left a trace: %v", got.P())
	}
}

// TestWhatDecidesNothingIsLearnedFromButNotScored: two hundred statements that came true.
func TestWhatDecidesNothingIsLearnedFromButNotScored(t *testing.T) {
	for _, decisive := range []bool{false, true} {
		var c Calibrator
		for range 200 {
			s := c.State(0, .5, 0, decisive)
			c.Watch(s, 0)
			c.Settle(s, 0, true)
		}
		if s := c.State(0, .5, 0, true); s.P() <= .5 || s.Base() < .9 {
			t.Errorf("decisive %t: %v and a base rate of %v", decisive, s.P(), s.Base())
		}
		if want := map[bool]int64{true: 200}[decisive]; c.N() != want {
			t.Errorf("decisive %t: %d scored, want %d", decisive, c.N(), want)
		}
	}
}
