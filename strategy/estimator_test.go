package strategy

import (
	"fmt"
	"slices"
	"testing"

	"github.com/foliocache/folio/internal/seed"
)

// watch is an estimate whose outcome is not known yet.
type watch struct {
	id    Cell
	start uint32
}

// conclude closes a watch with its outcome.
func conclude(e *Estimator, id Cell, start uint32, asked bool) {
	e.Drop(id, start)
	e.Learn(id, asked)
}

// evidence is what is known of a unit at a moment.
type evidence struct {
	Moment        Moment
	Depth, Hazard uint8
	Freq          uint8
	Hits          uint8
	Credit        uint8
	Earlier       bool
	Age           uint8
}

func (e evidence) cell() Cell {
	switch c := ClassOf(e.Depth, e.Hazard); e.Moment {
	case Fill:
		return c.Fill(e.Freq, e.Hits, e.Age, e.Earlier)
	case LeaveProbation:
		return c.LeaveProbation(e.Freq, e.Hits, e.Age)
	case MainTail:
		return c.MainTail(e.Freq, e.Credit, e.Age, e.Earlier)
	}
	return Unestimated
}

// stateOn states an estimate made on some evidence.
func stateOn(c *Calibrator, e evidence, p float64, now uint32, scored bool) Statement {
	return c.State(e.Moment, ClassOf(e.Depth, e.Hazard), e.Freq, e.Credit, p, now, scored)
}

// estimate asks an estimator and returns the probability and the watch to open.
func estimate(e *Estimator, ev evidence, now uint32) (p float64, w watch) {
	return e.Sober(ev.cell(), now), watch{ev.cell(), now}
}

// evidences are cells of all moments.
func evidences(yield func(evidence) bool) {
	for m := range moments {
		for depth := range uint8(Depths) {
			for hazard := range uint8(hazards) {
				for freq := range uint8(16) {
					for rest := range 16 * 4 * 5 * 2 {
						hits, credit, age, earlier := uint8(rest&15), uint8(rest>>4&3), uint8(rest>>6%5), rest>>6/5 > 0
						if !yield(evidence{m, depth, hazard, freq, hits, credit, earlier, age}) {
							return
						}
					}
				}
			}
		}
	}
}

func TestCellsOfDifferentMomentsAndClassesNeverMeet(t *testing.T) {
	type kind struct {
		m             Moment
		depth, hazard uint8
	}
	owner := map[Cell]kind{}
	for e := range evidences {
		k := kind{e.Moment, e.Depth, e.Hazard}
		c := e.cell()
		if c >= Cells {
			t.Fatalf("%+v: cell %d", e, c)
		}
		if o, ok := owner[c]; ok && o != k {
			t.Fatalf("cell %d is of %+v and of %+v", c, o, k)
		}
		owner[c] = k
	}
}

// TestEveryEvidenceTells: each level of each has cells of its own.
func TestEveryEvidenceTells(t *testing.T) {
	cells := map[Moment]map[Cell]bool{Fill: {}, LeaveProbation: {}, MainTail: {}}
	for e := range evidences {
		if e.Depth == 3 && e.Hazard == 1 {
			cells[e.Moment][e.cell()] = true
		}
	}
	for m, want := range map[Moment]int{Fill: 4 * 4 * 4 * 2, LeaveProbation: 4 * 8 * 4, MainTail: 4 * 4 * 5 * 2} {
		if len(cells[m]) != want {
			t.Errorf("moment %d: %d cells, want %d", m, len(cells[m]), want)
		}
	}
}

// TestFrequenciesAreCutWhereTheyTellMost: where a level of each moment ends and the next begins.
func TestFrequenciesAreCutWhereTheyTellMost(t *testing.T) {
	for m, cuts := range map[Moment][]uint8{Fill: {2, 3, 5}, LeaveProbation: {2, 3, 5}, MainTail: {4, 6, 10}} {
		for freq := uint8(1); freq < 16; freq++ {
			differ := evidence{Moment: m, Freq: freq}.cell() != evidence{Moment: m, Freq: freq - 1}.cell()
			if differ != slices.Contains(cuts, freq) {
				t.Errorf("moment %d: frequencies %d and %d have different cells: %t", m, freq-1, freq, differ)
			}
		}
	}
}

func TestClassIsDepthAndHazard(t *testing.T) {
	for depth := range uint8(Depths) {
		for hazard := range uint8(hazards) {
			if c := ClassOf(depth, hazard); c.Depth() != depth || c.Hazard() != hazard {
				t.Errorf("depth %d, hazard %d: class %d is of %d and %d", depth, hazard, c, c.Depth(), c.Hazard())
			}
		}
	}
}

func TestEstimatorIsTotal(t *testing.T) {
	var e Estimator
	for ev := range evidences {
		p, w := estimate(&e, ev, 7)
		if bright := e.Confidence(w.id); p < 0 || p > 1 || bright < p {
			t.Fatalf("%+v: %v, %v on the bright side", ev, p, bright)
		}
	}
}

func TestEstimatorLearnsABernoulliPerCell(t *testing.T) {
	r := seed.Random(t)
	truth := map[uint8]float64{0: .1, 1: .35, 2: .6, 3: .9} // by age: four cells
	var e Estimator
	var c Calibrator
	for i := range 40_000 {
		ev := evidence{Moment: Fill, Age: uint8(i % 4)}
		p, w := estimate(&e, ev, 0)
		stated := stateOn(&c, ev, p, 0, true)
		e.Watch(w.id, w.start)
		c.Watch(stated, 0)
		asked := r.Float64() < truth[ev.Age]
		conclude(&e, w.id, w.start, asked)
		c.Settle(stated, 0, 0, asked)
	}
	for age, p := range truth {
		// Decay .9995 leaves some 1,000 to 2,000 outcomes: a deviation of at most .016.
		if got, _ := estimate(&e, evidence{Moment: Fill, Age: age}, 0); !near(got, p, .07) {
			t.Errorf("age %d: %v, want %v", age, got, p)
		}
	}
	if c.ECE() > .03 || c.Skill() < .2 {
		t.Errorf("ECE %v, skill %v", c.ECE(), c.Skill())
	}
	if got, _ := estimate(&e, evidence{Moment: LeaveProbation, Hits: 1}, 0); !near(got, .5, .1) {
		t.Errorf("a cell without outcomes moved to %v", got)
	}
}

func TestCellFollowsAChange(t *testing.T) {
	r := seed.Random(t)
	var e Estimator
	learn := func(p float64) {
		for range 10_000 {
			_, w := estimate(&e, evidence{}, 0)
			e.Watch(w.id, w.start)
			conclude(&e, w.id, w.start, r.Float64() < p)
		}
	}
	learn(.9)
	learn(.1)
	if got, _ := estimate(&e, evidence{}, 0); got > .4 {
		t.Errorf("still states %v", got)
	}
}

// TestPriorIsWorthFourOutcomes: prior one half, then noes: 2/(4+n).
func TestPriorIsWorthFourOutcomes(t *testing.T) {
	var c cell
	for n := range 12 {
		if got, want := c.estimate(.5, 0), 2/(4+float64(n)); !near(got, want, 1e-2) {
			t.Errorf("after %d noes: %v, want %v", n, got, want)
		}
		c.settle(false)
	}
}

// TestTalliesNeverOverflow: one outcome more than a tally counts.
func TestTalliesNeverOverflow(t *testing.T) {
	full := tally{allYes: mostOutcomes / 10, all: mostOutcomes}
	full.settle(false)
	if got := full.always(.5, priorWeight, 0); !near(got, .1, 1e-6) || full.all > mostOutcomes/2+1 {
		t.Errorf("%v of %d outcomes", got, full.all)
	}
}

func TestPriorsFollowTheDesign(t *testing.T) {
	for _, x := range []struct {
		ev   evidence
		want float64
	}{
		{evidence{Moment: Fill}, .5},
		{evidence{Moment: Fill, Depth: 4}, .50},
		{evidence{Moment: Fill, Depth: 5}, .30},
		{evidence{Moment: LeaveProbation, Depth: 5, Hits: 2}, .75},
		{evidence{Moment: LeaveProbation, Depth: 1, Hits: 2}, .95},
		{evidence{Moment: LeaveProbation, Depth: 1, Age: 4}, .95 * .4},
		{evidence{Moment: MainTail, Depth: 3, Age: 3}, .70},
		{evidence{Moment: MainTail, Depth: 3, Age: 4}, .70 * .4},
	} {
		if got := x.ev.cell().prior(); !near(got, x.want, 1e-9) {
			t.Errorf("%+v: %v, want %v", x.ev, got, x.want)
		}
	}
	kept, dropped := evidence{Moment: LeaveProbation, Hits: 1}, evidence{Moment: LeaveProbation}
	if dropped.cell().prior() >= kept.cell().prior() {
		t.Error("a stay without a hit is no worse than one with")
	}
}

// TestEarlyYesesDoNotDeceive: yes comes at once, no only after a lap. After half a lap only
// yeses are known; what is open counts as half a no.
func TestEarlyYesesDoNotDeceive(t *testing.T) {
	for _, p := range []float64{.1, .3, .5} {
		t.Run(fmt.Sprintf("p=%v", p), func(t *testing.T) {
			var e Estimator
			n := 2000
			for i := range n { // statements spread evenly over a lap, of which half is over
				start := uint32(i) * TicksPerLap / 2 / uint32(n)
				_, w := estimate(&e, evidence{}, start)
				e.Watch(w.id, w.start)
				if float64(i%100) < p*100 {
					conclude(&e, w.id, w.start, true)
				}
			}
			// What is open has survived a quarter of a lap on average: yes/(yes + open/4), where
			// the outcomes alone would say 1.
			c := e.cell(0)
			got := c.estimate(.5, c.exposure(TicksPerLap/2))
			if want := p / (p + (1-p)/4); !near(got, want, .04) {
				t.Errorf("after half a lap %v, want %v", got, want)
			}
			// After three quarters of a lap without news the estimate nears the truth.
			later := c.estimate(.5, c.exposure(TicksPerLap))
			if want := p / (p + (1-p)*3/4); later >= got || !near(later, want, .04) {
				t.Errorf("later %v, want %v and less than %v", later, want, got)
			}
		})
	}
}

// TestDelayedNoesAreCountedInTime: a steady stream in which yes comes at a random time of the
// lap and no at its end. From half a lap on, what is stated is near the truth; without
// exposure it would state 1 until the first lap is over.
func TestDelayedNoesAreCountedInTime(t *testing.T) {
	r := seed.Random(t)
	const p, laps, perTick = .3, 3, 2
	var e Estimator
	due := make([][]watch, (laps+1)*TicksPerLap+1)
	for now := range uint32(laps * TicksPerLap) {
		for _, w := range due[now] {
			conclude(&e, w.id, w.start, w.start+TicksPerLap != now)
		}
		for range perTick {
			stated, w := estimate(&e, evidence{}, now)
			switch {
			case now == TicksPerLap/2 && !near(stated, p, .17), now > 3*TicksPerLap/2 && now%64 == 0 && !near(stated, p, .12):
				t.Fatalf("tick %d: states %v, the truth is %v", now, stated, p)
			}
			e.Watch(w.id, w.start)
			end := now + TicksPerLap
			if r.Float64() < p {
				end = now + 1 + r.Uint32N(TicksPerLap-1)
			}
			due[end] = append(due[end], w)
		}
	}
}

func TestDropLeavesNoTrace(t *testing.T) {
	r := seed.Random(t)
	var e, clean Estimator
	for i := range 3000 {
		now := uint32(i)
		ev := evidence{Moment: Moment(r.IntN(3)), Freq: uint8(r.IntN(16)), Hits: uint8(r.IntN(4))}
		p, w := estimate(&e, ev, now)
		e.Watch(w.id, w.start)
		if i%3 != 0 {
			e.Drop(w.id, w.start)
			continue
		}
		if want, _ := estimate(&clean, ev, now); p != want {
			t.Fatalf("estimate %d: %v, without the dropped ones %v", i, p, want)
		}
		asked := r.IntN(2) == 0
		conclude(&e, w.id, w.start, asked)
		clean.Watch(w.id, w.start)
		conclude(&clean, w.id, w.start, asked)
	}
}

func TestExposureGrowsOnlyWhileAWatchIsOpen(t *testing.T) {
	var e Estimator
	before, w := estimate(&e, evidence{}, 100)
	e.Watch(w.id, w.start)
	if p, _ := estimate(&e, evidence{}, 100); p != before {
		t.Errorf("from %v to %v in no time", before, p)
	}
	if p, _ := estimate(&e, evidence{}, 100+TicksPerLap); p >= before {
		t.Errorf("a lap without a request counts for nothing: %v", p)
	}
	e.Drop(w.id, w.start)
	if p, _ := estimate(&e, evidence{}, 100+TicksPerLap); p != before {
		t.Errorf("after the drop %v, want %v", p, before)
	}
}

// TestAdoptTakesOutcomesAndLeavesWatches: what was learned changes hands, what is open does not.
func TestAdoptTakesOutcomesAndLeavesWatches(t *testing.T) {
	var from, to Estimator
	yes, other := evidence{Moment: Fill}, evidence{Moment: Fill, Depth: 3}
	for range 100 {
		_, w := estimate(&from, yes, 0)
		from.Watch(w.id, 0)
		conclude(&from, w.id, 0, true)
		_, w = estimate(&to, other, 0)
		to.Watch(w.id, 0)
		conclude(&to, w.id, 0, false)
	}
	from.Watch(yes.cell(), 5)
	to.Watch(yes.cell(), 7)
	to.Watch(other.cell(), 9)
	to.Adopt(&from)
	for _, ev := range []evidence{yes, other} {
		want := from.Confidence(ev.cell())
		if got := to.Confidence(ev.cell()); got != want {
			t.Errorf("%+v: %v, want %v", ev, got, want)
		}
	}
	for id, start := range map[Cell]float64{yes.cell(): 7, other.cell(): 9} {
		if n, starts := to.Open(id); n != 1 || starts != start {
			t.Errorf("cell %d: %d open from %v, want 1 from %v", id, n, starts, start)
		}
	}
}
