// Package bench compares the live cache with the caches that Go teams would use instead. It is a
// module of its own, so that no rival reaches a user's build.
package bench

import (
	"context"
	"testing"
	"time"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/Yiling-J/theine-go"
	"github.com/allegro/bigcache/v3"
	"github.com/coocood/freecache"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/maypok86/otter/v2"
	"github.com/viccon/sturdyc"

	"github.com/foliocache/folio"
)

const (
	capacity = 256 << 20
	keys     = 50_000
	size     = 3 << 10 // bytes of a value
)

// rival is a cache of bytes. get appends to dst where the cache copies, and returns what the cache
// holds where it does not.
type rival struct {
	get func(dst []byte, key string) ([]byte, bool)
	set func(key string, value []byte)
}

var rivals = []struct {
	name string
	open func(testing.TB) rival
}{
	{"folio", func(b testing.TB) rival { return openFolio(b, 0) }},
	{"folio-sampled", func(b testing.TB) rival { return openFolio(b, capacity/size/8) }}, // one read in eight is learned from
	{"fastcache", openFastcache},
	{"freecache", openFreecache},
	{"bigcache", openBigcache},
	{"otter", openOtter},
	{"ristretto", openRistretto},
	{"theine", openTheine},
	{"sturdyc", openSturdyc},
}

func openFolio(b testing.TB, exact int) rival {
	c, err := folio.New(folio.Config{MaxBytes: capacity, MeanBytes: size, Exact: exact, Seed: 3})
	must(b, err)
	b.Cleanup(func() { must(b, c.Close(context.Background())) })
	return rival{c.GetIfPresent, func(key string, value []byte) { must(b, c.Set(key, value)) }}
}

func openFastcache(b testing.TB) rival {
	c := fastcache.New(capacity)
	b.Cleanup(c.Reset)
	return rival{func(dst []byte, key string) ([]byte, bool) { return c.HasGet(dst, []byte(key)) },
		func(key string, value []byte) { c.Set([]byte(key), value) }}
}

func openFreecache(b testing.TB) rival {
	c := freecache.NewCache(capacity)
	return rival{func(dst []byte, key string) ([]byte, bool) {
		v, err := c.GetWithBuf([]byte(key), dst[:cap(dst)])
		return v, err == nil
	}, func(key string, value []byte) { must(b, c.Set([]byte(key), value, 0)) }}
}

func openBigcache(b testing.TB) rival {
	config := bigcache.DefaultConfig(time.Hour)
	config.HardMaxCacheSize, config.Verbose = capacity>>20, false
	c, err := bigcache.New(context.Background(), config)
	must(b, err)
	b.Cleanup(func() { must(b, c.Close()) })
	return rival{func(dst []byte, key string) ([]byte, bool) {
		v, err := c.Get(key)
		return v, err == nil
	}, func(key string, value []byte) { must(b, c.Set(key, value)) }}
}

func openOtter(b testing.TB) rival {
	c := otter.Must(&otter.Options[string, []byte]{MaximumWeight: capacity, Weigher: func(_ string, v []byte) uint32 { return uint32(len(v)) }})
	b.Cleanup(func() { c.InvalidateAll() })
	return rival{func(_ []byte, key string) ([]byte, bool) { return c.GetIfPresent(key) },
		func(key string, value []byte) { c.Set(key, value) }}
}

func openRistretto(b testing.TB) rival {
	c, err := ristretto.NewCache(&ristretto.Config[string, []byte]{NumCounters: 10 * keys, MaxCost: capacity, BufferItems: 64})
	must(b, err)
	b.Cleanup(c.Close)
	return rival{func(_ []byte, key string) ([]byte, bool) { return c.Get(key) },
		func(key string, value []byte) { c.Set(key, value, int64(len(value))); c.Wait() }}
}

func openTheine(b testing.TB) rival {
	c, err := theine.NewBuilder[string, []byte](capacity).Build()
	must(b, err)
	b.Cleanup(c.Close)
	return rival{func(_ []byte, key string) ([]byte, bool) { return c.Get(key) },
		func(key string, value []byte) { c.Set(key, value, int64(len(value))) }}
}

func openSturdyc(b testing.TB) rival {
	c := sturdyc.New[[]byte](capacity/size, 256, time.Hour, 10)
	return rival{func(_ []byte, key string) ([]byte, bool) { return c.Get(key) },
		func(key string, value []byte) { c.Set(key, value) }}
}

func must(b testing.TB, err error) {
	if err != nil {
		b.Error(err)
	}
}
