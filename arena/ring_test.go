package arena

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/seed"
	"github.com/foliocache/folio/strategy"
)

// overwrite pops the oldest entry if a write of this size would take its place.
func overwrite(r *ring, b *bucket, size uint64) (Slot, bool) {
	if !r.full(b, r.need(b, size)) {
		return 0, false
	}
	slot, _ := b.pop()
	return slot, true
}

// TestSlotAndIndexNameOneEntryOfAllBuckets: a slot may be given to a unit of another bucket
// while a dead copy of its former unit is still in the ring; the copy must not pass for it.
func TestSlotAndIndexNameOneEntryOfAllBuckets(t *testing.T) {
	r := seed.Random(t)
	for _, buckets := range []int{1, 2, 3, 512} {
		ring, seen := newRing(buckets, 1000, 0), map[uint32]bool{}
		for range 20_000 {
			index := ring.write(&ring.buckets[r.IntN(buckets)], 7, 1)
			if seen[index] {
				t.Fatalf("%d buckets: two entries have index %d", buckets, index)
			}
			seen[index] = true
		}
	}
}

func TestFastcacheGeometryIsWholeStepsAndWhatTheyLeave(t *testing.T) {
	if _, err := Fastcache(MinFastcache - 1); err == nil {
		t.Error("less than the least is no error")
	}
	for _, test := range []struct {
		mib, probation, main int64
		loose                bool
	}{
		{96, 32, 64, false}, {97, 33, 64, true}, {100, 36, 64, true}, {102, 6, 96, true}, {116, 20, 96, true}, {128, 32, 96, false}, {250, 26, 224, true},
		{320, 32, 288, false}, {330, 42, 288, true}, {639, 63, 576, true}, {640, 64, 576, false}, {650, 64, 576, false}, {1000, 96, 896, false}, {3200, 320, 2880, false},
	} {
		g, err := Fastcache(test.mib << 20)
		if err != nil {
			t.Fatal(err)
		}
		if g.Probation != uint64(test.probation)<<20 || g.Main != uint64(test.main)<<20 || g.Loose != test.loose {
			t.Errorf("%+v: %+v", test, g)
		}
	}
	if fastcacheHeader != HeapHeader {
		t.Errorf("an entry takes %d bytes beside its value in one ring, %d in the other", fastcacheHeader, HeapHeader)
	}
	g, _ := Fastcache(MinFastcache + 1000)
	if sum := g.Probation + g.Main; g.Probation%HeapBuckets != 0 || sum > MinFastcache+1000 || sum+HeapBuckets <= MinFastcache+1000 {
		t.Errorf("%+v", g)
	}
}

func TestPlainGeometryUsesTheWholeCapacity(t *testing.T) {
	for capacity := int64(1); capacity < 500; capacity++ {
		if g := Plain(capacity); g.Probation < 1 || g.Probation+g.Main != uint64(capacity) {
			t.Errorf("%d: %+v", capacity, g)
		}
	}
}

// TestRingForgetsInTime: against a list of sizes, across the wrap of the entries' 32-bit offsets,
// and in a bucket so large that they count granules.
func TestRingForgetsInTime(t *testing.T) {
	r := seed.Random(t)
	for _, x := range []struct{ capacity, start, most, granule uint64 }{
		{1000, 1<<32 - 5000, 90, 1}, {1 << 30, 1<<33 - 1<<31, 1 << 27, 1}, {1 << 33, 1<<35 - 1<<34, 1 << 30, 8},
	} {
		ours := newRing(1, x.capacity, 0)
		b := &ours.buckets[0]
		b.offset = x.start
		var held []uint64 // rounded sizes, oldest first
		sum, first := uint64(0), Slot(0)
		for i := range 2000 {
			size := 1 + r.Uint64N(x.most)
			rounded := (size + x.granule - 1) / x.granule * x.granule
			for ; sum+rounded > x.capacity; first++ {
				if old, ok := overwrite(&ours, b, size); !ok || old != first {
					t.Fatalf("capacity %d, write %d: %d is overwritten (%t), want %d", x.capacity, i, old, ok, first)
				}
				sum -= held[0]
				held = held[1:]
			}
			if old, ok := overwrite(&ours, b, size); ok {
				t.Fatalf("capacity %d, write %d: %d is overwritten too early", x.capacity, i, old)
			}
			ours.write(b, Slot(i), size)
			held, sum = append(held, rounded), sum+rounded
		}
	}
}

// TestABoundOfEntriesIsACapacityInObjects: where bytes are no constraint, so many entries of one
// size are what so many objects are.
func TestABoundOfEntriesIsACapacityInObjects(t *testing.T) {
	r := seed.Random(t)
	for _, n := range []int{2, 7, 40, 300} {
		bound := Plain(1 << 40)
		bound.Most = uint32(n)
		objects := newClient(t, Config{Geometry: Plain(int64(n)), Seed: 1})
		entries := newClient(t, Config{Geometry: bound, Entries: 1 << 20, Seed: 1})
		for range 20_000 {
			k := key(int(r.ExpFloat64() * float64(n)))
			objects.read(Request{Key: k, Feed: k}, 1)
			entries.read(Request{Key: k, Feed: k}, 7)
		}
		a, b := objects.arena.Composite(), entries.arena.Composite()
		b.Bytes /= 7
		if diff := cmp.Diff(a, b); diff != "" || a.Hits == 0 || a.Entries > int64(n) {
			t.Errorf("%d: %s", n, diff)
		}
		checked(t, entries.arena, 0)
	}
}

func TestEntriesAreBoundedInEveryGeometry(t *testing.T) {
	for name, g := range geometries {
		if g.Most == 0 {
			continue
		}
		r := seed.Random(t)
		a, err := New(Config{Geometry: g.Geometry, Entries: 40})
		if err != nil {
			t.Fatal(err)
		}
		for range 5000 {
			step(a, r, g.size)
			if e := a.Composite().Entries; e > int64(g.Most) {
				t.Fatalf("%s: %d entries, the bound is %d", name, e, g.Most)
			}
		}
	}
	few := Geometry{Probation: 512 << 16, Main: 1024 << 16, Buckets: 512, Chunk: 1 << 16, Most: 1023}
	if _, err := New(Config{Geometry: few}); err == nil {
		t.Error("less than two entries a bucket are no error")
	}
	for _, most := range []uint32{1024, 1100, 2000, 5119, 5120, 100_000} {
		few.Most = most
		p, m := few.probation(), few.main()
		if sum := 512 * (p.most + m.most); p.most == 0 || m.most == 0 || sum > most {
			t.Errorf("%d entries are cut into %d and %d a bucket", most, p.most, m.most)
		}
	}
}

// TestTheClockMayWrap: after 2^20 laps. The price is what it is in an arena far from that.
func TestTheClockMayWrap(t *testing.T) {
	late := func(laps uint64) *client {
		c := newClient(t, Config{Geometry: Plain(20), Rule: "aggressive"})
		w := c.arena.live.worlds[0]
		w.main.written = laps*w.main.total() - 50
		w.clock = uint32(w.main.laps(strategy.TicksPerLap))
		return c
	}
	wraps, other := late(1<<20), late(1<<10)
	w, o := wraps.arena.live.worlds[0], other.arena.live.worlds[0]
	before := w.clock
	for i := range 1000 {
		k := key([]int{i % 5, i % 37}[i%2])
		wraps.read(Request{Key: k, Feed: k}, 1)
		other.read(Request{Key: k, Feed: k}, 1)
		if w.price != o.price {
			t.Fatalf("step %d: %+v, far from the wrap %+v", i, w.price, o.price)
		}
		checked(t, wraps.arena, i)
	}
	if w.clock >= before || w.price == (strategy.Price{}) {
		t.Errorf("the clock did not wrap: %d, %d; %+v", before, w.clock, w.price)
	}
}

// TestKeysOfOneHashAreToldApart: the index keeps 32 bits of what it spreads keys by.
func TestKeysOfOneHashAreToldApart(t *testing.T) {
	const golden, inverse = 0x9e3779b97f4a7c15, 0xf1de83e19937733d // their product is 1 modulo 2^64
	a, err := New(Config{Geometry: Plain(100)})
	if err != nil {
		t.Fatal(err)
	}
	spreads := uint64(12345) << 32
	var keys []uint64
	for low := range uint64(20) {
		k := (spreads + low) * inverse
		if k*golden != spreads+low || hash(k) != 12345 {
			t.Fatalf("key %x has the hash %d", k, hash(k))
		}
		keys = append(keys, k)
		a.Fill(NoSlot, &Request{Key: k, Feed: k}, 1)
	}
	for _, k := range keys {
		if slot, _ := a.Find(k); slot == NoSlot || a.live.unit(slot).key != k {
			t.Errorf("key %x is found at %d", k, slot)
		}
	}
	if slot, _ := a.Find((spreads + 99) * inverse); slot != NoSlot {
		t.Errorf("an unknown key is found at %d", slot)
	}
}
