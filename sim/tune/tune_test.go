package tune

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/sim"
)

// world is a simulator that knows what every setting is worth: in points of the hit ratio, before the held-out parts and in
// them, and of the origin's time.
type world struct {
	early, late, cost map[string]float64
	stale             map[string]int64 // reads in all; of the defaults by ""
	replayed          [][]string       // by call
	most              int              // calls; then there is no time; 0: no bound
}

func (w *world) replay(_ context.Context, _, seed int, all []Candidate) ([]sim.Row, error) {
	if w.most > 0 && len(w.replayed) == w.most {
		return nil, nil
	}
	var rows []sim.Row
	var names []string
	for _, c := range all {
		row := sim.Row{Trace: "t", Policy: c.Policy(), Seed: uint64(seed), OriginMS: 1e6, Parts: sim.Parts{Requests: make([]int64, sim.PartCount), Hits: make([]int64, sim.PartCount)}}
		for part := range sim.PartCount {
			worth := w.early
			if part >= 70 {
				worth = w.late
			}
			hits := 5000. + float64(part%3)
			for _, s := range c {
				hits += 100 * worth[s.Value]
				row.OriginMS += w.cost[s.Value] / sim.PartCount
				row.StaleServed = w.stale[s.Value]
			}
			if len(c) == 0 {
				row.StaleServed = w.stale[""]
			}
			row.Parts.Requests[part], row.Parts.Hits[part] = 10_000, int64(hits)
			row.Requests, row.Hits = row.Requests+10_000, row.Hits+int64(hits)
		}
		rows, names = append(rows, row), append(names, c.String())
	}
	w.replayed = append(w.replayed, names)
	return rows, nil
}

func find(t *testing.T, w *world, levels int, knobs ...Knob) *Found {
	t.Helper()
	f, err := Search(t.Context(), Options{Knobs: knobs, Levels: levels, Seeds: 2, Alpha: .01, Limits: Limits{Origin: .02, Stale: .01}, Replay: w.replay})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var rule, ahead, third = Knob{"rule", []string{"strategy=a", "strategy=b", "strategy=c"}}, Knob{"ahead", []string{"budget=0.3", "prewarm=false"}}, Knob{"third", []string{"x=1"}}

// TestTheBestOfEachKnobTogetherIsFound: on one level and on three, with what each setting adds and what the others would.
func TestTheBestOfEachKnobTogetherIsFound(t *testing.T) {
	for levels := 1; levels <= 3; levels++ {
		worth := map[string]float64{"strategy=a": 1, "strategy=b": 3, "strategy=c": -2, "budget=0.3": 2, "x=1": -1}
		w := &world{early: worth, late: worth}
		f := find(t, w, levels, ahead, rule, third)
		if f.Policy != "folio:budget=0.3,strategy=b" || !f.Complete || f.HeldOut.Verdict != "better" {
			t.Errorf("%d levels: %s, %s: %+v", levels, f.Policy, f.Why, f.HeldOut)
		}
		if f.HeldOut.Points < 4.9 || f.HeldOut.Points > 5.1 || f.Whole.Points < 4.9 || f.Whole.Points > 5.1 {
			t.Errorf("%d levels: %g points held out, %g in all", levels, f.HeldOut.Points, f.Whole.Points)
		}
		points := func(all []Worth) (p []int) {
			for _, one := range all {
				p = append(p, int(one.Points*1.001+.5*one.Points/max(one.Points, -one.Points)))
			}
			return p
		}
		if !slices.Equal(points(f.Sets), []int{2, 3}) || !slices.Equal(points(f.Others), []int{-1}) || f.Others[0].Share != Share(0, levels) {
			t.Errorf("%d levels: sets %+v, others %+v", levels, f.Sets, f.Others)
		}
		if first := w.replayed[0]; levels > 1 && len(w.replayed[1]) >= len(first) {
			t.Errorf("%d levels: all %d candidates reach the second one", levels, len(first))
		}
	}
}

// TestWhatDoesNotHoldIsNotRecommended: what only the first part likes, what the origin pays for, what there was no time to judge.
func TestWhatDoesNotHoldIsNotRecommended(t *testing.T) {
	worth := map[string]float64{"strategy=b": 3}
	for name, test := range map[string]struct {
		w        world
		why      string
		complete bool
	}{
		"only early": {world{early: worth, late: map[string]float64{"strategy=b": -1}}, "not on the held-out end", true},
		"dear":       {world{early: worth, late: worth, cost: map[string]float64{"strategy=b": 3e6}}, "nothing that was tried", true},
		"no time":    {world{early: worth, late: worth, most: 2}, "no time to judge strategy=b", false},
		"none":       {world{}, "nothing that was tried", true},
	} {
		f := find(t, &test.w, 2, rule)
		if f.Policy != "folio" || len(f.Best) > 0 || !strings.Contains(f.Why, test.why) || f.Complete != test.complete {
			t.Errorf("%s: %s (%v), complete %v", name, f.Policy, f.Why, f.Complete)
		}
	}
}

// TestManyGoodValuesOfOneKnobLeaveRoomForTheOthers: what is best together is tried, however many of one knob are better.
func TestManyGoodValuesOfOneKnobLeaveRoomForTheOthers(t *testing.T) {
	many, worth := Knob{Name: "many"}, map[string]float64{"budget=0.3": 1}
	for i := range 12 {
		v := fmt.Sprint("strategy=", i)
		many.Values, worth[v] = append(many.Values, v), 2+float64(i)/10
	}
	for levels := 1; levels <= 3; levels++ {
		if f := find(t, &world{early: worth, late: worth}, levels, many, ahead); f.Policy != "folio:strategy=11,budget=0.3" {
			t.Errorf("%d levels: %s, %s", levels, f.Policy, f.Why)
		}
	}
}

// TestWhatIsTooStaleIsNoDefault: fewer hits are what fewer stale reads take; what is too stale itself is none.
func TestWhatIsTooStaleIsNoDefault(t *testing.T) {
	life := Knob{"ttl", []string{"ttl=10s", "ttl=100s", "ttl=1000s"}}
	worth := map[string]float64{"ttl=10s": -30, "ttl=100s": -10, "ttl=1000s": -1}
	cost := map[string]float64{"ttl=10s": 3e8, "ttl=100s": 1e8} // what is loaded more often costs more
	w := &world{early: worth, late: worth, cost: cost, stale: map[string]int64{"": 300_000, "ttl=1000s": 100_000, "ttl=100s": 9_000, "ttl=10s": 1_000}}
	if f := find(t, w, 2, life); f.TTL != "100s" || !strings.Contains(f.Why, "the defaults are stale") {
		t.Errorf("%s: %s", f.TTL, f.Why)
	}
	w.stale["ttl=100s"], w.stale["ttl=10s"] = 50_000, 20_000
	if f := find(t, w, 2, life); len(f.Best) > 0 || !strings.Contains(f.Why, "all that was tried") {
		t.Errorf("%s: %s", f.Best, f.Why)
	}
}

// TestSomethingDearIsSaidToBe: a knob of which all values cost too much is told as such.
func TestSomethingDearIsSaidToBe(t *testing.T) {
	worth := map[string]float64{"budget=0.3": 5, "prewarm=false": 4}
	f := find(t, &world{early: worth, late: worth, cost: map[string]float64{"budget=0.3": 3e6, "prewarm=false": 3e6}}, 1, ahead)
	want := []Worth{{Set{"ahead", "budget=0.3"}, 5, 1, true}}
	if diff := cmp.Diff(want, f.Others, cmp.Comparer(func(a, b float64) bool { return a-b < .01 && b-a < .01 })); diff != "" {
		t.Error(diff)
	}
}

func TestATimeToLiveIsNoParameterOfThePolicy(t *testing.T) {
	c := Candidate{{"rule", "strategy=a"}, {"ttl", "ttl=30s"}}
	if c.Policy() != "folio:strategy=a" || c.TTL() != "30s" || Candidate(nil).Policy() != "folio" {
		t.Errorf("%s, %s", c.Policy(), c.TTL())
	}
}
