package arena

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/seed"
)

// TestHitsNotedCountLikeHitsTold drives one arena by requests alone, and another by notes: the books agree.
func TestHitsNotedCountLikeHitsTold(t *testing.T) {
	r := seed.Random(t)
	config := Config{Geometry: Plain(200), Exact: 64, Seed: r.Uint64()}
	told, noted := newClient(t, config), newClient(t, config)
	if (told.arena.Board() == nil) != (told.arena.shadow == nil) {
		t.Fatal("a board where shadows see all, or none where they see a sample")
	}
	for i := range 40_000 {
		q := Request{Key: key(int(r.ExpFloat64() * 300)), Depth: uint8(r.IntN(6))}
		q.Feed = q.Key
		if r.IntN(30) == 0 {
			told.write(q.Key)
			noted.write(q.Key)
		}
		hit, a := told.read(q, 1), noted.arena
		if !hit {
			noted.read(q, 1)
			continue
		}
		q.Version = uint32(noted.version[q.Key])
		slot, _ := a.Find(q.Key)
		a.Board().Hit(slot, a.live.worlds[0].view(slot).ring())
		a.Noted(q.Depth, 1)
		if a.Sampled(q.Feed) {
			a.Overhear(&q)
		}
		if i%1000 == 0 {
			checked(t, a, i)
		}
	}
	checked(t, noted.arena, 199)
	if diff := cmp.Diff(told.arena.Composite(), noted.arena.Composite()); diff != "" || told.hits < 10_000 {
		t.Errorf("%d hits; told and noted:\n%s", told.hits, diff)
	}
	if diff := cmp.Diff(told.arena.Standings(), noted.arena.Standings()); diff != "" {
		t.Errorf("shadows, told and noted:\n%s", diff)
	}
}

// TestWhoeverTakesASlotOverHasNoHits: what was noted of the unit before, be it too late, is not his.
func TestWhoeverTakesASlotOverHasNoHits(t *testing.T) {
	a := newClient(t, Config{Geometry: Plain(200), Exact: 64}).arena
	a.Board().Hit(7, board.Main) // nobody's
	for i := range 10_000 {
		q := Request{Key: key(i), Feed: key(i)}
		slot, _ := a.Find(q.Key)
		a.Request(slot, &q)
		slot, _ = a.Fill(slot, &q, 1)
		v := a.live.worlds[0].view(slot)
		if v.hits != 0 || v.credit() != 0 || a.live.board.Noted(slot) != 0 {
			t.Fatalf("unit %d: %d hits, %d more noted", i, v.hits, a.live.board.Noted(slot))
		}
		for old := range Slot(a.Slots()) { // readers who come late
			if !a.live.worlds[0].view(old).resident() {
				a.Board().Hit(old, board.Probation)
			}
		}
		a.Board().Hit(Slot(a.Slots())+1<<20, board.Main)
	}
}

// TestHitsNotedAreBookedBeforeAWriteIs: what was hit before it was outdated has that history, and hits that
// are noted after count for nothing.
func TestHitsNotedAreBookedBeforeAWriteIs(t *testing.T) {
	a := newClient(t, Config{Geometry: Plain(200), Exact: 64}).arena
	q := Request{Key: key(1), Feed: key(1)}
	a.Request(NoSlot, &q)
	slot, _ := a.Fill(NoSlot, &q, 1)
	for i := range 15 { // the hand goes on
		a.Fill(NoSlot, &Request{Key: key(10 + i), Feed: key(10 + i)}, 1)
		if i < 3 {
			a.Request(slot, &q)
		}
	}
	v := a.live.worlds[0].view(slot)
	if a.Board().Noted(slot) != 3 || v.hits != 0 {
		t.Fatalf("%d hits noted, %d booked", a.Board().Noted(slot), v.hits)
	}
	hand := a.live.worlds[0].hand(v.place)
	q.Stale = true
	a.Request(slot, &q)
	if v.place != inGhost || v.hits != 3 || v.freq != 1+3+1 || v.hitAt == hand {
		t.Errorf("%+v of frequency %d: want a ghost of 3 hits, frequency 5, hit before hand %d", *v.state, v.freq, hand)
	}
	a.Board().Hit(slot, board.Main)
	a.Request(slot, &q)
	if v.hits != 3 || v.freq != 6 || a.Board().Noted(slot) != 0 {
		t.Errorf("a ghost of %d hits, frequency %d, %d noted: want 3, 6, 0", v.hits, v.freq, a.Board().Noted(slot))
	}
}

func TestASketchAddsManyAsOneByOne(t *testing.T) {
	r := seed.Random(t)
	one, many := newSketch(20), newSketch(20)
	for i := range 5000 {
		k, n := key(r.IntN(100)), 1+uint8(r.IntN(20))
		var a uint8
		for range n {
			a = one.add(k, 1)
		}
		if b := many.add(k, n); a != b {
			t.Fatalf("step %d: %d times one make %d, at once %d", i, n, a, b)
		}
		for range n {
			one.age(1)
		}
		many.age(uint64(n))
		if diff := cmp.Diff(one.blocks, many.blocks); diff != "" || one.added != many.added || one.halved != many.halved {
			t.Fatalf("step %d: one by one %d of %d halvings, at once %d of %d\n%s", i, one.added, one.halved, many.added, many.halved, diff)
		}
	}
}
