package baseline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/sim/baseline"
)

// noLimit is the capacity unbounded is tested with; it alone does not keep to one.
const noLimit = 1 << 40

// eachPolicy runs a test for every registered policy with its default parameters.
func eachPolicy(t *testing.T, test func(t *testing.T, name string)) {
	for _, info := range baseline.All() {
		t.Run(info.Name, func(t *testing.T) { test(t, info.Name) })
	}
}

// smallTrace returns a random trace with some locality.
func smallTrace(r *rand.Rand, n, ids int) trace {
	raw := make([]uint64, n)
	for i := range raw {
		raw[i] = r.Uint64N(uint64(ids))
		if r.IntN(2) == 0 {
			raw[i] %= uint64(ids)/4 + 1
		}
	}
	return newTrace(raw)
}

// hits replays a trace and returns which requests hit.
func (t trace) hits(p baseline.Policy) []bool {
	var hits []bool
	for _, id := range t.ids {
		hit := p.Get(id)
		if !hit {
			p.Put(id, 1)
		}
		hits = append(hits, hit)
	}
	return hits
}

func TestRegisteredPoliciesSayWhatTheyAre(t *testing.T) {
	for _, info := range baseline.All() {
		if info.Doc == "" || !slices.Contains([]string{"exact", "random", "future"}, info.Kind) {
			t.Errorf("%s: kind %q, doc %q", info.Name, info.Kind, info.Doc)
		}
	}
}

func TestUsageHoldsAfterEveryStep(t *testing.T) {
	start := seed(t)
	eachPolicy(t, func(t *testing.T, name string) {
		r := rand.New(rand.NewPCG(start, 0))
		for range 200 {
			data := randomScript(r, 0)
			s, ok := decode(data)
			if !ok {
				continue
			}
			s.policy, s.params = name, nil
			if name == "unbounded" {
				s.capacity = noLimit
			}
			for id := range s.ids { // the last Gets tell who is resident
				s.ops = append(s.ops, op{kind: getOnly, id: uint32(id)})
			}
			checkUsage(t, s)
		}
	})
}

// checkUsage runs a script whose last operations are a Get of every id.
func checkUsage(t *testing.T, s script) {
	t.Helper()
	p := build(t, s.policy, s.config(), s.params...)
	sizes := map[uint32]int64{}
	resident, offered := baseline.Usage{}, int64(0)
	for i, o := range s.ops {
		before := p.Usage()
		hit := o.step(p)
		u := p.Usage()
		if u.Used > s.capacity || u.Used < u.Entries || u.Admitted-u.Evicted != u.Entries {
			t.Fatalf("%s of %d: step %d %+v: usage %+v", s.policy, s.capacity, i, o, u)
		}
		if o.kind == getOnly && u != before {
			t.Fatalf("%s of %d: step %d %+v: Get made usage %+v out of %+v", s.policy, s.capacity, i, o, u, before)
		}
		if o.kind == putOnly || (o.kind == request && !hit) {
			sizes[o.id] = o.size
			offered++
		}
		if i >= len(s.ops)-s.ids && hit {
			resident.Entries++
			resident.Used += sizes[o.id]
		}
	}
	u := p.Usage()
	if u.Entries != resident.Entries || u.Used != resident.Used {
		t.Fatalf("%s of %d: found %+v, usage %+v", s.policy, s.capacity, resident, u)
	}
	if u.Admitted > offered {
		t.Fatalf("%s of %d: %d admitted of %d offered", s.policy, s.capacity, u.Admitted, offered)
	}
}

func TestOptIsNeverBeaten(t *testing.T) {
	start := seed(t)
	for i := range uint64(200) {
		r := rand.New(rand.NewPCG(start, i))
		tr := smallTrace(r, 300, 2+r.IntN(40))
		capacity := 1 + r.Int64N(16)
		free := tr.misses(build(t, "opt", tr.config(capacity), "bypass=on"))
		if forced := tr.misses(build(t, "opt", tr.config(capacity))); free > forced {
			t.Fatalf("capacity %d: opt misses %d, %d with bypass", capacity, forced, free)
		}
		for _, info := range baseline.All() {
			if info.Name == "unbounded" {
				continue
			}
			cfg := tr.config(capacity)
			p := build(t, info.Name, cfg)
			misses := tr.misses(p)
			forced := tr.misses(build(t, "opt", cfg))
			refuses := p.Usage().Admitted < int64(misses)
			if misses < free || (misses < forced && !refuses) {
				t.Fatalf("capacity %d: %s misses %d, opt %d, %d with bypass", capacity, info.Name, misses, forced, free)
			}
		}
	}
}

func TestLargerStackPoliciesHitWheneverSmallerDo(t *testing.T) {
	start := seed(t)
	for _, v := range [][]string{{"lru"}, {"opt"}, {"opt", "bypass=on"}} {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			r := rand.New(rand.NewPCG(start, 0))
			for range 100 {
				tr := smallTrace(r, 300, 40)
				smaller := make([]bool, len(tr.ids))
				for capacity := range int64(20) {
					larger := tr.hits(build(t, v[0], tr.config(capacity+1), v[1:]...))
					for i, hit := range smaller {
						if hit && !larger[i] {
							t.Fatalf("request %d hits with %d and not with %d", i, capacity, capacity+1)
						}
					}
					smaller = larger
				}
			}
		})
	}
}

func TestFIFOHasBeladysAnomaly(t *testing.T) {
	tr := newTrace([]uint64{1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5})
	for capacity, want := range map[int64]int{3: 9, 4: 10} {
		if got := tr.misses(build(t, "fifo", tr.config(capacity))); got != want {
			t.Errorf("capacity %d: %d misses, want %d", capacity, got, want)
		}
	}
}

func TestOnlyFirstRequestsMissWhenAllFits(t *testing.T) {
	tr := smallTrace(rand.New(rand.NewPCG(1, 0)), 1000, 40)
	eachPolicy(t, func(t *testing.T, name string) {
		want := tr.unique
		if name == "none" {
			want = len(tr.ids)
		}
		for _, capacity := range []int64{int64(tr.unique), int64(tr.unique) + 1, 1000} {
			if got := tr.misses(build(t, name, tr.config(capacity))); got != want {
				t.Errorf("capacity %d: %d misses, want %d", capacity, got, want)
			}
		}
	})
}

func TestCapacityOneHitsImmediateRepeats(t *testing.T) {
	tr := newTrace([]uint64{1, 1, 2, 2, 1, 1, 3, 3, 3, 2})
	eachPolicy(t, func(t *testing.T, name string) {
		want := map[string]int{"none": 10, "unbounded": 3}[name]
		if want == 0 {
			want = 5
		}
		if got := tr.misses(build(t, name, tr.config(1))); got != want {
			t.Errorf("%d misses, want %d", got, want)
		}
	})
}

func TestNamesOfUnitsDoNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	tr := smallTrace(r, 2000, 40)
	renamed := trace{ids: slices.Clone(tr.ids), unique: tr.unique, next: tr.next}
	name := r.Perm(tr.unique)
	for i, id := range renamed.ids {
		renamed.ids[i] = uint32(name[id])
	}
	eachPolicy(t, func(t *testing.T, policy string) {
		if policy == "wtinylfu" {
			return // depends on hashes
		}
		a, b := build(t, policy, tr.config(9)), build(t, policy, tr.config(9))
		if d := cmp.Diff(tr.hits(a), renamed.hits(b)); d != "" {
			t.Error(d)
		}
	})
}

// someNext is a Config.Next for tests that make a few requests.
func someNext() []uint32 { return slices.Repeat([]uint32{baseline.NoNext}, 100) }

func TestUnitLargerThanCapacityIsRefusedAndRemoved(t *testing.T) {
	const gib = 1 << 30
	eachPolicy(t, func(t *testing.T, name string) {
		if name == "none" || name == "unbounded" {
			return // has no limit to exceed
		}
		for capacity, size := range map[int64]int64{10: 11, 9 * gib: 4*gib + 1} {
			p := build(t, name, baseline.Config{Capacity: capacity, IDs: 2, Next: someNext()})
			p.Put(0, size)
			if u := p.Usage(); u != (baseline.Usage{}) {
				t.Errorf("size %d stored: %+v", size, u)
			}
			p.Put(0, 4)
			p.Put(1, 3)
			p.Put(0, size)
			want := baseline.Usage{Entries: 1, Used: 3, Admitted: 2, Evicted: 1}
			if u := p.Usage(); u != want || p.Get(0) || !p.Get(1) {
				t.Errorf("size %d: usage %+v, want %+v with only the other unit resident", size, u, want)
			}
		}
	})
}

func TestPutTwiceIsPutOnce(t *testing.T) {
	eachPolicy(t, func(t *testing.T, name string) {
		tr := smallTrace(rand.New(rand.NewPCG(1, 0)), 2000, 40)
		once, twice := build(t, name, tr.config(9)), build(t, name, tr.config(9))
		for i, id := range tr.ids {
			hit := once.Get(id)
			if twice.Get(id) != hit {
				t.Fatalf("request %d differs after units were put twice", i)
			}
			if !hit {
				once.Put(id, 1)
				twice.Put(id, 1)
			}
			twice.Put(id, 1)
		}
		if d := cmp.Diff(once.Usage(), twice.Usage()); d != "" {
			t.Error(d)
		}
	})
}

func TestResidentThatGrowsPushesOthersOut(t *testing.T) {
	eachPolicy(t, func(t *testing.T, name string) {
		if name == "none" {
			return // has no residents
		}
		capacity := int64(100)
		if name == "unbounded" {
			capacity = noLimit
		}
		cfg := baseline.Config{Capacity: capacity, IDs: 10, Next: someNext()}
		for grown := range uint32(10) {
			p := build(t, name, cfg)
			for id := range uint32(10) {
				p.Put(id, 10)
			}
			full := p.Usage()
			p.Put(grown, 55)
			u := p.Usage()
			if u.Used > capacity || u.Admitted != full.Admitted || u.Admitted-u.Evicted != u.Entries {
				t.Errorf("unit %d grown: %+v after %+v", grown, u, full)
			}
			if name != "unbounded" && u.Evicted == full.Evicted {
				t.Errorf("unit %d grown: nothing evicted", grown)
			}
			for id := range uint32(10) {
				p.Put(id, 1)
			}
			if u := p.Usage(); u.Entries != 10 || u.Used != 10 {
				t.Errorf("all shrunk: %+v", u)
			}
		}
	})
}

func TestSeedDecidesTheDraws(t *testing.T) {
	tr := recipe{"mix", 20_000, 2_000, .8}.generate()
	cfg := tr.config(50)
	first, again := tr.hits(build(t, "lecar", cfg)), tr.hits(build(t, "lecar", cfg))
	if !slices.Equal(first, again) {
		t.Error("the same seed gives other hits")
	}
	cfg.Seed++
	if slices.Equal(first, tr.hits(build(t, "lecar", cfg))) {
		t.Error("another seed gives the same hits")
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	tr := recipe{"zipf", 50_000, 10_000, .8}.generate()
	eachPolicy(t, func(t *testing.T, name string) {
		p := build(t, name, tr.config(500))
		warm := len(tr.ids) / 2
		at := 0
		next := func() {
			if id := tr.ids[at]; !p.Get(id) {
				p.Put(id, 1)
			}
			at++
		}
		for at < warm {
			next()
		}
		if n := testing.AllocsPerRun(len(tr.ids)-warm-1, next); n > 0 {
			t.Errorf("%v allocations a request", n)
		}
	})
}

func TestFaultyConfigsAreRefused(t *testing.T) {
	good := baseline.Config{Capacity: 10, IDs: 10, Next: someNext()}
	eachPolicy(t, func(t *testing.T, name string) {
		info, _ := baseline.Lookup(name)
		refuse := func(what string, cfg baseline.Config) {
			if _, err := info.New(cfg); err == nil {
				t.Errorf("%s accepted", what)
			}
		}
		good.Params = complete(t, name, nil)
		bad := good
		bad.Capacity = 0
		refuse("capacity 0", bad)
		bad = good
		bad.IDs = 1 << 32
		refuse("2^32 ids", bad)
		for _, param := range info.Params {
			for _, value := range []string{"", "x", "-0.1", "1.1", "NaN"} {
				bad = good
				bad.Params = complete(t, name, []string{param.Name + "=" + value})
				refuse(param.Name+"="+value, bad)
			}
		}
		if info.Kind == "future" {
			bad = good
			bad.Next = nil
			refuse("no future", bad)
		}
		if _, err := info.Complete(baseline.Params{"nonsense": "1"}); err == nil {
			t.Error("unknown parameter accepted")
		}
	})
}
