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
	wide    *wide // nil: a load brings one page
	most    int   // pages that a load brings along
	fixed   bool  // always as many
	asked   int   // units that the trace asks for, their depths known
	depths  func(unit uint32) uint8
	sizes   []uint32 // of the units; nil where objects are counted
	hashes  []uint64 // of the units, as they were recorded; nil: unknown
	free    bool     // loads cost nothing that is known
	list    uint32
	firsts  map[uint32][]uint32 // first pages of each feed, that a write outdates alone; nil: it outdates all
	fresh   *fresh              // nil: what is served is valid
	due     []landing
	ruled   [PartCount][]int64 // reads that each strategy had ruled at the end of a part
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
	mean, err := strconv.ParseUint(p.Params["mean"], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%w: policy %q: mean: want bytes, 0 for those of the trace", ErrConfig, p.Text)
	}
	if s.Bytes && mean > 0 {
		c.Entries = int(capacity) / int(mean)
	} else if s.Bytes {
		c.Entries = int(max(64, capacity*int64(t.units)/max(1, t.Bytes())))
	}
	switch g := p.Params["geometry"]; {
	case g == "fastcache" && !s.Bytes:
		return nil, fmt.Errorf("%w: policy %q: fastcache's geometry needs a size in bytes", ErrConfig, p.Text)
	case g == "fastcache", g == "auto" && s.Bytes && capacity >= arena.MinFastcache:
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
	rules, budget, err := p.rules(j)
	if err != nil {
		return nil, err
	}
	o := &ours{ttl: j.TTL.Microseconds(), salt: seed * 0x9e3779b97f4a7c15, objects: !s.Bytes,
		wide: j.wide(), most: p.widen, fixed: p.Params[Widen.Name] != learned, asked: t.units, depths: t.depth, hashes: t.hashes}
	switch p.Params["cost"] {
	case "load":
	case "none":
		o.free = true
	default:
		return nil, fmt.Errorf("%w: policy %q: cost: want load or none", ErrConfig, p.Text)
	}
	switch how := p.Params["invalidate"]; {
	case how == "first" && t.places != nil:
		o.firsts = t.firsts()
	case how != "group":
		return nil, fmt.Errorf("%w: policy %q: invalidate: want group, or, of pages, first", ErrConfig, p.Text)
	}
	o.core = core.New(a, core.Config{Epoch: 1, Second: 1e6, Seed: seed, Budget: budget, Copies: rules.Early > 0})
	if o.wide != nil || rules != (core.Rules{}) {
		o.list = o.core.List(rules)
	}
	if rules != (core.Rules{}) {
		o.fresh = newFresh(j, o)
	}
	return o, nil
}

// hash spreads dense ids as the live cache's seeded hash spreads keys.
func (o *ours) hash(id uint32) uint64 { return spread(uint64(id) + o.salt) }

// key is the hash of a unit, as it was recorded.
func (o *ours) key(unit uint32) uint64 {
	if int(unit) < len(o.hashes) {
		return o.hashes[unit]
	}
	return o.hash(unit)
}

// spread is splitmix64's mixer.
func spread(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// query describes a read to the core, always in the same place: the core does not keep it.
func (o *ours) query(r *read) *core.Query {
	q := &o.unit[0].Query
	q.Key, q.Depth, q.Cost, q.Now = o.key(r.unit), r.depth, float32(r.load)/1000, r.now
	q.List, q.Want, q.Feed = o.list, core.Serve, core.Tag(o.hash(r.feed))
	if o.firsts != nil {
		q.Feed = core.Tag(o.hash(r.unit))
	}
	if o.free {
		q.Cost = 0
	}
	return q
}

func (o *ours) lookup(r *read) (core.Action, core.Flight) {
	q := o.query(r)
	if o.wide != nil {
		q.Before = 0
		if before := o.wide.back[r.unit]; before != noUnit {
			q.Before = o.key(before)
		}
	}
	if o.fresh != nil {
		o.fresh.ask(o.core, q)
	}
	a := o.core.Lookup(q)
	switch {
	case a.Flight != core.Flight{} && a.Action != core.Wait:
		o.core.Earn()
		o.widen(r, &a)
	case a.Next:
		o.next(r)
		r.ahead = nil
	default:
		r.ahead = nil
	}
	return a.Action, a.Flight
}

// widen lets a load bring along what the core wants of the pages behind, up to the first one that is there.
func (o *ours) widen(r *read, a *core.Answer) {
	behind := r.ahead
	r.ahead, r.more = behind[:0:0], false
	if o.fixed {
		a.Ahead = o.most
	}
	for i, unit := range behind {
		next := o.behind(r, unit)
		if o.core.Held(o.query(&next)) {
			return
		}
		if r.more = i == min(a.Ahead, o.most); r.more {
			return
		}
		r.ahead = append(r.ahead, unit)
		r.branches = append(r.branches, o.core.Branch(a.Flight, o.query(&next), i+1))
	}
}

// behind returns the read of a page that a load brings along. A trace tells the sizes and depths only of pages
// that somebody asks for; others pass for as large as the one asked for, and as deep.
func (o *ours) behind(r *read, unit uint32) read {
	next := *r
	next.unit = unit
	if int(unit) < o.asked {
		next.depth = o.depths(unit)
	}
	if size := o.wide.sizes[unit]; !o.objects && size > 0 {
		next.size = size
	}
	return next
}

func (o *ours) complete(r *read, f core.Flight) bool {
	if o.fresh != nil {
		o.fresh.loaded(r)
	}
	if o.wide != nil && !r.aside {
		o.core.Took(1, r.depth, float64(1+len(r.ahead)), float64(r.load), core.Alone)
	}
	published := o.offer(r, f, r.more && len(r.ahead) == 0)
	for i, unit := range r.ahead {
		next := o.behind(r, unit)
		o.offer(&next, r.branches[i], r.more && i == len(r.ahead)-1)
	}
	return published
}

// offer hands over a page that a load brought.
func (o *ours) offer(r *read, f core.Flight, last bool) bool {
	o.query(r)
	u := &o.unit[0]
	u.Size, u.TTL, u.Last = r.size, o.ttl, last
	if o.fresh != nil {
		u.Replace, u.Took, u.Fate = true, float64(r.load), o.fresh.fate(r)
	}
	return o.core.Complete(f, o.unit[:]...)
}

func (o *ours) invalidate(now int64, feed uint32) {
	outdated := []uint32{feed}
	if o.firsts != nil {
		outdated = o.firsts[feed]
	}
	for _, id := range outdated {
		if _, err := o.core.Invalidate(now, core.Tag(o.hash(id))); err != nil {
			panic(err) // the simulator declares no dependencies
		}
	}
	for d, ok := o.core.Due(); ok; d, ok = o.core.Due() {
		o.again(d, now)
	}
}

func (o *ours) fill(row *Row) {
	a := o.core.Arena()
	c := a.Composite()
	row.Admitted, row.Evicted, row.Invalidated = c.Admitted, c.Evicted, c.Invalidated
	m := a.Memory()
	row.BytesWritten, row.BytesLive, row.BytesDead, row.BytesMetadata = m.Written, m.Live, m.Dead, m.Metadata+o.core.Metadata()
	row.Revoked = o.core.Revoked
	n := o.core.Ahead
	row.Prefetched, row.PrefetchUsed = n.Brought, n.Used
	row.Warmed, row.WarmedUsed, row.Rewarmed, row.RewarmedUsed = n.Warmed, n.WarmedUsed, n.Again, n.AgainUsed
	row.Folio = contest(a)
	row.Folio.RuledParts = o.ruledParts()
}

// mark books who ruled up to a part's end.
func (o *ours) mark(part int) {
	for _, s := range o.core.Arena().Standings() {
		o.ruled[part] = append(o.ruled[part], s.Ruled)
	}
}

// ruledParts returns how many reads of each part each strategy ruled.
func (o *ours) ruledParts() map[string][]int64 {
	all := map[string][]int64{}
	for i, s := range o.core.Arena().Standings() {
		parts, before := make([]int64, PartCount), int64(0)
		for part, ruled := range o.ruled {
			if ruled != nil { // a trace of fewer requests has parts without any
				parts[part], before = ruled[i]-before, ruled[i]
			}
		}
		all[s.Name] = parts
	}
	return all
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
