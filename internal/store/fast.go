package store

import "github.com/VictoriaMetrics/fastcache"

// fast is a ring in fastcache: 512 buckets of 64 KiB chunks outside the Go heap.
type fast struct{ cache *fastcache.Cache }

func newFast(capacity uint64) memory { return fast{fastcache.New(int(capacity))} }

func (f fast) get(dst []byte, k Key) ([]byte, bool) { return f.cache.HasGet(dst, k[:]) }

// set relies on the arena for the size: fastcache drops what is too large without a word.
func (f fast) set(k Key, value []byte) { f.cache.Set(k[:], value) }

func (f fast) del(k Key) { f.cache.Del(k[:]) }

func (f fast) free() { f.cache.Reset() }
