package strategy

import (
	"testing"

	"github.com/foliocache/folio/internal/seed"
)

func TestStatementKeepsAllItSays(t *testing.T) {
	for bin := range bins + groups {
		for rest := range uint8(Depths * 4 * 4) {
			depth, freq, credit, m := rest/16, rest/4%4, rest%4, Moment(bin)%(moments+1)
			p, scored := float64(bin)/(bins+groups), rest%2 == 0
			s := pack(bin, depth, freq, credit, m).with(p, 1-p, scored)
			if !near(s.P(), p, 1./127) || !near(s.Base(), 1-p, 1./127) || s.Scored() != scored {
				t.Fatalf("%v against %v in bin %d: %v against %v", p, 1-p, bin, s.P(), s.Base())
			}
			if s.bin() != bin || s.depth() != int(depth) || s.group() != int(depth*4+freq) || s.moment() != m || s.earned()%4 != int(credit) {
				t.Fatalf("bin %d, depth %d, frequency %d, credit %d, moment %d: %b", bin, depth, freq, credit, m, s)
			}
		}
	}
	if s := pack(bins+groups-1, Depths-1, 3, 3, Fresh).with(1, 1, true); s.P() != 1 || s.Base() != 1 || !s.Scored() || s.earned() != Depths*int(moments+1)*4-1 {
		t.Fatalf("the last of all: %b", s)
	}
}

// settle states an estimate so many times and tells the outcome at once.
func settle(c *Calibrator, ev evidence, p float64, n int, asked func() bool) {
	for range n {
		s := stateOn(c, ev, p, 0, true)
		c.Watch(s, 0)
		c.Settle(s, 0, 0, asked())
	}
}

func never() bool  { return false }
func always() bool { return true }

// TestBinsCorrectWhatTheCellsOverstate: the cell stays at its prior; bin and credit learn that this
// is never worth it.
func TestBinsCorrectWhatTheCellsOverstate(t *testing.T) {
	var c Calibrator
	first := stateOn(&c, evidence{}, .5, 0, true)
	if !near(first.P(), .5, 1./127) {
		t.Fatalf("starts at %v", first.P())
	}
	settle(&c, evidence{}, .5, 20_000, never)
	if s := stateOn(&c, evidence{}, .5, 0, true); s.P() > .5*binWeight/(binWeight+20_000)+.01 || s.bin() != first.bin() || s.Base() > .04 {
		t.Errorf("still states %v, from bin %d, against %v", s.P(), s.bin(), s.Base())
	}
	if s := stateOn(&c, evidence{Depth: 1}, .95, 0, true); !near(s.P(), .95, 1./127) || !near(s.Base(), .95, 1./127) {
		t.Errorf("another bin or depth moved as well: %v, %v", s.P(), s.Base())
	}
}

// TestMixFollowsTheBetterOpinion: at main's tail the estimate knows the outcome and the credit
// nothing, on leaving probation the other way round.
func TestMixFollowsTheBetterOpinion(t *testing.T) {
	r := seed.Random(t)
	var c Calibrator
	for range 20_000 {
		asked := r.IntN(2) == 0
		knows, earned := .1, uint8(0)
		if asked {
			knows, earned = .9, 3
		}
		outcome := func() bool { return asked }
		settle(&c, evidence{Moment: MainTail, Credit: uint8(r.IntN(4))}, knows, 1, outcome)
		settle(&c, evidence{Moment: LeaveProbation, Credit: earned}, .1+.8*r.Float64(), 1, outcome)
	}
	for _, x := range []struct {
		ev        evidence
		p         float64
		low, high float64
	}{
		{evidence{Moment: MainTail, Credit: 1}, .9, .9, 1},
		{evidence{Moment: MainTail, Credit: 1}, .1, 0, .1},
		{evidence{Moment: LeaveProbation, Credit: 3}, .5, .9, 1},
		{evidence{Moment: LeaveProbation}, .5, 0, .1},
	} {
		if got := stateOn(&c, x.ev, x.p, 0, true).P(); got < x.low || got > x.high {
			t.Errorf("%+v, estimate %v: stated %v, want %v to %v", x.ev, x.p, got, x.low, x.high)
		}
	}
}

// TestFreshFillsAreWorthWhatTheirLikesWere: by depth and frequency, starting at the depth's prior;
// no bin of estimates learns from them.
func TestFreshFillsAreWorthWhatTheirLikesWere(t *testing.T) {
	var c Calibrator
	if got := stateOn(&c, evidence{Moment: Fresh, Depth: 1}, 0, 0, true).P(); !near(got, .95, 1./127) {
		t.Errorf("page 1 starts at %v", got)
	}
	settle(&c, evidence{Moment: Fresh}, 0, 1000, never)
	settle(&c, evidence{Moment: Fresh, Freq: 2}, 0, 1000, always)
	for _, x := range []struct {
		freq, depth uint8
		want        float64
	}{{0, 0, 0}, {1, 0, .5}, {2, 0, 1}, {3, 0, .5}, {0, 2, .85}} {
		if got := stateOn(&c, evidence{Moment: Fresh, Freq: x.freq, Depth: x.depth}, 0, 0, true).P(); !near(got, x.want, .01) {
			t.Errorf("frequency %d, depth %d: %v, want %v", x.freq, x.depth, got, x.want)
		}
	}
	for bin := range bins {
		if got, _ := c.learners(pack(bin, 0, 0, 0, MainTail)).opinions(pack(bin, 0, 0, 0, MainTail), 0); !near(got, (float64(bin)+.5)/bins, 1e-9) {
			t.Errorf("bin %d learned of them: %v", bin, got)
		}
	}
}

// TestMixForgetsOldErrors: twenty thousand outcomes that the estimate foresaw, then fewer that
// the credit did.
func TestMixForgetsOldErrors(t *testing.T) {
	r := seed.Random(t)
	var c Calibrator
	for i := range 35_000 {
		asked := r.IntN(2) == 0
		knows, earned := .1, uint8(0)
		if asked {
			knows, earned = .9, 3
		}
		if i < 20_000 {
			earned = uint8(r.IntN(4))
		} else {
			knows = .1 + .8*r.Float64()
		}
		settle(&c, evidence{Moment: MainTail, Credit: earned}, knows, 1, func() bool { return asked })
	}
	if yes, no := stateOn(&c, evidence{Moment: MainTail, Credit: 3}, .5, 0, true).P(), stateOn(&c, evidence{Moment: MainTail}, .5, 0, true).P(); yes-no < .5 {
		t.Errorf("a unit with credit: %v, one without: %v", yes, no)
	}
}

// TestCalibratorCountsWhatIsOpen: a lap without a request weighs like a no, until the watch is
// dropped.
func TestCalibratorCountsWhatIsOpen(t *testing.T) {
	var c Calibrator
	s := stateOn(&c, evidence{}, .51, 0, true)
	for range 3000 {
		c.Watch(s, 0)
	}
	if n, starts := c.Open(); n != 3000 || starts != 0 {
		t.Errorf("%d open from %v", n, starts)
	}
	if ofBin, ofEarned := c.learners(s).opinions(s, TicksPerLap); !near(ofBin, .258, .001) || !near(ofEarned, 2./3004, 1e-9) {
		t.Errorf("3000 halves and 3000 noes make %v, four halves and 3000 noes %v", ofBin, ofEarned)
	}
	if got := stateOn(&c, evidence{}, .51, TicksPerLap, true).Base(); got != 0 {
		t.Errorf("a base rate of %v against 3000 noes", got)
	}
	for range 3000 {
		c.Drop(s, 0)
	}
	if got := stateOn(&c, evidence{}, .51, TicksPerLap, true); got != s || c.N() != 0 {
		t.Errorf("drops left a trace: %v", got.P())
	}
}

// TestWhatIsNotScoredIsLearnedFrom: two hundred statements that came true.
func TestWhatIsNotScoredIsLearnedFrom(t *testing.T) {
	for _, scored := range []bool{false, true} {
		var c Calibrator
		for range 200 {
			s := stateOn(&c, evidence{}, .5, 0, scored)
			c.Watch(s, 0)
			c.Settle(s, 0, 0, true)
		}
		if s := stateOn(&c, evidence{}, .5, 0, true); s.P() <= .6 || s.Base() < .9 {
			t.Errorf("scored %t: %v and a base rate of %v", scored, s.P(), s.Base())
		}
		if want := map[bool]int64{true: 200}[scored]; c.N() != want {
			t.Errorf("scored %t: %d scored, want %d", scored, c.N(), want)
		}
	}
}
