package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/seed"
)

// books is an arena and the store that follows it.
type books struct {
	*arena.Arena
	*Store
	t      *testing.T
	filled map[uint64]filling // of every unit ever filled, the last
}

// filling is what a unit was filled with.
type filling struct {
	key    Key
	size   int
	number byte
}

func (f filling) value() []byte {
	return bytes.Repeat([]byte{f.key[8], f.number}, f.size)[:f.size]
}

func newBooks(t *testing.T, s *Store, most uint32) *books {
	t.Cleanup(s.Close)
	s.Geometry.Most = most
	a, err := arena.New(arena.Config{Geometry: s.Geometry, Entries: 4000, Steps: true})
	if err != nil {
		t.Fatal(err)
	}
	return &books{a, s, t, map[uint64]filling{}}
}

func name(i uint64) (k Key) {
	binary.LittleEndian.PutUint64(k[:], i*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(k[8:], i)
	return k
}

// read asks for a key and fills it if it is not there, or is stale.
func (b *books) read(i uint64, size int, stale bool) {
	b.t.Helper()
	k := name(i)
	r := arena.Request{Key: k.Unit(), Feed: k.Unit(), Stale: stale}
	slot, _ := b.Find(r.Key)
	if b.Request(slot, &r) {
		b.holds(r.Key)
		return
	}
	f := filling{k, size, byte(len(b.filled))}
	slot, _ = b.Find(r.Key)
	slot, stored := b.Fill(slot, &r, uint32(size))
	b.filled[r.Key] = f
	if _, resident := b.Find(r.Key); !resident {
		b.Delete(k)
	} else if !stored {
		b.t.Fatalf("unit %x is resident, and not by this fill", r.Key)
	}
	b.Follow(b.Steps(), slot, k, f.value())
}

// holds fails unless a unit that the books call resident is there, and no other is.
func (b *books) holds(unit uint64) {
	b.t.Helper()
	f := b.filled[unit]
	k := f.key
	_, resident := b.Find(unit)
	v, ring, ok := b.Get([]byte("before"), k, unit)
	switch {
	case ok != resident:
		b.t.Fatalf("unit %x: the books say resident %v, the store %v (%v)", unit, resident, ok, ring)
	case ok && !bytes.Equal(v, append([]byte("before"), f.value()...)):
		b.t.Fatalf("unit %x: %d bytes, want %d", unit, len(v)-6, f.size)
	case ok:
		if v, there := b.rings[ring.Other()].get(nil, k); there {
			b.t.Fatalf("unit %x: another copy of %d bytes in the other ring", unit, len(v))
		}
	}
}

// TestTheStoreHoldsWhatTheBooksSay: every resident unit is readable and right, none other is
// there, in both kinds of memory, with sizes about every limit, rewrites and bounds of entries.
func TestTheStoreHoldsWhatTheBooksSay(t *testing.T) {
	for _, c := range []struct {
		name     string
		capacity int64
		heap     bool
		size     int // the largest
		keys     float64
		most     uint32
		requests int
	}{
		{"fastcache", arena.MinFastcache, false, 64<<10 - 21, 1500, 0, 10_000},
		{"fastcache, small values", arena.MinFastcache, false, 9000, 30_000, 0, 60_000},
		{"fastcache, few entries", arena.MinFastcache, false, 9000, 1500, 2048, 20_000},
		{"fastcache, probation on the heap", arena.MinFastcache + 3<<20, false, 64<<10 - 21, 1500, 0, 10_000},
		{"heap", MinHeap, true, 9000, 1500, 0, 20_000},
		{"heap, values as large as a bucket", MinHeap, true, 62 << 10, 1500, 0, 5_000},
		{"heap, few entries", MinHeap, true, 900, 1500, 300, 20_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := New(c.capacity, c.heap)
			if err != nil {
				t.Fatal(err)
			}
			b := newBooks(t, s, c.most)
			r := seed.Random(t)
			for n := range c.requests {
				i := uint64(r.ExpFloat64() * c.keys)
				size := 1 + r.IntN(c.size)
				if r.IntN(20) == 0 {
					size = c.size - r.IntN(30)
				}
				b.read(i, size, r.IntN(10) == 0)
				if n%(c.requests/5) == 0 {
					for unit := range b.filled {
						b.holds(unit)
					}
				}
			}
			if err := b.Check(); err != nil {
				t.Error(err)
			}
			m := b.Memory()
			if wrapped := m.Written > 2*c.capacity || c.most > 0; !wrapped || b.Composite().Moved == 0 {
				t.Errorf("%d bytes written, %d moved: the rings have not wrapped", m.Written, b.Composite().Moved)
			}
			if b.Lost != 0 {
				t.Errorf("%d values lost", b.Lost)
			}
		})
	}
}

// TestTheBooksKnowWhereFastcachesChunksEnd: one bucket of the real thing, and sizes about what is
// left of its chunks. After every write all of the last values are there that the books hold, and no
// others.
func TestTheBooksKnowWhereFastcachesChunksEnd(t *testing.T) {
	r := seed.Random(t)
	for range 3 {
		s, err := New(arena.MinFastcache, false)
		if err != nil {
			t.Fatal(err)
		}
		b, offset := newBooks(t, s, 0), uint64(0)
		bucket := r.Uint64N(512)
		var units []uint64
		for range 1500 {
			i := r.Uint64()
			for k := name(i); k.Unit()%512 != bucket; k = name(i) {
				i = r.Uint64()
			}
			size := awkward(r, chunk-offset%chunk)
			if offset%chunk+size >= chunk { // where the small ring writes next, roughly
				offset += chunk - offset%chunk
			}
			offset += size
			for range 1 + r.IntN(2) {
				b.read(i, int(size-20), false)
			}
			units = append(units, name(i).Unit())
			for _, unit := range units[max(0, len(units)-60):] {
				b.holds(unit)
			}
		}
		if m := b.Composite(); m.Moved == 0 || m.Evicted == 0 {
			t.Errorf("%d moved, %d evicted", m.Moved, m.Evicted)
		}
	}
}

const chunk = 64 << 10 // of fastcache

// awkward returns a size, header included: small, any, or about what ends a chunk or is left
// of this one.
func awkward(r *rand.Rand, left uint64) uint64 {
	const header = 21 // and a byte: nothing is smaller
	switch r.IntN(5) {
	case 4:
		return max(header, left-1+r.Uint64N(3))
	case 0:
		return header + r.Uint64N(200)
	case 1:
		return chunk - 2 + r.Uint64N(3) // the largest that is taken, and the two that are not
	case 2:
		return chunk/4 - 1 + r.Uint64N(3)
	}
	return header + r.Uint64N(chunk-header)
}

func TestAStoreTooSmallIsAnError(t *testing.T) {
	for _, heap := range []bool{false, true} {
		least := int64(arena.MinFastcache)
		if heap {
			least = MinHeap
		}
		if _, err := New(least-1, heap); err == nil {
			t.Errorf("heap %v: no error", heap)
		}
		s, err := New(least, heap)
		if err != nil {
			t.Fatal(err)
		}
		if n := int64(s.Geometry.Capacity()); n > least || n < least-320 {
			t.Errorf("heap %v: %d bytes of %d", heap, n, least)
		}
		s.Close()
	}
}

// TestReadersGetWholeValuesOrNone: while values move between the rings and after the end. For the
// race detector, too.
func TestReadersGetWholeValuesOrNone(t *testing.T) {
	for _, heap := range []bool{false, true} {
		t.Run(fmt.Sprintf("heap=%v", heap), func(t *testing.T) {
			s, err := New(map[bool]int64{false: arena.MinFastcache, true: MinHeap}[heap], heap)
			if err != nil {
				t.Fatal(err)
			}
			b := newBooks(t, s, 0)
			stop := make(chan struct{})
			var readers sync.WaitGroup
			for n := range uint64(2) {
				readers.Go(func() {
					r := rand.New(rand.NewPCG(n, 0))
					var buf []byte
					for {
						select {
						case <-stop:
							return
						default:
						}
						i := r.Uint64N(500)
						k := name(i)
						v, _, ok := s.Get(buf[:0], k, k.Unit())
						if ok && (len(v) == 0 || v[0] != byte(i) || len(v) > 2 && v[2] != byte(i)) {
							t.Errorf("key %d: a foreign value", i)
							return
						}
						buf = v
					}
				})
			}
			r := seed.Random(t)
			for range 5000 {
				b.read(r.Uint64N(500), 1+r.IntN(9000), r.IntN(3) == 0)
			}
			s.Close()
			close(stop)
			readers.Wait()
			k := name(1)
			if _, _, ok := s.Get(nil, k, k.Unit()); ok {
				t.Error("a closed store has a value")
			}
		})
	}
}

// lazy is a ring that is not what the books know.
type lazy struct {
	memory
	sets int
}

func (l *lazy) set(k Key, value []byte) {
	if l.sets++; l.sets%5 > 0 {
		l.memory.set(k, value)
	}
}

// TestABooksErrorIsFoundAtStart: the real fastcache is as the books know it, and what is not is refused.
func TestABooksErrorIsFoundAtStart(t *testing.T) {
	if err := checkFast(newFast); err != nil {
		t.Error(err)
	}
	for name, other := range map[string]func(uint64) memory{
		"one that drops writes": func(n uint64) memory { return &lazy{memory: newFast(n)} },
		"one without chunks":    newHeapRing,
		"a larger one":          func(n uint64) memory { return newFast(2 * n) },
	} {
		if err := checkFast(other); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func BenchmarkCheckAtStart(b *testing.B) {
	for b.Loop() {
		if err := checkFast(newFast); err != nil {
			b.Fatal(err)
		}
	}
}
