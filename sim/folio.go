package sim

import (
	"fmt"
	"strconv"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/core"
)

// ours is the project's own cache in the simulator: the core that the live cache runs, with
// dense ids in place of hashed keys.
type ours struct {
	core    *core.Core
	ttl     int64 // µs
	salt    uint64
	objects bool // are counted, not bytes
	unit    [1]core.Loaded
}

func newOurs(j Job, capacity int64) (*ours, error) {
	p, t, s, seed := j.Policy, j.Trace, j.Size, j.Seed
	c := arena.Config{Rule: p.Params["strategy"], Arbiter: p.Params["arbiter"], Seed: seed}
	exact, err := strconv.Atoi(p.Params["exact"])
	if err != nil || exact < 1 {
		return nil, fmt.Errorf("%w: policy %q: exact: want a whole number from 1", ErrConfig, p.Text)
	}
	c.Exact = exact
	most, err := strconv.ParseUint(p.Params["entries"], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%w: policy %q: entries: want a whole number, 0 for no bound", ErrConfig, p.Text)
	}
	if s.Bytes {
		c.Entries = int(max(64, capacity*int64(t.units)/max(1, t.Bytes())))
	}
	switch g := p.Params["geometry"]; {
	case g == "fastcache" && !s.Bytes:
		return nil, fmt.Errorf("%w: policy %q: fastcache's geometry needs a size in bytes", ErrConfig, p.Text)
	case g == "fastcache", g == "auto" && s.Bytes:
		c.Geometry, err = arena.Fastcache(capacity)
	case g == "plain", g == "auto":
		c.Geometry = arena.Plain(capacity)
	default:
		err = fmt.Errorf("no geometry %q; there are plain, fastcache and auto", g)
	}
	var a *arena.Arena
	if err == nil {
		c.Geometry.Most = uint32(most)
		a, err = arena.New(c)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: policy %q: %w", ErrConfig, p.Text, err)
	}
	return &ours{core: core.New(a, core.Config{Epoch: 1}), ttl: j.TTL.Microseconds(), salt: seed * 0x9e3779b97f4a7c15, objects: !s.Bytes}, nil
}

// hash spreads dense ids as the live cache's seeded hash spreads keys (splitmix64's mixer).
func (o *ours) hash(id uint32) uint64 {
	x := uint64(id) + o.salt + 0x9e3779b97f4a7c15
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// query describes a read to the core, always in the same place: the core does not keep it.
func (o *ours) query(r *read) *core.Query {
	q := &o.unit[0].Query
	q.Key, q.Depth, q.Cost, q.Now = o.hash(r.unit), r.depth, float32(r.load)/1000, r.now
	if q.Feed = core.Tag(q.Key); r.feed != r.unit {
		q.Feed = core.Tag(o.hash(r.feed))
	}
	return q
}

func (o *ours) lookup(r *read) (core.Action, core.Flight) {
	a := o.core.Lookup(o.query(r))
	return a.Action, a.Flight
}

func (o *ours) complete(r *read, f core.Flight) bool {
	o.query(r)
	o.unit[0].Size, o.unit[0].TTL = r.size, o.ttl
	return o.core.Complete(f, o.unit[:]...)
}

func (o *ours) invalidate(feed uint32) {
	if _, err := o.core.Invalidate(core.Tag(o.hash(feed))); err != nil {
		panic(err) // the simulator declares no dependencies
	}
}

func (o *ours) fill(row *Row) {
	a := o.core.Arena()
	c := a.Composite()
	row.Admitted, row.Evicted, row.Invalidated = c.Admitted, c.Evicted, c.Invalidated
	m := a.Memory()
	row.BytesWritten, row.BytesLive, row.BytesDead, row.BytesMetadata = m.Written, m.Live, m.Dead, m.Metadata+o.core.Metadata()
	row.Revoked = o.core.Revoked
	row.Folio = contest(a)
}

func (o *ours) bytes() int64 {
	m := o.core.Arena().Memory()
	if o.objects {
		return m.Rings
	}
	return m.Rings + m.Metadata + o.core.Metadata()
}

// standing reports how one strategy fared; by depth, where there are pages.
func standing(s arena.Standing) StrategyRow {
	row := StrategyRow{Ruled: s.Ruled, ShadowHitRatio: ratio(s.Hits, s.Requests), Hits: s.Hits, Misses: s.Requests - s.Hits,
		Entries: s.Entries, Decisions: s.Decisions, Confidence: s.Confidence / float64(max(1, s.Decisions))}
	if s.Asked[0] < s.Requests {
		var classes [len(Depths)]Class
		for d, n := range s.Asked {
			classes[d] = Class{Requests: n, Hits: s.ClassHits[d]}
		}
		row.Classes = byDepth(classes)
	}
	return row
}

// contest reports how the strategies fared.
func contest(a *arena.Arena) *Folio {
	cal, own := a.Calibration(), a.Own()
	f := &Folio{Strategies: map[string]StrategyRow{}, Ruling: a.Ruling(), Switches: a.Switches, Shadowed: own.Requests,
		Brier: cal.Brier(), BrierSkill: cal.Skill(), ECE: cal.ECE(), Arbiter: a.Arbiter()}
	for _, s := range a.Standings() {
		f.Strategies[s.Name] = standing(s)
	}
	f.ShadowHitRatio = ratio(own.Hits, own.Requests)
	for _, b := range cal.Bins {
		bin := CalibrationBin{N: b.N, Reused: b.Reused}
		if b.N > 0 {
			bin.P = b.Stated / float64(b.N)
		}
		f.Calibration = append(f.Calibration, bin)
	}
	return f
}
