package sim

import (
	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/sim/baseline"
)

// cache is what a replay drives: the core, or a baseline made fair.
type cache interface {
	// lookup answers a read: core.Serve, core.Wait or core.Load. A load is followed by one
	// complete with the same read and the flight returned.
	lookup(r read) (core.Action, core.Flight)
	// complete hands over a load's result and reports whether it was published: not if a
	// write overtook it.
	complete(r read, f core.Flight) bool
	invalidate(feed uint32)
	fill(row *Row)
}

// read is one read of a trace.
type read struct {
	unit, feed uint32
	version    uint32 // of the feed when the read's load began, as the rival sees it
	size       uint32 // bytes, or 1 where objects are counted
	load       uint32 // µs
	depth      uint8
}

// rival is a baseline with what its users would build round it: a stable key, a version check
// on read, a refill that replaces the outdated copy in place, coalesced loads, and no store
// of a result that a write has overtaken.
type rival struct {
	policy   baseline.Policy
	current  []uint32 // version of each feed; nil while nothing was written
	stored   []uint32 // version of each unit's copy
	feeds    int
	flying   map[uint32]uint32 // unit to the version its load began at; nil where loads take no time
	stale    int64
	refilled int64 // bytes
	revoked  int64
}

func newRival(p baseline.Policy, t *Trace) *rival {
	r := &rival{policy: p, feeds: t.feedCount}
	if t.Timed() {
		r.flying = map[uint32]uint32{}
	}
	if t.ops != nil {
		r.current, r.stored = make([]uint32, t.feedCount), make([]uint32, t.units)
	}
	return r
}

func (v *rival) lookup(r read) (core.Action, core.Flight) {
	hit := v.policy.Get(r.unit)
	if hit && v.current != nil && v.stored[r.unit] != v.current[r.feed] {
		hit = false
		v.stale++
	}
	switch {
	case hit:
		return core.Serve, core.Flight{}
	case v.flying == nil:
		return core.Load, core.Flight{}
	}
	version := v.version(r.feed)
	if began, ok := v.flying[r.unit]; ok && began == version {
		return core.Wait, core.Flight{}
	}
	v.flying[r.unit] = version
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

func (v *rival) complete(r read, _ core.Flight) bool {
	now := v.version(r.feed)
	if began, ok := v.flying[r.unit]; ok && began == r.version {
		delete(v.flying, r.unit)
	}
	if now != r.version {
		v.revoked++
		return false
	}
	v.policy.Put(r.unit, int64(r.size))
	v.refilled += int64(r.size)
	if v.stored != nil {
		v.stored[r.unit] = now
	}
	return true
}

func (v *rival) invalidate(feed uint32) { v.current[feed]++ }

func (v *rival) fill(row *Row) {
	u := v.policy.Usage()
	row.Admitted, row.Evicted, row.Invalidated = u.Admitted, u.Evicted, v.stale
	row.BytesWritten, row.BytesLive, row.Revoked = v.refilled, u.Used, v.revoked
	row.BytesPeak = u.Used
}
