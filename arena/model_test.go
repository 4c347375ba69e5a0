package arena

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/foliocache/folio/internal/seed"
	"github.com/foliocache/folio/strategy"
)

// geometries are small arenas of all kinds: objects, bytes, buckets with chunks.
var geometries = map[string]struct {
	Geometry
	size func(*rand.Rand) uint32
}{
	"one object":     {Plain(1), func(*rand.Rand) uint32 { return 1 }},
	"two objects":    {Plain(2), func(*rand.Rand) uint32 { return 1 }},
	"objects":        {Plain(40), func(*rand.Rand) uint32 { return 1 }},
	"bytes":          {Plain(4000), func(r *rand.Rand) uint32 { return 1 + r.Uint32N(200) }},
	"bimodal bytes":  {Plain(4000), func(r *rand.Rand) uint32 { return []uint32{10, 10, 10, 399, 400, 401, 3599, 3601}[r.IntN(8)] }},
	"one byte":       {Plain(1), func(r *rand.Rand) uint32 { return 1 + r.Uint32N(3) }},
	"few entries":    {Geometry{Probation: 400, Main: 3600, Buckets: 1, Most: 20}, func(r *rand.Rand) uint32 { return 1 + r.Uint32N(300) }},
	"small main":     {Geometry{Probation: 100, Main: 20, Buckets: 1}, func(r *rand.Rand) uint32 { return 1 + r.Uint32N(60) }},
	"chunked":        {Geometry{Probation: 4 * 256, Main: 4 * 1024, Buckets: 4, Chunk: 256, Header: 20}, func(r *rand.Rand) uint32 { return 1 + r.Uint32N(255) }},
	"chunked few":    {Geometry{Probation: 4 * 256, Main: 4 * 1024, Buckets: 4, Chunk: 256, Header: 20, Most: 24}, func(r *rand.Rand) uint32 { return 1 + r.Uint32N(100) }},
	"chunked main":   {Geometry{Probation: 16 * 300, Main: 4 * 1024, Buckets: 4, Chunk: 256, Header: 20, Loose: true}, func(r *rand.Rand) uint32 { return 1 + r.Uint32N(255) }},
	"chunked narrow": {Geometry{Probation: 16 * 64, Main: 16 * 128, Buckets: 16, Chunk: 64, Header: 4}, func(r *rand.Rand) uint32 { return 1 + r.Uint32N(50) }},
}

// shapes are the ways in which an arena runs its worlds.
var shapes = map[string]func(*Config){
	"exact":   func(c *Config) {},
	"sampled": func(c *Config) { c.Exact = 20 },
	"alone":   func(c *Config) { c.Rule = "balanced" },
	"one arm": func(c *Config) { c.Strategies = []string{"exploratory"} },
}

// TestEverySumHoldsAfterEveryStep does to small arenas what nobody should: fills of units that
// are resident, of other sizes, without a request; stale requests of anything.
func TestEverySumHoldsAfterEveryStep(t *testing.T) {
	for g, geometry := range geometries {
		for s, shape := range shapes {
			t.Run(g+"/"+s, func(t *testing.T) {
				t.Parallel()
				r := seed.Random(t)
				config := Config{Geometry: geometry.Geometry, Entries: 40, Seed: r.Uint64()}
				shape(&config)
				a, err := New(config)
				if err != nil {
					t.Fatal(err)
				}
				for i := range 400 {
					step(a, r, geometry.size)
					checked(t, a, i)
				}
				if c := a.Composite(); c.Requests == 0 || c.Admitted == 0 && g != "one byte" {
					t.Errorf("nothing happened: %+v", c)
				}
			})
		}
	}
}

// step does one random thing.
func step(a *Arena, r *rand.Rand, size func(*rand.Rand) uint32) {
	n := int(r.ExpFloat64() * 40)
	q := Request{Key: key(n), Feed: uint64(n / 4), Depth: uint8(n % 6), Hazard: uint8(n % 5 / 2 % 3), Cost: float32(r.IntN(3))}
	slot, resident := a.Find(q.Key)
	if r.IntN(10) > 0 {
		q.Stale = r.IntN(8) == 0
		q.Version = r.Uint32N(2)
		hit := a.Request(slot, &q)
		if hit != (resident && !q.Stale) {
			panic(fmt.Sprintf("resident %t, stale %t, hit %t", resident, q.Stale, hit))
		}
		slot, resident = a.Find(q.Key)
	}
	q.Stale = q.Stale || r.IntN(20) == 0
	if !resident && r.IntN(20) > 0 || r.IntN(20) == 0 {
		a.Fill(slot, &q, size(r))
	}
}

// blind is S3-FIFO's rule, which asks for no confidence: what a model can foretell.
type blind struct{}

func (blind) Decide(c strategy.Candidate) strategy.Verdict {
	if c.Moment == strategy.Fill || c.Moment == strategy.LeaveProbation && c.Hits > 1 || c.Moment == strategy.MainTail && c.Credit > 0 {
		return strategy.Admit
	}
	return strategy.Reject
}

// naive is one world under the blind rule, as a map and three slices: two byte FIFOs whose
// writes push out the oldest, and a ghost that remembers main's size for a lap of main.
type naive struct {
	small, large, ghost []copied
	smallMax, largeMax  int
	units               map[uint64]*naiveUnit
	written             int // to large
	wrapped             bool
}

type copied struct {
	key    uint64
	number int // of the write; an older copy of the same unit is dead
	size   int
}

type naiveUnit struct{ place, number, size, hits, credit, dropped int }

func (m *naive) clock() int { return m.written * 4096 / max(1, m.largeMax) }

func (m *naive) live(c copied, p place) *naiveUnit {
	if u := m.units[c.key]; u != nil && u.place == int(p) && u.number == c.number {
		return u
	}
	return nil
}

func (m *naive) request(key uint64, stale bool) bool {
	u := m.units[key]
	if u == nil || u.place == int(inGhost) {
		return false
	}
	if stale {
		m.drop(key, u)
		return false
	}
	u.hits, u.credit = min(u.hits+1, 15), min(u.credit+1, 3)
	return true
}

func (m *naive) fill(key uint64, size, number int) {
	old := m.units[key]
	remembered := old != nil
	u := &naiveUnit{number: number, size: size}
	fitsSmall, fitsLarge := size <= m.smallMax, size <= m.largeMax
	if !fitsSmall && !fitsLarge {
		if remembered && old.place != int(inGhost) {
			m.drop(key, old)
		}
		delete(m.units, key)
		return
	}
	m.units[key] = u
	switch {
	case fitsLarge && (remembered || !fitsSmall):
		m.toLarge(copied{key, number, size})
	default:
		m.toSmall(copied{key, number, size})
	}
}

func (m *naive) toSmall(c copied) {
	for total(m.small)+c.size > m.smallMax {
		old := m.small[0]
		m.small = m.small[1:]
		switch u := m.live(old, inProbation); {
		case u == nil:
		case (u.hits > 1 || m.written < m.largeMax) && old.size <= m.largeMax:
			m.toLarge(old)
		default:
			m.drop(old.key, u)
		}
	}
	m.small = append(m.small, c)
	m.units[c.key].place = int(inProbation)
}

func (m *naive) toLarge(first copied) {
	todo := []copied{first}
	for i := 0; i < len(todo); i++ {
		c := todo[i]
		for total(m.large)+c.size > m.largeMax {
			old := m.large[0]
			m.large = m.large[1:]
			switch u := m.live(old, inMain); {
			case u == nil:
			case u.credit > 0 && len(todo) <= maxMoves:
				u.credit--
				u.place = int(nowhere)
				todo = append(todo, old)
			default:
				m.drop(old.key, u)
			}
		}
		m.large = append(m.large, c)
		u := m.units[c.key]
		u.place, u.hits = int(inMain), 0
		m.written += c.size
	}
}

func (m *naive) drop(key uint64, u *naiveUnit) {
	u.place, u.credit, u.dropped, u.number = int(inGhost), 0, m.clock(), u.number+1<<32
	m.ghost = append(m.ghost, copied{key, u.number, u.size})
	for len(m.ghost) > 0 {
		old := m.ghost[0]
		if g := m.live(old, inGhost); g != nil {
			sum := 0
			for _, c := range m.ghost {
				if m.live(c, inGhost) != nil {
					sum += c.size
				}
			}
			if sum <= m.largeMax && m.clock()-g.dropped < 4096 {
				return
			}
			delete(m.units, old.key)
		}
		m.ghost = m.ghost[1:]
	}
}

func total(cs []copied) int {
	sum := 0
	for _, c := range cs {
		sum += c.size
	}
	return sum
}

// TestAWorldKeepsWhatTheNaiveModelKeeps compares one world with the model, unit by unit
// after every step.
func TestAWorldKeepsWhatTheNaiveModelKeeps(t *testing.T) {
	for _, run := range []struct {
		capacity int64
		rule     string // none: it competes with nobody, and hears of hits when it decides
	}{{2, "balanced"}, {10, "balanced"}, {40, "balanced"}, {1000, "balanced"}, {10, ""}, {40, ""}, {1000, ""}} {
		capacity := run.capacity
		t.Run(fmt.Sprint(capacity, run.rule), func(t *testing.T) {
			t.Parallel()
			r := seed.Random(t)
			g := Plain(capacity)
			c := newClient(t, Config{Geometry: g, Entries: 40, Rule: run.rule, Strategies: []string{"balanced"}, Exact: 20})
			if (run.rule == "") != (c.arena.Board() != nil) {
				t.Fatal("the wrong one has a board")
			}
			c.arena.live.worlds[0].rule = blind{}
			m := &naive{smallMax: int(g.Probation), largeMax: int(g.Main), units: map[uint64]*naiveUnit{}}
			moved := 0
			for i := range 3000 {
				n := int(r.ExpFloat64() * float64(min(capacity, 60)))
				k := key(n)
				if r.IntN(30) == 0 {
					c.write(k)
				}
				size := 1 + uint32(k+uint64(c.version[k])*7)%uint32(max(1, capacity/30))
				if k%50 == 0 {
					size = uint32(capacity) // never fits
				}
				v, loaded := c.filled[k]
				want := m.request(k, loaded && v != c.version[k])
				if got := c.read(Request{Key: k, Feed: k}, size); got != want {
					t.Fatalf("step %d: key %d: hit %t, the model says %t", i, n, got, want)
				}
				if !want {
					m.fill(k, int(size), i)
				}
				agree(t, c.arena, m, i)
				moved = int(c.arena.Composite().Moved)
			}
			if capacity > 2 && (moved == 0 || c.hits == 0) {
				t.Errorf("nothing happened: %+v", c.arena.Composite())
			}
		})
	}
}

func agree(t *testing.T, a *Arena, m *naive, step int) {
	t.Helper()
	w := a.live.worlds[0]
	for slot := range a.live.records.len {
		u := a.live.unit(slot)
		s := w.view(slot).state
		if u.known == 0 {
			continue
		}
		n, noted := m.units[u.key], 0
		if a.live.board != nil && s.resident() {
			noted = int(a.live.board.Noted(slot))
		}
		if n == nil || n.place != int(s.place) || n.credit != min(3, int(s.credit())+noted) || n.hits != min(15, int(s.hits)+noted) && s.resident() {
			t.Fatalf("step %d: key %x: %+v, the model has %+v", step, u.key, *s, n)
		}
	}
	if known := a.live.table.used; known != len(m.units) {
		t.Fatalf("step %d: %d units known, the model knows %d", step, known, len(m.units))
	}
}
