package core

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/arena"
)

// What the live cache needs of the core beside what the simulator does.

// TestCopiesOfOneCoreHaveTimesToLiveOfTheirOwn: one that came before any had one lives for ever.
func TestCopiesOfOneCoreHaveTimesToLiveOfTheirOwn(t *testing.T) {
	c := roomy(t)
	at := func(key uint64, now int64) Query { return Query{Key: key, Feed: 10, Now: now} }
	for key, ttl := range []int64{0, 50, 70, 0} {
		loadFor(t, c, at(uint64(key), 100), ttl)
	}
	for key, action := range []Action{Serve, Load, Serve, Serve} {
		want(t, c, at(uint64(key), 160), action)
	}
}

func TestWhatTheStoreLostIsLoadedAgain(t *testing.T) {
	c := roomy(t)
	load(t, c, q(1, 10))
	want(t, c, q(1, 10), Serve)
	lost := q(1, 10)
	lost.Lost = true
	load(t, c, lost)
	want(t, c, q(1, 10), Serve)
	if n := c.Arena().Composite().Admitted; n != 2 {
		t.Errorf("%d copies were written, want 2", n)
	}
}

func TestAValidCopyIsReplacedWhereItShallBe(t *testing.T) {
	c := roomy(t)
	loadFor(t, c, Query{Key: 2, Feed: 10, Now: 100}, 50)
	f := want(t, c, Query{Key: 1, Feed: 10, Now: 140}, Load).Flight
	c.Complete(f, Loaded{Query: Query{Key: 2, Feed: 10, Now: 140}, Size: 1, TTL: 50, Replace: true})
	want(t, c, Query{Key: 2, Feed: 10, Now: 189}, Serve)
	if n := c.Arena().Composite().Admitted; n != 2 {
		t.Errorf("%d copies were written, want 2", n)
	}
}

// TestReadBooksWithoutAFlight: a read that was served before a bump and is booked after it.
func TestReadBooksWithoutAFlight(t *testing.T) {
	c := roomy(t)
	load(t, c, q(1, 10))
	invalidate(t, c, 10)
	u := q(1, 10)
	if c.Read(&u) {
		t.Error("an outdated copy is valid")
	}
	want(t, c, u, Load) // not Wait
	if n := c.Arena().Composite().Requests; n != 3 {
		t.Errorf("%d requests are booked, want 3", n)
	}
}

func TestALoadThatNobodyAskedForIsWaitedFor(t *testing.T) {
	c := roomy(t)
	u := q(1, 10)
	old := want(t, c, u, Load).Flight
	f := c.Begin(&u)
	if a := want(t, c, u, Wait); a.Flight != f {
		t.Error("a reader joins the older load")
	}
	c.Complete(old, Loaded{Query: u, Size: 1})
	want(t, c, u, Serve)
	c.Fail(f)
	invalidate(t, c, 10)
	want(t, c, u, Load)
}

// TestPlacedHearsOfEveryUnitOffered: with what the store has to do for it, before the next unit.
func TestPlacedHearsOfEveryUnitOffered(t *testing.T) {
	a, err := arena.New(arena.Config{Geometry: arena.Plain(100), Steps: true})
	if err != nil {
		t.Fatal(err)
	}
	type heard struct {
		Unit   int
		Stored bool
		Steps  []arena.Step
	}
	units := []Loaded{{Query: q(1, 10), Size: 1}, {Query: q(2, 10), Size: 1}, {Query: q(1, 10), Size: 1}}
	var got []heard
	c := New(a, Config{Epoch: 7})
	c.config.Placed = func(unit int, slot arena.Slot, stored bool) {
		if s, _ := a.Find(units[unit].Key); s != slot {
			t.Errorf("key %d is in slot %d, told %d", units[unit].Key, s, slot)
		}
		got = append(got, heard{unit, stored, append([]arena.Step(nil), a.Steps()...)})
	}
	c.Complete(want(t, c, q(1, 10), Load).Flight, units...)
	wanted := []heard{
		{0, true, []arena.Step{{Slot: 0, Do: arena.ToProbation}}},
		{1, true, []arena.Step{{Slot: 1, Do: arena.ToProbation}}},
		{2, false, nil}, // a valid copy stays
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
}

// TestAUnitMayDependOnWhatItsLoadRevealed: it is not kept if that was bumped since the load began, and
// it is outdated by a later bump. Others of the flight are kept.
func TestAUnitMayDependOnWhatItsLoadRevealed(t *testing.T) {
	c := roomy(t)
	invalidate(t, c, 21) // before
	f := want(t, c, q(1, 10), Load).Flight
	invalidate(t, c, 22)
	if !c.Complete(f, Loaded{Query: q(1, 10), Size: 1, Revealed: []Tag{20, 21}}, Loaded{Query: q(2, 10), Size: 1, Revealed: []Tag{22}}, Loaded{Query: q(3, 10), Size: 1}) {
		t.Fatal("nothing was kept")
	}
	want(t, c, q(1, 10), Serve)
	want(t, c, q(2, 10), Load)
	want(t, c, q(3, 10), Serve)
	if c.Revoked != 1 {
		t.Errorf("%d revoked", c.Revoked)
	}
	invalidate(t, c, 20)
	want(t, c, q(1, 10), Load)
	want(t, c, q(3, 10), Serve)
}

// TestAFlushOutdatesEverything: of tags that were bumped and of tags that never were, loads under way,
// and what sampled shadows tell versions by.
func TestAFlushOutdatesEverything(t *testing.T) {
	c := roomy(t)
	invalidate(t, c, 20)
	for key, feed := range map[uint64]Tag{1: 10, 2: 20} {
		load(t, c, q(key, feed))
		want(t, c, q(key, feed), Serve)
	}
	f := want(t, c, q(3, 30), Load).Flight
	u := q(1, 10)
	before := c.version(arena.NoSlot, &u, nil)
	c.Flush()
	if c.version(arena.NoSlot, &u, nil) == before {
		t.Error("a sampled shadow cannot tell")
	}
	if c.Complete(f, Loaded{Query: q(3, 30), Size: 1}) {
		t.Error("a load from before is kept")
	}
	for key, feed := range map[uint64]Tag{1: 10, 2: 20, 3: 30} {
		load(t, c, q(key, feed))
		want(t, c, q(key, feed), Serve)
	}
}
