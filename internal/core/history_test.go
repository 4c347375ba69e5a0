package core

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/seed"
)

// history is what the outside knows: how often every tag was written to, and which version of
// all its tags the value stored for a unit was loaded at. It shares nothing with the core.
type history struct {
	writes map[Tag]int
	stored map[uint64][]int
	depend map[Tag][]Tag // tag to those that depend on it
}

func (h *history) version(q Query) []int {
	v := []int{h.writes[q.Feed]}
	for _, t := range q.Tags {
		v = append(v, h.writes[t])
	}
	return v
}

// write counts a write to a tag and, once each, to all that depends on it.
func (h *history) write(t Tag) {
	for todo, seen := []Tag{t}, map[Tag]bool{t: true}; len(todo) > 0; todo = todo[1:] {
		h.writes[todo[0]]++
		for _, d := range h.depend[todo[0]] {
			if !seen[d] {
				seen[d] = true
				todo = append(todo, d)
			}
		}
	}
}

// flying is a load under way and the version it has read.
type flying struct {
	q       Query
	flight  Flight
	version []int
	along   []flying // further units that it brings
	near    []flying // the other units of its feed, as they were when it began
}

// rangeOf returns a load of a unit and of those next to it in its feed that depend on no more.
func (h *history) rangeOf(n int, f Flight) flying {
	l := flying{q: page(n), flight: f, version: h.version(page(n))}
	for m := n / 3 * 3; m < n/3*3+3; m++ {
		p := page(m)
		if m != n {
			l.near = append(l.near, flying{q: p, version: h.version(p)})
		}
		if m != n && len(p.Tags) <= len(l.q.Tags) {
			l.along = append(l.along, flying{q: p, version: h.version(p)})
		}
	}
	return l
}

// branch has a load bring another unit of its feed as well, by a flight of that's own.
func (l *flying) branch(c *Core, r *rand.Rand) []flying {
	p := l.near[r.IntN(len(l.near))]
	if c.Held(&p.q) {
		return nil
	}
	p.flight = c.Branch(l.flight, &p.q, 1)
	return []flying{p}
}

// page returns unit n: three pages a feed, every other with tags.
func page(n int) Query {
	f := Tag(n/3 + 1)
	p := Query{Key: uint64(n+1) * 0x9e3779b97f4a7c15, Feed: f, Depth: uint8(n%3 + 1), Cost: float32(n % 7)}
	if n%2 == 0 {
		p.Tags = []Tag{100 + f%3, 200 + f%2}
	}
	return p
}

// TestNoReadOfARandomHistoryIsStale reads, writes, lands and loses loads in random order, on
// caches that hold all, few and next to nothing, and judges every answer from outside.
func TestNoReadOfARandomHistoryIsStale(t *testing.T) {
	for name, c := range map[string]arena.Config{
		"all": {Geometry: arena.Plain(1000)}, "few": {Geometry: arena.Plain(40)}, "two": {Geometry: arena.Plain(2)},
		"alone": {Geometry: arena.Plain(40), Rule: "balanced"}, "sampled": {Geometry: arena.Plain(80), Exact: 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := seed.Random(t)
			core := newCore(t, c)
			h := &history{writes: map[Tag]int{}, stored: map[uint64][]int{}, depend: map[Tag][]Tag{}}
			for range 6 { // cycles welcome
				on, dependent := Tag(100+r.IntN(3)), Tag(200+r.IntN(2))
				if r.IntN(2) == 0 {
					on, dependent = dependent, Tag(1+r.IntN(30))
				}
				core.Depend(dependent, on)
				if !slices.Contains(h.depend[on], dependent) {
					h.depend[on] = append(h.depend[on], dependent)
				}
			}
			served := act(t, r, core, h)
			if served == 0 && name != "two" {
				t.Error("nothing was ever served")
			}
			if core.Revoked == 0 {
				t.Error("no write overtook a load")
			}
			if err := core.Arena().Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func act(t *testing.T, r *rand.Rand, c *Core, h *history) (served int) {
	var loads []flying
	for step := range 15_000 {
		n := int(r.ExpFloat64() * 30)
		switch x := r.IntN(100); {
		case x < 70:
			p := page(n)
			switch a := c.Lookup(&p); a.Action {
			case Serve:
				served++
				if now := h.version(p); !slices.Equal(now, h.stored[p.Key]) {
					diff := cmp.Diff(now, h.stored[p.Key])
					t.Fatalf("step %d: key %x is stale (-now +served):\n%s", step, p.Key, diff)
				}
			case Load:
				l := h.rangeOf(n, a.Flight)
				loads = append(loads, l)
				if r.IntN(3) == 0 { // as where the pages behind are known
					loads = append(loads, l.branch(c, r)...)
				}
			case Wait:
				joined(t, h, loads, a.Flight, p)
			}
		case x < 80 || len(loads) == 0:
			tag := []Tag{page(n).Feed, Tag(100 + r.IntN(3)), Tag(200 + r.IntN(2))}[r.IntN(30)/14]
			invalidate(t, c, tag)
			h.write(tag)
		default:
			i := r.IntN(len(loads))
			if l := loads[i]; len(l.near) > 0 && r.IntN(3) == 0 { // as where the load tells what is behind
				loads = append(loads, l.branch(c, r)...)
			}
			land(c, h, loads[i], r.IntN(10) == 0)
			loads = slices.Delete(loads, i, i+1)
		}
	}
	return served
}

// joined checks that whoever waits will get a version no older than now.
func joined(t *testing.T, h *history, loads []flying, f Flight, p Query) {
	t.Helper()
	i := slices.IndexFunc(loads, func(l flying) bool { return l.flight == f })
	if i < 0 {
		t.Fatal("waits for a flight that is over")
	}
	if now := h.version(p); !slices.Equal(now, loads[i].version) || loads[i].q.Key != p.Key {
		t.Fatalf("joins a load of key %x that began before a write (-now +load):\n%s", loads[i].q.Key, cmp.Diff(now, loads[i].version))
	}
}

// land ends a load: lost, or with its page.
func land(c *Core, h *history, l flying, lost bool) {
	if lost {
		c.Fail(l.flight)
		return
	}
	units := []Loaded{{Query: l.q, Size: 1}}
	for _, p := range l.along {
		units = append(units, Loaded{Query: p.q, Size: 1})
	}
	if !c.Complete(l.flight, units...) {
		return
	}
	h.stored[l.q.Key] = l.version
	for _, p := range l.along {
		h.stored[p.q.Key] = p.version
	}
}

// TestShadowsServeNothingOutdated: a strategy alone and its exact shadow hit the same reads,
// though the shadow may still hold what the composite has dropped when a write comes.
func TestShadowsServeNothingOutdated(t *testing.T) {
	r := seed.Random(t)
	const n = 20_000
	all := newCore(t, arena.Config{Geometry: arena.Plain(40)})
	names := all.Arena().Names()
	cores := []*Core{all}
	for _, name := range names {
		cores = append(cores, newCore(t, arena.Config{Geometry: arena.Plain(40), Rule: name}))
	}
	for range n {
		p := page(int(r.ExpFloat64() * 40))
		write := r.IntN(15) == 0
		for _, c := range cores {
			if write {
				invalidate(t, c, p.Feed)
			} else if a := c.Lookup(&p); a.Action == Load {
				c.Complete(a.Flight, Loaded{Query: p, Size: 1})
			}
		}
	}
	for i, name := range names {
		a := cores[1+i].Arena().Composite()
		if s := all.Arena().Standings()[i]; s.Hits != a.Hits || s.Requests != a.Requests {
			t.Errorf("%s hit %d of %d alone and %d of %d as a shadow", name, a.Hits, a.Requests, s.Hits, s.Requests)
		}
	}
}
