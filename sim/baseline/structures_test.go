package baseline_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/sim/baseline"
)

func TestSketchNeverUnderestimatesAndForgetsHalf(t *testing.T) {
	s := baseline.NewSketch(100)
	r := rand.New(rand.NewPCG(1, 0))
	asked := map[uint32]uint64{}
	for range 600 {
		id := uint32(r.IntN(1 + r.IntN(200)))
		s.Add(id)
		asked[id]++
	}
	exact := 0
	before := map[uint32]uint64{}
	for id := range uint32(200) {
		before[id] = s.Estimate(id)
		if before[id] < min(asked[id], 15) {
			t.Errorf("unit %d: estimate %d, asked for %d times", id, before[id], asked[id])
		}
		if before[id] == min(asked[id], 15) {
			exact++
		}
	}
	if exact < 150 {
		t.Errorf("%d of 200 estimates are exact", exact)
	}
	s.Halve()
	for id, was := range before {
		if got := s.Estimate(id); got != was/2 {
			t.Errorf("unit %d: estimate %d after %d was halved", id, got, was)
		}
	}
}

func TestSketchCountsNothingPastFifteen(t *testing.T) {
	s := baseline.NewSketch(1)
	for range 40 {
		s.Add(3)
	}
	if s.Estimate(3) != 15 || s.Counted() != 15 {
		t.Errorf("estimate %d, counted %d; want 15 both", s.Estimate(3), s.Counted())
	}
}

func TestClimberTurnsWhenItLosesAndRestartsWhenTheWorkloadChanges(t *testing.T) {
	c := baseline.NewClimber(1000)
	for i, s := range []struct{ hits, want int64 }{
		{50, -62}, // 0.5 after nothing: a large change
		{51, -62}, // better: on
		{51, -61}, // no worse: on, by 0.98 of the step
		{50, 60},  // worse: back, by less again
		{60, 58},  // a large change for the better,
		{60, 62},  // from which steps are long again
		{50, -61}, // a large change for the worse: back
		{50, -62},
	} {
		if got := c.Sample(s.hits, 100); got != s.want {
			t.Errorf("sample %d, %d %% hits: move by %d, want %d", i, s.hits, got, s.want)
		}
	}
}

func TestWindowGrowsIntoProtectedAndShrinksToOne(t *testing.T) {
	p := build(t, "wtinylfu", baseline.Config{Capacity: 100, IDs: 100})
	for range 2 { // 1 in the window, 79 hit in probation, 20 of those pushed back to it
		for id := range uint32(100) {
			if !p.Get(id) {
				p.Put(id, 1)
			}
		}
	}
	for _, move := range []struct {
		by   int64
		want baseline.Areas
	}{
		{0, baseline.Areas{Window: 1, WindowMax: 1, Probation: 20, Protected: 79, ProtectedMax: 79}},
		{9, baseline.Areas{Window: 10, WindowMax: 10, Probation: 20, Protected: 70, ProtectedMax: 70}},
		{1000, baseline.Areas{Window: 80, WindowMax: 80, Probation: 20}},
		{-30, baseline.Areas{Window: 50, WindowMax: 50, Probation: 50, ProtectedMax: 30}},
		{-1000, baseline.Areas{Window: 1, WindowMax: 1, Probation: 99, ProtectedMax: 79}},
	} {
		if d := cmp.Diff(move.want, baseline.MoveBorder(p, move.by)); d != "" {
			t.Errorf("border moved by %d (-want +got)\n%s", move.by, d)
		}
	}
}

func TestSharesOfTheCapacityAreRoundedDownFromDecimals(t *testing.T) {
	for _, c := range []struct {
		value          string
		capacity, want int64
	}{
		{"0.29", 100, 29}, {"0.1", 9, 0}, {"0.1", 19, 1}, {"0.9", 10, 9}, {"0.07", 100, 7}, {"1", 1 << 40, 1 << 40},
	} {
		cfg := baseline.Config{Capacity: c.capacity, Params: baseline.Params{"x": c.value}}
		if got, err := cfg.Share("x"); got != c.want || err != nil {
			t.Errorf("%s of %d: %d, %v; want %d", c.value, c.capacity, got, err, c.want)
		}
	}
}

func TestBitmapFindsTheLargestOfASet(t *testing.T) {
	for _, bound := range []int{0, 1, 64, 65, 4096, 4097, 300_000} {
		b := baseline.NewBitmap(bound)
		r := rand.New(rand.NewPCG(1, 0))
		set := map[uint32]bool{}
		for range min(bound*4, 4000) {
			n := uint32(r.IntN(bound))
			if r.IntN(2) == 0 {
				b.Add(n)
				set[n] = true
			} else {
				b.Remove(n)
				delete(set, n)
			}
			var largest uint32
			for n := range set {
				largest = max(largest, n)
			}
			if b.Empty() != (len(set) == 0) || (len(set) > 0 && b.Max() != largest) {
				t.Fatalf("bound %d: largest %d of %d", bound, largest, len(set))
			}
			if len(set) > 40 {
				b.Remove(largest)
				delete(set, largest)
			}
		}
		if len(set) == 0 && !b.Empty() {
			t.Errorf("bound %d: not empty", bound)
		}
	}
}
