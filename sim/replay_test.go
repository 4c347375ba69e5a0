package sim

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/seed"
	"github.com/foliocache/folio/workloads"
)

// event is one line of a trace: a read of a unit, or a write to the feed of that number.
type event struct {
	ms    uint32
	write bool
	id    uint32
	load  uint32 // µs
}

// traceOf builds a trace in which every unit is its own feed.
func traceOf(events ...event) *Trace {
	t := &Trace{Name: "test"}
	for _, e := range events {
		op := workloads.Read
		if e.write {
			op = workloads.Invalidate
		} else {
			t.reads++
		}
		t.ids, t.ops = append(t.ids, e.id), append(t.ops, uint8(op))
		t.times, t.loads = append(t.times, e.ms), append(t.loads, e.load)
		t.units = max(t.units, int(e.id)+1)
	}
	t.feedCount = t.units
	return t
}

// randomTrace has n requests of which some write; with a clock, loads take up to 50 ms.
func randomTrace(r *rand.Rand, n int, timed bool) *Trace {
	events := make([]event, n)
	for i := range events {
		events[i] = event{ms: uint32(i), write: r.IntN(12) == 0, id: uint32(r.ExpFloat64() * 60), load: r.Uint32N(50_000)}
	}
	t := traceOf(events...)
	if !timed {
		t.times = nil
	}
	t.sizes = make([]uint32, n)
	size := map[uint32]uint32{}
	for i, e := range events {
		if size[e.id] == 0 || e.write {
			size[e.id] = 50 + r.Uint32N(100)
		}
		t.sizes[i] = size[e.id]
	}
	return t
}

func policy(t testing.TB, text string) Policy {
	t.Helper()
	p, err := ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func size(t testing.TB, text string) Size {
	t.Helper()
	s, err := ParseSize(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func runOne(t testing.TB, trace *Trace, p, s string) Row {
	t.Helper()
	rows, err := Run(context.Background(), []Job{{Trace: trace, Policy: policy(t, p), Size: size(t, s), Seed: 1}}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows[0]
}

// everyPolicy lists all policies that a trace can be replayed with.
func everyPolicy() []string {
	var names []string
	for _, i := range Info() {
		names = append(names, i.Name)
	}
	return names
}

func TestNothingIsCountedTwiceAndNothingIsStale(t *testing.T) {
	for _, timed := range []bool{false, true} {
		r := seed.Random(t)
		trace := randomTrace(r, 8000, timed)
		for _, p := range append(everyPolicy(), "folio:arbiter=fixed", "folio:strategy=balanced", "folio:exact=5") {
			for _, s := range []string{"1", "7", "40", "4000B"} {
				if s == "4000B" && strings.HasPrefix(p, "folio") {
					p, _, _ = strings.Cut(p, ":")
					p += ":geometry=plain"
				}
				row := runOne(t, trace, p, s)
				if row.Hits+row.Misses != row.Requests || row.Requests != int64(trace.Reads()) {
					t.Errorf("%s at %s: %d hits, %d misses, %d requests of %d", p, s, row.Hits, row.Misses, row.Requests, trace.Reads())
				}
				if row.OriginQueries > row.Misses || !timed && row.OriginQueries != row.Misses {
					t.Errorf("%s at %s: %d queries for %d misses", p, s, row.OriginQueries, row.Misses)
				}
				if row.StaleServed != 0 {
					t.Errorf("%s at %s: %d stale reads", p, s, row.StaleServed)
				}
				if p != "none" && row.BytesPeak < max(1, row.BytesLive) {
					t.Errorf("%s at %s: a peak of %d, %d live at the end", p, s, row.BytesPeak, row.BytesLive)
				}
				if timed && (row.Revoked == 0 || row.OriginQueries == row.Misses) || !timed && row.Revoked != 0 {
					t.Errorf("%s at %s: %d loads revoked, %d of %d misses loaded", p, s, row.Revoked, row.OriginQueries, row.Misses)
				}
				if p != "unbounded" && !timed && row.Misses < runOne(t, trace, "unbounded", s).Misses {
					t.Errorf("%s at %s misses less than a cache without bound", p, s)
				}
			}
		}
	}
}

func TestWorkersDoNotChangeARow(t *testing.T) {
	r := seed.Random(t)
	trace := randomTrace(r, 4000, true)
	var jobs []Job
	for _, p := range everyPolicy() {
		for _, s := range []string{"5", "30"} {
			jobs = append(jobs, Job{Trace: trace, Policy: policy(t, p), Size: size(t, s), Seed: 3, Warmup: .1})
		}
	}
	one, err := Run(context.Background(), jobs, 1, nil)
	if err != nil || len(one) != len(jobs) {
		t.Fatal(len(one), err)
	}
	for i, row := range one {
		if row.Policy != jobs[i].Policy.Text || row.Requests >= int64(trace.Reads()) {
			t.Fatalf("row %d is of %s with %d requests", i, row.Policy, row.Requests)
		}
	}
	for _, workers := range []int{0, 2, 8} {
		rows, err := Run(context.Background(), jobs, workers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one, rows, cmp.AllowUnexported(Row{})); diff != "" {
			t.Errorf("%d workers: %s", workers, diff)
		}
	}
}

func TestACancelledRunKeepsWhatIsFinished(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	trace := randomTrace(rand.New(rand.NewPCG(1, 1)), 100, false)
	rows, err := Run(ctx, []Job{{Trace: trace, Policy: policy(t, "lru"), Size: size(t, "5")}}, 2, nil)
	if err == nil || len(rows) != 0 {
		t.Errorf("%d rows, error %v", len(rows), err)
	}
}

// counts are the numbers that the tests of the virtual clock look at.
type counts struct{ Hits, Misses, Queries, Revoked int64 }

// TestTheVirtualClock: loads take 10 ms; every cache sees the same, for nothing is evicted.
func TestTheVirtualClock(t *testing.T) {
	read := func(ms uint32) event { return event{ms: ms, id: 1, load: 10_000} }
	write := func(ms uint32) event { return event{ms: ms, id: 1, write: true} }
	for _, x := range []struct {
		name   string
		events []event
		want   counts
	}{
		{"misses meanwhile are coalesced", []event{read(1), read(2), read(10), read(11), read(12)}, counts{2, 3, 1, 0}},
		{"a write overtakes the fill", []event{read(1), write(5), read(20), read(40)}, counts{1, 2, 2, 1}},
		{"a reader after the write loads anew", []event{read(1), read(3), write(5), read(6), read(7), read(12), read(16), read(17)}, counts{2, 5, 2, 1}},
		{"a write after the fill outdates it", []event{read(1), write(12), read(13), read(30)}, counts{1, 2, 2, 0}},
		{"a write at the moment of landing comes after it", []event{read(1), write(11), read(12), read(30)}, counts{1, 2, 2, 0}},
		{"two writes overtake two loads", []event{read(1), write(2), read(3), write(4), read(5), read(15), read(16)}, counts{2, 3, 3, 2}},
	} {
		for _, p := range []string{"folio", "folio:strategy=aggressive", "lru", "s3fifo"} {
			row := runOne(t, traceOf(append(x.events, event{ms: 1000, id: 2, load: 1})...), p, "100")
			x := x
			x.want.Misses, x.want.Queries = x.want.Misses+1, x.want.Queries+1 // the last event keeps the clock going
			if diff := cmp.Diff(x.want, counts{row.Hits, row.Misses, row.OriginQueries, row.Revoked}); diff != "" {
				t.Errorf("%s, %s: %s", x.name, p, diff)
			}
			if row.StaleServed != 0 {
				t.Errorf("%s, %s: %d stale", x.name, p, row.StaleServed)
			}
		}
	}
}

// TestTimeToLive: loads take 10 ms and copies live for 50 ms from their start on.
func TestTimeToLive(t *testing.T) {
	read := func(ms uint32) event { return event{ms: ms, id: 1, load: 10_000} }
	trace := traceOf(read(0), read(20), read(49), read(50), read(99), read(100), read(200), event{ms: 1000, id: 2, load: 1})
	for _, p := range []string{"folio:early=0", "folio:early=0,strategy=aggressive", "lru", "s3fifo", "opt"} {
		rows, err := Run(context.Background(), []Job{{Trace: trace, Policy: policy(t, p), Size: size(t, "100"), TTL: 50 * time.Millisecond}}, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(counts{3, 5, 5, 0}, counts{rows[0].Hits, rows[0].Misses, rows[0].OriginQueries, rows[0].Revoked}); diff != "" {
			t.Errorf("%s: %s", p, diff)
		}
	}
}

func TestNothingIsServedPastItsTimeToLive(t *testing.T) {
	r := seed.Random(t)
	trace := randomTrace(r, 8000, true)
	const ttl = 60 * time.Millisecond
	for _, p := range append(everyPolicy(), "folio:exact=5") {
		for _, s := range []string{"7", "40"} {
			rows, err := Run(context.Background(), []Job{{Trace: trace, Policy: policy(t, p), Size: size(t, s), TTL: ttl}}, 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			if forever := runOne(t, trace, p, s); rows[0].StaleServed != 0 || p != "none" && s == "40" && rows[0].Hits >= forever.Hits {
				t.Errorf("%s at %s: %d stale reads; %d hits, %d if copies live for ever", p, s, rows[0].StaleServed, rows[0].Hits, forever.Hits)
			}
		}
	}
	p := &replay{trace: trace, cache: &liar{held: map[uint32]uint32{}, now: map[uint32]uint32{}}, checker: newChecker(trace, trace.units, ttl)}
	if err := p.run(context.Background(), nil); err != nil || p.row.StaleServed == 0 {
		t.Errorf("a cache that knows no time to live passes: %v", err)
	}
}

func TestWhoJoinsALoadWaitsForItsRest(t *testing.T) {
	var events []event
	for ms := range uint32(8) { // the first waits 8 ms, the k-th 8 - k
		events = append(events, event{ms: ms + 1, id: 1, load: 8000})
	}
	row := runOne(t, traceOf(events...), "folio", "10")
	if l := row.Latency; l == nil || l.P50 < 4*.94 || l.P50 > 4*1.06 || l.P99 < 8*.94 || l.P99 > 8*1.06 {
		t.Errorf("%+v", row.Latency)
	}
}

func TestQuantilesAreWithinSixPercent(t *testing.T) {
	r := seed.Random(t)
	for range 200 {
		var h histogram
		v := int64(1 + r.ExpFloat64()*float64(uint64(1)<<r.IntN(40)))
		h.add(v)
		if got := h.quantile(.5) * 1000; got < float64(v)*.94 || got > float64(v)*1.06 {
			t.Errorf("%d µs is told as %v", v, got)
		}
	}
}

// liar is a cache that holds everything and is careless in one way.
type liar struct {
	held        map[uint32]uint32 // unit to the version it was loaded at
	now         map[uint32]uint32
	neverChecks bool // serves whatever it holds
	keepsAll    bool // keeps fills that a write overtook, and says so
}

func (l *liar) lookup(r *read) (core.Action, core.Flight) {
	if v, ok := l.held[r.unit]; ok && (l.neverChecks || l.keepsAll || v == l.now[r.feed]) {
		return core.Serve, core.Flight{}
	}
	return core.Load, core.Flight{}
}

func (l *liar) complete(r *read, _ core.Flight) bool {
	if !l.keepsAll && r.version != l.now[r.feed] {
		return false
	}
	l.held[r.unit] = r.version
	return true
}

func (l *liar) invalidate(_ int64, feed uint32) {
	l.now[feed]++
	if l.keepsAll {
		delete(l.held, feed) // every unit is its own feed
	}
}

func (l *liar) bytes() int64 { return 0 }

func (l *liar) fill(*Row) {}

func TestTheCheckerCatchesACacheThat(t *testing.T) {
	r := seed.Random(t)
	trace := randomTrace(r, 20_000, true)
	for _, x := range []struct {
		name  string
		liar  liar
		stale bool
	}{
		{"does all right", liar{}, false},
		{"serves what is outdated", liar{neverChecks: true}, true},
		{"keeps fills that a write overtook", liar{keepsAll: true}, true},
	} {
		x.liar.held, x.liar.now = map[uint32]uint32{}, map[uint32]uint32{}
		p := &replay{trace: trace, cache: &x.liar, checker: newChecker(trace, trace.units, 0)}
		if err := p.run(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d stale of %d hits", x.name, p.row.StaleServed, p.row.Hits)
		if x.stale != (p.row.StaleServed > 0) || p.row.Hits == 0 {
			t.Errorf("%s: %d stale reads of %d", x.name, p.row.StaleServed, p.row.Hits)
		}
	}
}

// TestTheCheckerSeesACoreThatHearsOfNoWrite: the checker does not rely on the core's versions.
func TestTheCheckerSeesACoreThatHearsOfNoWrite(t *testing.T) {
	r := seed.Random(t)
	trace := randomTrace(r, 5000, false)
	j := Job{Trace: trace, Policy: policy(t, "folio"), Size: size(t, "50"), Seed: 1}
	c, _, err := j.cache()
	if err != nil {
		t.Fatal(err)
	}
	p := &replay{trace: trace, cache: deaf{c}, checker: newChecker(trace, trace.units, 0)}
	if err := p.run(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if p.row.StaleServed == 0 {
		t.Error("nothing found")
	}
}

// deaf is a cache that is told of no write.
type deaf struct{ cache }

func (deaf) invalidate(int64, uint32) {}

// TestKeysReplayAsAnyTrace: a trace of nothing but ids takes a path of its own; a column of load
// times that are all zero sends it down the other one.
func TestKeysReplayAsAnyTrace(t *testing.T) {
	r := seed.Random(t)
	var ids []uint32
	for range 3*checkEvery/2 + 7 {
		ids = append(ids, min(899, uint32(r.ExpFloat64()*200)))
	}
	trace := &Trace{Name: "test", ids: ids, reads: len(ids), units: 900, feedCount: 900}
	slow := &Trace{Name: "test", ids: ids, reads: len(ids), units: 900, feedCount: 900, loads: make([]uint32, len(ids))}
	for _, p := range everyPolicy() {
		for _, warmup := range []float64{0, .2, .8} {
			var rows [2]Row
			for i, tr := range []*Trace{trace, slow} {
				got, err := Run(context.Background(), []Job{{Trace: tr, Policy: policy(t, p), Size: size(t, "60"), Seed: 1, Warmup: warmup}}, 1, nil)
				if err != nil {
					t.Fatal(err)
				}
				rows[i] = got[0]
			}
			rows[1].Latency = nil
			if diff := cmp.Diff(rows[1], rows[0], cmp.AllowUnexported(Row{})); diff != "" {
				t.Errorf("%s, warm-up %v: %s", p, warmup, diff)
			}
		}
	}
}
