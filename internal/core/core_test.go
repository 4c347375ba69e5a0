package core

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/arena"
)

func newCore(t testing.TB, c arena.Config) *Core {
	t.Helper()
	a, err := arena.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return New(a, Config{Epoch: 7})
}

// roomy is a core in which nothing is evicted.
func roomy(t testing.TB) *Core { return newCore(t, arena.Config{Geometry: arena.Plain(1000)}) }

func q(key uint64, feed Tag, tags ...Tag) Query { return Query{Key: key, Feed: feed, Tags: tags} }

// load answers a read that must be a load, and lands it.
func load(t *testing.T, c *Core, q Query) {
	t.Helper()
	loadFor(t, c, q, 0)
}

// loadFor does so for a copy with a time to live.
func loadFor(t *testing.T, c *Core, q Query, ttl int64) {
	t.Helper()
	a := want(t, c, q, Load)
	if !c.Complete(a.Flight, Loaded{Query: q, Size: 1, TTL: ttl}) {
		t.Fatal("a load that nothing overtook is not kept")
	}
}

// want reads and fails the test on another action.
func want(t *testing.T, c *Core, q Query, action Action) Answer {
	t.Helper()
	a := c.Lookup(&q)
	if diff := cmp.Diff(action, a.Action); diff != "" {
		t.Fatalf("key %d of feed %d: %s", q.Key, q.Feed, diff)
	}
	return a
}

func invalidate(t *testing.T, c *Core, tags ...Tag) {
	t.Helper()
	for _, tag := range tags {
		if _, err := c.Invalidate(0, tag); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoadedIsServed(t *testing.T) {
	c := roomy(t)
	load(t, c, q(1, 10))
	want(t, c, q(1, 10), Serve)
	want(t, c, q(2, 10), Load)
}

func TestNothingIsServedAfterInvalidate(t *testing.T) {
	c := roomy(t)
	for range 5 {
		load(t, c, q(1, 10))
		load(t, c, q(2, 10))
		load(t, c, q(3, 11))
		invalidate(t, c, 10)
		load(t, c, q(1, 10))
		load(t, c, q(2, 10))
		want(t, c, q(3, 11), Serve)
		invalidate(t, c, 10, 11)
	}
}

func TestEveryTagOfAUnitOutdatesIt(t *testing.T) {
	for _, tag := range []Tag{10, 20, 30} {
		c := roomy(t)
		load(t, c, q(1, 10, 20, 30))
		invalidate(t, c, 99)
		want(t, c, q(1, 10, 20, 30), Serve)
		invalidate(t, c, tag)
		load(t, c, q(1, 10, 20, 30))
		want(t, c, q(1, 10, 20, 30), Serve)
	}
}

func TestReadersOfOneVersionShareAFlight(t *testing.T) {
	c := roomy(t)
	f := want(t, c, q(1, 10), Load).Flight
	if a := want(t, c, q(1, 10), Wait); a.Flight != f {
		t.Error("waits for another flight")
	}
	want(t, c, q(2, 10), Load)
	c.Complete(f, Loaded{Query: q(1, 10), Size: 1})
	want(t, c, q(1, 10), Serve)
}

func TestAReaderAfterABumpJoinsNoOlderFlight(t *testing.T) {
	for _, tag := range []Tag{10, 20} {
		c := roomy(t)
		old := want(t, c, q(1, 10, 20), Load).Flight
		want(t, c, q(1, 10, 20), Wait)
		invalidate(t, c, tag)
		young := want(t, c, q(1, 10, 20), Load).Flight
		if a := want(t, c, q(1, 10, 20), Wait); a.Flight != young || young == old {
			t.Errorf("tag %d: joined the flight from before the bump", tag)
		}
		if c.Complete(old, Loaded{Query: q(1, 10, 20), Size: 1}) {
			t.Errorf("tag %d: the old flight was published", tag)
		}
		if a := want(t, c, q(1, 10, 20), Wait); a.Flight != young {
			t.Errorf("tag %d: the old flight's end took the young one away", tag)
		}
		if !c.Complete(young, Loaded{Query: q(1, 10, 20), Size: 1}) {
			t.Errorf("tag %d: the young flight was not published", tag)
		}
		want(t, c, q(1, 10, 20), Serve)
	}
}

func TestRevokedFillIsNotKept(t *testing.T) {
	for _, tag := range []Tag{10, 20, 30} {
		c := roomy(t)
		f := want(t, c, q(1, 10, 20, 30), Load).Flight
		invalidate(t, c, tag)
		if c.Complete(f, Loaded{Query: q(1, 10, 20, 30), Size: 1}) || c.Revoked != 1 {
			t.Errorf("tag %d: published, %d revoked", tag, c.Revoked)
		}
		load(t, c, q(1, 10, 20, 30))
	}
}

func TestAnUnrelatedBumpRevokesNothing(t *testing.T) {
	c := roomy(t)
	f := want(t, c, q(1, 10, 20), Load).Flight
	invalidate(t, c, 11, 21)
	if !c.Complete(f, Loaded{Query: q(1, 10, 20), Size: 1}) || c.Revoked != 0 {
		t.Error("revoked")
	}
}

func TestAFailedLoadLetsTheNextReaderLoad(t *testing.T) {
	c := roomy(t)
	c.Fail(want(t, c, q(1, 10), Load).Flight)
	f := want(t, c, q(1, 10), Load).Flight
	c.Fail(f)
	c.Fail(f) // twice does no harm
	load(t, c, q(1, 10))
	if len(c.flying) != 0 || len(c.landed) != len(c.loads) {
		t.Errorf("%d flights left over", len(c.flying))
	}
}

func TestARangeFillsAllItsUnits(t *testing.T) {
	c := roomy(t)
	f := want(t, c, q(1, 10), Load).Flight
	c.Complete(f, Loaded{Query: q(1, 10), Size: 1}, Loaded{Query: q(2, 10), Size: 1}, Loaded{Query: q(3, 10), Size: 1})
	for k := range uint64(3) {
		want(t, c, q(1+k, 10), Serve)
	}
	invalidate(t, c, 10)
	load(t, c, q(3, 10))
}

// TestAUnitBroughtAlongReplacesItsOutdatedCopy: page 2 was not read since the write when page
// 1's flight brings its new version. The arena must book a new copy, or the store's old bytes
// pass for the new version.
func TestAUnitBroughtAlongReplacesItsOutdatedCopy(t *testing.T) {
	c := roomy(t)
	load(t, c, q(1, 10))
	load(t, c, q(2, 10))
	invalidate(t, c, 10)
	before := c.Arena().Composite()
	f := want(t, c, q(1, 10), Load).Flight
	c.Complete(f, Loaded{Query: q(1, 10), Size: 1}, Loaded{Query: q(2, 10), Size: 1})
	want(t, c, q(2, 10), Serve)
	after := c.Arena().Composite()
	if n := after.Admitted - before.Admitted; n != 2 {
		t.Errorf("%d copies were written, want 2", n)
	}
	if n := after.Invalidated - before.Invalidated; n != 2 {
		t.Errorf("%d copies were found outdated, want 2", n)
	}
}

// TestAUnitThatDependsOnMoreThanItsFlightPanics: nobody knows what was written to that while the
// load was under way. The flight is over all the same.
func TestAUnitThatDependsOnMoreThanItsFlightPanics(t *testing.T) {
	for _, u := range []Query{q(2, 11), q(2, 10, 30), q(2, 10, 20, 30)} {
		c := roomy(t)
		f := want(t, c, q(1, 10, 20), Load).Flight
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v: no panic", u)
				}
			}()
			c.Complete(f, Loaded{Query: u, Size: 1})
		}()
		want(t, c, q(1, 10, 20), Load) // nobody waits for a flight that ended so
	}
}

// TestAValidCopyStaysAndKeepsItsAge: a flight of page 1 brings page 2, of which a valid copy is
// there. The store keeps the old bytes, so the core must keep their age.
func TestAValidCopyStaysAndKeepsItsAge(t *testing.T) {
	for _, now := range []int64{0, 145} { // of the unit brought along; 0: not told
		c := roomy(t)
		at := func(key uint64, now int64) Query { return Query{Key: key, Feed: 10, Now: now} }
		loadFor(t, c, at(2, 100), 50)
		f := want(t, c, at(1, 140), Load).Flight
		c.Complete(f, Loaded{Query: at(1, 145), Size: 1, TTL: 50}, Loaded{Query: at(2, now), Size: 1, TTL: 50})
		if n := c.Arena().Composite().Admitted; n != 2 {
			t.Errorf("%d copies were written, want 2", n)
		}
		want(t, c, at(2, 149), Serve)
		f = want(t, c, at(3, 160), Load).Flight
		c.Complete(f, Loaded{Query: at(2, now), Size: 1, TTL: 50}) // too old: replaced
		want(t, c, at(2, 209), Serve)
		if n := c.Arena().Composite().Admitted; n != 3 {
			t.Errorf("%d copies were written, want 3", n)
		}
	}
}

func TestACopyLivesFromTheStartOfItsLoadOn(t *testing.T) {
	c := roomy(t)
	at := func(now int64) Query { return Query{Key: 1, Feed: 10, Now: now} }
	f := want(t, c, at(100), Load).Flight
	if !c.Complete(f, Loaded{Query: at(120), Size: 1, TTL: 50}) {
		t.Fatal("not kept")
	}
	want(t, c, at(149), Serve)
	loadFor(t, c, at(150), 50)
	want(t, c, at(199), Serve)
	want(t, c, at(90), Serve) // a clock that goes back
	loadFor(t, c, at(200), 0)
	want(t, c, at(1<<40), Serve) // for ever, this time
}

func TestStampsOfAnotherEpochAreNeverCurrent(t *testing.T) {
	c := roomy(t)
	load(t, c, q(1, 10))
	slot, _ := c.arena.Find(1)
	for _, s := range []Stamp{{8, 0}, {6, 0}, {7, 1}, {7, ^uint64(0)}} {
		*c.stored.At(slot) = s.mark()
		if c.valid(slot, c.tags[10], 0) {
			t.Errorf("%v passes for %v", s, c.Stamp(10))
		}
	}
}

func TestHazardTellsHowOftenAFeedIsWritten(t *testing.T) {
	c := roomy(t)
	if c.tags[10].threat() != 0 {
		t.Error("a feed never written is threatened")
	}
	invalidate(t, c, 10)
	for range 10 {
		for range 50 {
			u := q(1, 10)
			c.Lookup(&u)
		}
		invalidate(t, c, 10)
	}
	for range 20 {
		invalidate(t, c, 11)
	}
	if c.tags[10].threat() != 1 || c.tags[11].threat() != 2 {
		t.Errorf("written once in fifty reads: %d; written without reads: %d", c.tags[10].threat(), c.tags[11].threat())
	}
}

func TestDependentsAreOutdatedToo(t *testing.T) {
	c := roomy(t)
	c.Depend(20, 10) // 20 depends on 10, 30 on 20
	c.Depend(30, 20)
	for _, x := range []struct {
		bumped Tag
		gone   []Tag
	}{{10, []Tag{10, 20, 30}}, {20, []Tag{20, 30}}, {30, []Tag{30}}} {
		refill(c)
		invalidate(t, c, x.bumped)
		gone := refill(c)
		if diff := cmp.Diff(x.gone, gone); diff != "" {
			t.Errorf("bump of %d: %s", x.bumped, diff)
		}
	}
}

// refill reads the feeds of the chain and loads and returns those that are not served.
func refill(c *Core) (loaded []Tag) {
	for _, f := range []Tag{10, 20, 30} {
		u := q(uint64(f), f)
		if a := c.Lookup(&u); a.Action == Load {
			c.Complete(a.Flight, Loaded{Query: u, Size: 1})
			loaded = append(loaded, f)
		}
	}
	return loaded
}

func TestClosureIsBreadthFirstAndEndsOnCycles(t *testing.T) {
	c := roomy(t)
	for _, d := range [][2]Tag{{2, 1}, {3, 1}, {4, 2}, {5, 3}, {1, 5}, {4, 3}, {1, 1}, {2, 1}} {
		c.Depend(d[0], d[1])
	}
	got, err := c.Closure(1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Tag{1, 2, 3, 4, 5}, got); diff != "" {
		t.Error(diff)
	}
	invalidate(t, c, 1)
	if c.Bumps != 5 {
		t.Errorf("%d bumps, want each tag once", c.Bumps)
	}
}

func TestAClosureTooLargeBumpsNothing(t *testing.T) {
	for _, n := range []int{MaxClosure, MaxClosure + 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := roomy(t)
			load(t, c, q(1, 1))
			for i := 2; i <= n; i++ {
				c.Depend(Tag(i), Tag(i/2)) // a binary tree of n tags below 1
			}
			_, err := c.Invalidate(0, 1)
			if n <= MaxClosure {
				if err != nil || c.Bumps != int64(n) {
					t.Errorf("%v after %d bumps", err, c.Bumps)
				}
				want(t, c, q(1, 1), Load)
				return
			}
			if !errors.Is(err, ErrClosure) || c.Bumps != 0 {
				t.Errorf("%v after %d bumps", err, c.Bumps)
			}
			want(t, c, q(1, 1), Serve)
		})
	}
}

// TestATakenOverSlotForgetsItsTags: of a cache of two units, whose slots are soon those of others.
func TestATakenOverSlotForgetsItsTags(t *testing.T) {
	c := newCore(t, arena.Config{Geometry: arena.Plain(2), Rule: "aggressive"})
	for k := range uint64(50) {
		load(t, c, q(k, 10, 20))
	}
	load(t, c, q(100, 10))
	invalidate(t, c, 20)
	want(t, c, q(100, 10), Serve)
}

// TestSampledShadowsHoldNothingOutdated: a page that the shadow holds and the composite has
// forgotten is written to. The next read is no hit of the shadow's.
func TestSampledShadowsHoldNothingOutdated(t *testing.T) {
	for _, tags := range [][]Tag{nil, {20}} {
		c := newCore(t, arena.Config{Geometry: arena.Plain(40), Exact: 20, Strategies: []string{"aggressive"}})
		feeds := map[bool]Tag{} // by whether the shadow sees them
		for f := Tag(1000); len(feeds) < 2; f++ {
			before := c.Arena().Own().Requests
			load(t, c, q(uint64(f), f, tags...))
			feeds[c.Arena().Own().Requests > before] = f
		}
		seen, unseen := q(1, feeds[true], tags...), feeds[false]
		load(t, c, seen)
		for k := range uint64(1000) {
			load(t, c, q(1<<20+k, unseen))
		}
		if slot, _ := c.Arena().Find(1); slot != arena.NoSlot {
			t.Fatal("the composite remembers")
		}
		hits := func() int64 { return c.Arena().Standings()[0].Hits }
		before := hits()
		load(t, c, seen)
		if hits() != before+1 {
			t.Fatal("the shadow has forgotten it too")
		}
		for k := range uint64(1000) {
			load(t, c, q(2<<20+k, unseen))
		}
		invalidate(t, c, append([]Tag{seen.Feed}, tags...)[len(tags)])
		load(t, c, seen)
		if hits() != before+1 {
			t.Error("the shadow hits an outdated copy")
		}
	}
}

// TestShadowsTellVersionsByWhatALoadRevealed: a hit that is overheard is one of the version stored, whatever
// its query says that it depends on.
func TestShadowsTellVersionsByWhatALoadRevealed(t *testing.T) {
	c := newCore(t, arena.Config{Geometry: arena.Plain(40), Exact: 20, Strategies: []string{"aggressive"}})
	invalidate(t, c, 20)
	for f := Tag(1000); f < 1010; f++ {
		one := q(uint64(f), f)
		flight := want(t, c, one, Load).Flight
		if !c.Complete(flight, Loaded{Query: one, Revealed: []Tag{20}, Size: 1}) {
			t.Fatal("not published")
		}
		if !c.Arena().Sampled(uint64(f)) {
			continue
		}
		before := c.Arena().Standings()[0].Hits
		c.Overhear(&one)
		if after := c.Arena().Standings()[0].Hits; after != before+1 {
			t.Errorf("feed %d: the shadow does not hit what was stored", f)
		}
	}
}

func TestAFlightEndsOnce(t *testing.T) {
	c := roomy(t)
	over := want(t, c, q(1, 10), Load).Flight
	c.Fail(over)
	next := want(t, c, q(2, 10), Load).Flight
	if c.Complete(over, Loaded{Query: q(1, 10), Size: 1}) || c.Complete(Flight{}, Loaded{Query: q(1, 10), Size: 1}) {
		t.Error("a flight that is over was completed")
	}
	if a := want(t, c, q(2, 10), Wait); a.Flight != next {
		t.Errorf("the end of %v ended %v", over, next)
	}
	if !c.Complete(next, Loaded{Query: q(2, 10), Size: 1}) || c.Complete(next, Loaded{Query: q(2, 10), Size: 1}) {
		t.Error("want one completion")
	}
}

func TestAMissInASteadyStateAllocatesNothing(t *testing.T) {
	c := newCore(t, arena.Config{Geometry: arena.Plain(64)})
	key := uint64(0)
	miss := func() {
		key++
		p := Query{Key: key % 5000, Feed: Tag(key % 5000)}
		c.Complete(c.Lookup(&p).Flight, Loaded{Query: p, Size: 1})
	}
	for range 20_000 {
		miss()
	}
	if n := testing.AllocsPerRun(10_000, miss); n > 0 {
		t.Errorf("%v allocations a miss", n)
	}
}
