package sim

import (
	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/sim/baseline"
)

// cache is what a replay drives: the core, or a baseline made fair.
type cache interface {
	// lookup answers a read. A load, of core.Load, core.Refetch, and core.Refresh with a flight, is
	// followed by one complete with the same read and the flight returned.
	lookup(r *read) (core.Action, core.Flight)
	// complete hands over a load's result and reports whether it was published: not if a
	// write overtook it.
	complete(r *read, f core.Flight) bool
	invalidate(now int64, feed uint32)
	bytes() int64 // held now, and of ours the books; objects where those are counted
	fill(row *Row)
}

// read is one read of a trace.
type read struct {
	unit, feed uint32
	version    uint32 // of the feed when the read's load began, as far as caches are told
	truth      uint32 // of the feed then, at the origin
	size       uint32 // bytes, or 1 where objects are counted
	load       uint32 // µs
	depth      uint8
	now        int64         // µs since the trace's start
	ahead      []uint32      // pages that a load brings along; lookup may leave some out
	branches   []core.Flight // of ours, for them
	aside      bool          // nobody waits for it
	more       bool          // the page behind the last one of them may be there
}

// rival is a baseline with what its users would build round it: a stable key, a version check
// on read, a refill that replaces the outdated copy in place, coalesced loads, and no store
// of a result that a write has overtaken.
type rival struct {
	policy   baseline.Policy
	current  []uint32          // version of each feed; nil while nothing was written
	stored   []uint32          // version of each unit's copy
	born     []int64           // when the load of each unit's copy began, in µs; nil: copies live for ever
	ttl      int64             // µs
	flying   map[uint32]uint32 // unit to the version its load began at; nil where loads take no time
	sizes    []uint32          // of pages brought along, 0 = unknown; nil where objects are counted
	unread   []bool            // pages brought along and not asked for since; nil: a load brings one page
	brought  int64
	used     int64
	stale    int64
	refilled int64 // bytes
	revoked  int64
}

func newRival(p baseline.Policy, j Job) *rival {
	t, w := j.Trace, j.wide()
	r := &rival{policy: p}
	if w != nil {
		r.unread = make([]bool, w.units)
	}
	if w != nil && j.Size.Bytes {
		r.sizes = w.sizes
	}
	if j.TTL > 0 {
		r.ttl, r.born = j.TTL.Microseconds(), make([]int64, t.stored(w))
	}
	if t.Timed() {
		r.flying = map[uint32]uint32{}
	}
	if t.ops != nil {
		r.current, r.stored = make([]uint32, t.feedCount), make([]uint32, t.stored(w))
	}
	return r
}

func (v *rival) lookup(r *read) (core.Action, core.Flight) {
	hit, version := v.policy.Get(r.unit), v.version(r.feed)
	if hit && v.outdated(r.unit, version, r.now) {
		hit = false
		v.stale++
	}
	switch {
	case hit:
		if v.unread != nil && v.unread[r.unit] {
			v.used++
			v.unread[r.unit] = false
		}
		return core.Serve, core.Flight{}
	case v.flying == nil:
		return core.Load, core.Flight{}
	}
	if began, ok := v.flying[r.unit]; ok && began == version {
		return core.Wait, core.Flight{}
	}
	v.flying[r.unit] = version
	for _, u := range r.ahead {
		v.flying[u] = version
	}
	return core.Load, core.Flight{}
}

// replay runs requests that are nothing but ids, each of size 1, and returns the hits.
func (v *rival) replay(ids []uint32) (hits int64) {
	for _, id := range ids {
		if v.policy.Get(id) {
			hits++
		} else {
			v.policy.Put(id, 1)
		}
	}
	v.refilled += int64(len(ids)) - hits
	return hits
}

func (v *rival) version(feed uint32) uint32 {
	if v.current == nil {
		return 0
	}
	return v.current[feed]
}

func (v *rival) complete(r *read, _ core.Flight) bool {
	now := v.version(r.feed)
	v.landed(r.unit, r.version)
	for _, u := range r.ahead {
		v.landed(u, r.version)
	}
	if now != r.version {
		v.revoked++
		return false
	}
	v.put(r.unit, now, r.now, r.size)
	if v.unread != nil {
		v.unread[r.unit] = false
	}
	for _, u := range r.ahead {
		v.bring(u, now, r.now, r.size)
	}
	return true
}

// landed ends a unit's load, unless it began at another version.
func (v *rival) landed(unit, version uint32) {
	if began, ok := v.flying[unit]; ok && began == version {
		delete(v.flying, unit)
	}
}

// outdated reports whether a unit's copy, should there be one, is of another version or too old.
func (v *rival) outdated(unit, version uint32, now int64) bool {
	return v.stored != nil && v.stored[unit] != version || v.born != nil && now-v.born[unit] >= v.ttl
}

func (v *rival) put(unit, version uint32, born int64, size uint32) {
	v.policy.Put(unit, int64(size))
	v.refilled += int64(size)
	if v.stored != nil {
		v.stored[unit] = version
	}
	if v.born != nil {
		v.born[unit] = born
	}
}

// bring stores a page that another's load brought along. A trace tells the sizes only of pages
// that somebody asks for; others pass for as large as the one asked for.
func (v *rival) bring(unit, version uint32, born int64, size uint32) {
	if v.sizes != nil && v.sizes[unit] > 0 {
		size = v.sizes[unit]
	}
	outdated, before := v.outdated(unit, version, born), v.policy.Usage().Admitted
	v.put(unit, version, born, size)
	v.brought++
	if outdated || v.policy.Usage().Admitted > before {
		v.unread[unit] = true
	}
}

func (v *rival) bytes() int64 { return v.policy.Usage().Used }

func (v *rival) invalidate(_ int64, feed uint32) { v.current[feed]++ }

func (v *rival) fill(row *Row) {
	u := v.policy.Usage()
	row.Admitted, row.Evicted, row.Invalidated = u.Admitted, u.Evicted, v.stale
	row.BytesWritten, row.BytesLive, row.Revoked = v.refilled, u.Used, v.revoked
	row.Prefetched, row.PrefetchUsed = v.brought, v.used
}
