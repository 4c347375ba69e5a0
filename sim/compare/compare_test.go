package compare

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/seed"
	"github.com/foliocache/folio/sim"
)

// traffic is a world of which traces of a hundred blocks are drawn.
type traffic struct {
	points   float64 // what the head hits more than the base, in all traffic
	blocks   float64 // by how much blocks differ in that, as a standard deviation in points
	seeds    float64 // and seeds
	requests int64   // of a block
}

// draw returns both sides of so many seeds each.
func (w traffic) draw(r *rand.Rand, seeds int, paired bool) (base, head []sim.Row) {
	const blocks = 100
	common := make([]float64, blocks) // by block, whatever the seed
	for b := range common {
		common[b] = w.points + w.blocks*r.NormFloat64()
	}
	side := func(seed uint64, more bool) sim.Row {
		row := sim.Row{Trace: "t", Policy: "p", Size: 9, SizeUnit: "objects", Seed: seed}
		off := w.seeds * r.NormFloat64()
		for b := range blocks {
			points := 40 + off
			if more {
				points += common[b]
			}
			hits := int64(math.Round(points / 100 * float64(w.requests)))
			row.Parts.Requests = append(row.Parts.Requests, w.requests)
			row.Parts.Hits = append(row.Parts.Hits, hits)
			row.Requests += w.requests
			row.Hits += hits
		}
		row.Misses = row.Requests - row.Hits
		row.HitRatio = float64(row.Hits) / float64(row.Requests)
		return row
	}
	for s := range uint64(seeds) {
		base = append(base, side(s, false))
		if !paired {
			s += 100
		}
		head = append(head, side(s, true))
	}
	return base, head
}

func resultOf(rows []sim.Row) *sim.Result {
	return &sim.Result{Schema: sim.Schema, Complete: true, Traces: []sim.TraceInfo{{Name: "t", SHA256: "x", Requests: 100}}, Rows: rows}
}

// TestVerdictsAreHonest: of nothing it is seldom said that it is something, whatever blocks and seeds do; and of
// something mostly what it is.
func TestVerdictsAreHonest(t *testing.T) {
	const runs, alpha = 100, .05
	for _, test := range []struct {
		name   string
		world  traffic
		seeds  int
		paired bool
		worse  bool
	}{
		{"nothing, one seed", traffic{0, 2, 0, 1e6}, 1, true, false},
		{"nothing, but seeds differ", traffic{0, 1, .3, 1e6}, 5, true, false},
		{"nothing, but other seeds", traffic{0, 1, .3, 1e6}, 5, false, false},
		{"nothing, three seeds", traffic{0, .1, .3, 1e6}, 3, true, false},
		{"half a point", traffic{-.5, 1, .1, 1e6}, 5, false, true},
		{"half a point, one seed", traffic{-.5, 1, 0, 1e6}, 1, true, true},
	} {
		r, found, covered := seed.From(t, 1), map[Verdict]int{}, 0
		for range runs {
			base, head := test.world.draw(r, test.seeds, test.paired)
			result, err := Compare(resultOf(base), resultOf(head), Options{Alpha: alpha})
			if err != nil {
				t.Fatal(err)
			}
			row := result.Rows[0]
			found[row.Verdict]++
			if row.Between[0] <= test.world.points && test.world.points <= row.Between[1] {
				covered++
			}
		}
		t.Logf("%s: %v, %d of %d intervals hold the truth", test.name, found, covered, runs)
		if covered < runs*92/100 || covered == runs && test.seeds == 1 {
			t.Errorf("%s: %d of %d intervals hold the truth", test.name, covered, runs)
		}
		if n := found[Worse] + found[Better]; !test.worse && n > runs*8/100 || test.worse && found[Worse] < runs*9/10 {
			t.Errorf("%s: %v", test.name, found)
		}
	}
}

// TestSeedsWanted: as many seeds as are said to tell a difference mostly do so, and where blocks differ no
// number is named.
func TestSeedsWanted(t *testing.T) {
	compared := func(w traffic, r *rand.Rand, seeds int) Row {
		base, head := w.draw(r, seeds, false)
		result, err := Compare(resultOf(base), resultOf(head), Options{Alpha: .01})
		if err != nil {
			t.Fatal(err)
		}
		return result.Rows[0]
	}
	r, tried, told := seed.From(t, 3), 0, 0
	world := traffic{-.5, 1, .3, 1e6}
	for range 120 {
		row := compared(world, r, 5)
		if row.SeedsWanted > 0 && row.SeedsWanted <= 5 || row.Verdict != Undecided && row.SeedsWanted != 0 {
			t.Errorf("%s: %d seeds are wanted", row.Verdict, row.SeedsWanted)
		}
		if row.SeedsWanted > 0 {
			tried++
			if compared(world, r, row.SeedsWanted).Verdict == Worse {
				told++
			}
		}
	}
	t.Logf("told %d of %d", told, tried)
	if tried < 40 || told < tried*3/5 {
		t.Errorf("of %d that were undecided %d were told", tried, told)
	}
	for range 20 {
		if row := compared(traffic{0, 5, .3, 1e6}, r, 5); row.Verdict == Undecided && row.SeedsWanted > 0 && math.Abs(row.Points) < 1 {
			t.Errorf("%.2f points among blocks five apart: %d seeds", row.Points, row.SeedsWanted)
		}
	}
	// .5 points of hits, in all blocks, with a standard error of .2 over five seeds: (.2/.5)^2 * 5 * (2.845+.842)^2, of t with 20 degrees
	d := delta{hits: []float64{5, 5}, requests: []float64{1000, 1000}, seeds: .002, freedom: 8}
	if n := d.wanted(5, .01); n != 11 {
		t.Errorf("%d seeds are wanted", n)
	}
}

// TestManyRowsRaiseNoMoreAlarms: of forty rows without a difference none is said to be worse or better, but in a
// part of the comparisons.
func TestManyRowsRaiseNoMoreAlarms(t *testing.T) {
	const runs, alpha = 20, .05
	r, alarms := seed.From(t, 2), 0
	for range runs {
		var bases, heads []sim.Row
		for size := range int64(10) {
			base, head := traffic{0, 1, 0, 1e6}.draw(r, 1, true)
			base[0].Size, head[0].Size = size, size
			bases, heads = append(bases, base...), append(heads, head...)
		}
		result, err := Compare(resultOf(bases), resultOf(heads), Options{Alpha: alpha})
		if err != nil {
			t.Fatal(err)
		}
		if result.Verdict != Undecided {
			alarms++
		}
	}
	if alarms > 3 {
		t.Errorf("%d alarms in %d comparisons", alarms, runs)
	}
}

// TestManyClearRowsAreTold: however many rows are judged together, what is clear in each of them is said.
func TestManyClearRowsAreTold(t *testing.T) {
	r := seed.From(t, 5)
	for _, seeds := range []int{1, 5} {
		var bases, heads []sim.Row
		for size := range int64(120) {
			base, head := traffic{-10, 1, .1, 1e6}.draw(r, seeds, true)
			for i := range base {
				base[i].Size, head[i].Size = size, size
			}
			bases, heads = append(bases, base...), append(heads, head...)
		}
		result, err := Compare(resultOf(bases), resultOf(heads), Options{Alpha: .01, FailOn: Regress})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range result.Rows {
			if row.Verdict != Worse || !result.Fails(&row) {
				t.Fatalf("%d seeds: %+.2f points are %s, p = %g", seeds, row.Points, row.Verdict, row.P)
			}
		}
	}
}

// TestTheTailIsThatOfTheDraws: where draws are still to be counted, the formula that stands for them elsewhere says the same.
func TestTheTailIsThatOfTheDraws(t *testing.T) {
	r := seed.From(t, 6)
	looked := 0
	for i := range 40 {
		world := []traffic{{.3, 1, .1, 1e6}, {.8, .1, .5, 1e6}}[i%2] // blocks differ, or seeds
		base, head := world.draw(r, 5, false)
		d := difference(base, head)
		if _, p := d.outlook(.01); p > .005 && p < .2 {
			if looked++; d.tail() < p/2 || d.tail() > p*2 {
				t.Errorf("%+v: %g of draws, %g by the formula", world, p, d.tail())
			}
		}
	}
	if looked < 10 {
		t.Errorf("only %d were looked at", looked)
	}
}

// TestWhatTheHeadLacks fails, unless nothing is to.
func TestWhatTheHeadLacks(t *testing.T) {
	base, head := traffic{0, 1, 0, 100}.draw(seed.Random(t), 1, true)
	more := base[0]
	more.Size = 10
	for on, want := range map[FailOn]bool{Regress: true, Change: true, Never: false} {
		r, err := Compare(resultOf([]sim.Row{base[0], more}), resultOf(head), Options{Alpha: .05, FailOn: on})
		if err != nil {
			t.Fatal(err)
		}
		if r.Lacks() != want || len(r.Missing) != 1 || len(r.New) != 0 {
			t.Errorf("%s: %v is missing, %v", on, r.Missing, r.Lacks())
		}
	}
	r, err := Compare(resultOf(base), resultOf([]sim.Row{head[0], more}), Options{Alpha: .05, FailOn: Change})
	if err != nil || r.Lacks() || len(r.New) != 1 {
		t.Errorf("%v, %v", err, r)
	}
}

// TestAChangedSettingIsCompared: what is left of a kind of policies on both sides is one pair, if it is one of each.
func TestAChangedSettingIsCompared(t *testing.T) {
	rows := func(policies ...string) *sim.Result {
		base, _ := traffic{0, 1, 0, 100}.draw(seed.From(t, 1), 1, true)
		var all []sim.Row
		for _, p := range policies {
			base[0].Policy = p
			all = append(all, base[0])
		}
		return resultOf(all)
	}
	for _, test := range []struct {
		base, head *sim.Result
		match      []string
		want       string
	}{
		{rows("lru", "folio"), rows("lru", "folio:widen=0"), nil, "lru>lru folio>folio:widen=0"},
		{rows("folio:widen=2", "lru"), rows("lru", "folio:widen=0"), nil, "folio:widen=2>folio:widen=0 lru>lru"},
		{rows("lru", "folio:a"), rows("lru", "folio:b", "folio:c"), nil, "lru>lru"},
		{rows("lru", "folio:a"), rows("lru", "folio:b", "folio:c"), []string{"folio:a=folio:c"}, "lru>lru folio:a>folio:c"},
		{rows("folio", "fifo"), rows("folio", "lru"), nil, "folio>folio"},
	} {
		r, err := Compare(test.base, test.head, Options{Alpha: .05, Match: test.match})
		if err != nil {
			t.Fatal(err)
		}
		var pairs []string
		for _, row := range r.Rows {
			pairs = append(pairs, row.Policy+">"+row.Head)
		}
		if got := strings.Join(pairs, " "); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

// TestStaleReadsAreWorse: those of the head, where the base has none, whatever else is better.
func TestStaleReadsAreWorse(t *testing.T) {
	base, head := traffic{5, .1, 0, 1e6}.draw(seed.Random(t), 1, true)
	for _, test := range []struct {
		base, head int64
		want       Verdict
	}{{0, 1, Worse}, {1, 1, Better}, {0, 0, Better}} {
		base[0].StaleServed, head[0].StaleServed = test.base, test.head
		r, err := Compare(resultOf(base), resultOf(head), Options{Alpha: .05})
		if err != nil {
			t.Fatal(err)
		}
		if r.Rows[0].Verdict != test.want || r.Verdict != test.want {
			t.Errorf("%d and %d stale reads: %s, in all %s", test.base, test.head, r.Rows[0].Verdict, r.Verdict)
		}
	}
}

// TestOneTraceTwice: it has two names, and rows of both.
func TestOneTraceTwice(t *testing.T) {
	base, _ := traffic{0, 1, 0, 100}.draw(seed.Random(t), 1, true)
	r := resultOf(append(base, base[0]))
	r.Traces = append(r.Traces, r.Traces[0])
	r.Traces[1].Name, r.Rows[1].Trace = "t#2", "t#2"
	if c, err := Compare(r, r, Options{Alpha: .05}); err != nil || len(c.Rows) != 2 || c.Verdict != Same {
		t.Errorf("%v, %v", c, err)
	}
}

// TestHolm: his procedure on four rows, by hand.
func TestHolm(t *testing.T) {
	r := &Result{Alpha: .05, Rows: []Row{
		{P: .01, Points: 1, Verdict: Undecided}, {P: .04, Points: 1, Verdict: Undecided}, {P: .03, Points: -1, Verdict: Undecided}, {P: .005, Points: -1, Verdict: Undecided},
		{P: 1, Verdict: Same}}}
	r.judge()
	want := []Row{{P: .03, Points: 1, Verdict: Better}, {P: .06, Points: 1, Verdict: Undecided}, {P: .06, Points: -1, Verdict: Undecided}, {P: .02, Points: -1, Verdict: Worse}, {P: 1, Verdict: Same}}
	if diff := cmp.Diff(want, r.Rows); diff != "" {
		t.Error(diff)
	}
	if r.Verdict != Worse {
		t.Errorf("in all: %s", r.Verdict)
	}
}

func TestComparisonSumsUp(t *testing.T) {
	row := func(seed uint64, hits, deep int64) sim.Row {
		return sim.Row{Trace: "t", Policy: "p", Size: 9, SizeUnit: "objects", Seed: seed, Requests: 100, Hits: hits, Misses: 100 - hits, HitRatio: float64(hits) / 100, OriginQueries: 100 - hits,
			Parts: sim.Parts{Requests: []int64{50, 50}, Hits: []int64{hits / 2, hits - hits/2}}, Classes: map[string]sim.Class{"page1": {Requests: 60, Hits: hits - deep}, "deeper": {Requests: 40, Hits: deep}}}
	}
	r, err := Compare(resultOf([]sim.Row{row(1, 40, 10), row(2, 42, 10)}), resultOf([]sim.Row{row(2, 41, 4), row(1, 39, 4)}), Options{Alpha: .05})
	if err != nil {
		t.Fatal(err)
	}
	got := r.Rows[0]
	if got.Seeds != 2 || got.From.Hits != 82 || got.To.Hits != 80 || got.From.Misses != 118 || got.To.OriginQueries != 120 || math.Abs(got.Points+1) > 1e-9 {
		t.Errorf("%+v", got)
	}
	want := map[string]Class{"page1": {120, 120, 62, 72, 100. / 12}, "deeper": {80, 80, 20, 8, -15}}
	if diff := cmp.Diff(want, got.Classes, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); diff != "" {
		t.Error(diff)
	}
	if len(r.Pairs) != 2 || r.Pairs[0].Base.Seed != r.Pairs[0].Head.Seed {
		t.Errorf("%+v", r.Pairs)
	}
}

func TestWhatCannotBeComparedIsAnError(t *testing.T) {
	base, _ := traffic{0, 1, 0, 100}.draw(seed.Random(t), 1, true)
	other := resultOf(base)
	other.Traces = []sim.TraceInfo{{Name: "t", SHA256: "y", Requests: 100}}
	if _, err := Compare(resultOf(base), other, Options{Alpha: .05}); !errors.Is(err, ErrTraces) {
		t.Errorf("another trace: %v", err)
	}
	if _, err := Compare(resultOf(base), &sim.Result{Schema: sim.Schema}, Options{Alpha: .05}); !errors.Is(err, ErrTraces) {
		t.Errorf("no trace: %v", err)
	}
	if _, err := Compare(resultOf(base), resultOf(base), Options{Alpha: .05, Match: []string{"p=q"}}); !errors.Is(err, sim.ErrConfig) {
		t.Errorf("no such policy: %v", err)
	}
	if _, err := Compare(resultOf(base), resultOf(append(base, base[0])), Options{Alpha: .05}); !errors.Is(err, sim.ErrConfig) {
		t.Errorf("another number of seeds: %v", err)
	}
	longer, _ := traffic{0, 1, 0, 101}.draw(seed.Random(t), 1, true)
	if _, err := Compare(resultOf(base), resultOf(longer), Options{Alpha: .05}); !errors.Is(err, sim.ErrConfig) {
		t.Errorf("other requests: %v", err)
	}
}

// TestARenamedTraceIsOne: the head's rows are told of by the base's name.
func TestARenamedTraceIsOne(t *testing.T) {
	rows := func(trace string) []sim.Row {
		return []sim.Row{{Trace: trace, Policy: "p", SizeUnit: "objects", Size: 10, Requests: 10, Hits: 5, Misses: 5, HitRatio: .5}}
	}
	base, head := resultOf(rows("t")), resultOf(rows("renamed"))
	head.Traces[0].Name = "renamed"
	r, err := Compare(base, head, Options{Alpha: .05})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 1 || len(r.Pairs) != 1 || r.Pairs[0].Head.Trace != "t" {
		t.Errorf("rows %+v, pairs %+v", r.Rows, r.Pairs)
	}
}
