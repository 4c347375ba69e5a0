package store

import (
	"encoding/binary"
	"errors"

	"github.com/VictoriaMetrics/fastcache"

	"github.com/foliocache/folio/arena"
)

// fast is a ring in fastcache: 512 buckets of 64 KiB chunks outside the Go heap.
type fast struct{ cache *fastcache.Cache }

func newFast(capacity uint64) memory { return fast{fastcache.New(int(capacity))} }

func (f fast) get(dst []byte, k Key) ([]byte, bool) { return f.cache.HasGet(dst, k[:]) }

// set relies on the arena for the size: fastcache drops what is too large without a word.
func (f fast) set(k Key, value []byte) { f.cache.Set(k[:], value) }

func (f fast) del(k Key) { f.cache.Del(k[:]) }

func (f fast) free() { f.cache.Reset() }

// errBooks reports a fastcache that does not work as the arena's books have it: hits would be booked
// that are none.
var errBooks = errors.New("store: this version of fastcache overwrites its memory in another order than the books know: take v1.13")

// checkFast compares the smallest instance with the books: what is there after each of some writes to
// one bucket, about the ends of its only chunk.
func checkFast(make func(capacity uint64) memory) error {
	g, err := arena.Fastcache(arena.MinFastcache)
	if err != nil {
		return err
	}
	m := make(g.Probation)
	defer m.free()
	var keys []Key
	var sizes []uint32
	value := [30_000]byte{}
	for i := uint64(0); len(sizes) < 2*len(probe); i++ {
		var k Key
		if binary.LittleEndian.PutUint64(k[:], i); k.Unit()%uint64(g.Buckets) != 0 {
			continue
		}
		keys, sizes = append(keys, k), append(sizes, probe[len(sizes)%len(probe)])
		m.set(k, value[:sizes[len(sizes)-1]])
		for j, held := range g.Held(sizes) {
			if _, there := m.get(nil, keys[j]); there != held {
				return errBooks
			}
		}
	}
	return nil
}

// probe are sizes of which two laps wrap a chunk in several ways.
var probe = []uint32{30_000, 30_000, 5_000, 20_000, 29_000, 100, 25_000, 11_337}
