package arena

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/seed"
	"github.com/foliocache/folio/strategy"
)

// TestExactShadowIsTheRunOfItsStrategyAlone drives one competition and every strategy alone
// through the same reads and writes: the shadow's counters are the lone run's, one by one.
func TestExactShadowIsTheRunOfItsStrategyAlone(t *testing.T) {
	for name, g := range map[string]Geometry{
		"objects": Plain(100), "bytes": Plain(5000),
		"chunked": {Probation: 8 * 128, Main: 8 * 1024, Buckets: 8, Chunk: 128, Header: 20},
	} {
		for _, arbiter := range Arbiters() {
			t.Run(name+"/"+arbiter, func(t *testing.T) {
				t.Parallel()
				r := seed.Random(t)
				all := newClient(t, Config{Geometry: g, Entries: 100, Arbiter: arbiter})
				var alone []*client
				for _, n := range all.arena.Names() {
					alone = append(alone, newClient(t, Config{Geometry: g, Entries: 100, Rule: n}))
				}
				for i := range 12_000 {
					n := int(r.ExpFloat64() * 150)
					if i%3 == 0 {
						n = 1000 + i/3%(90+i/3000*20) // a loop beside
					}
					k := key(n)
					q := Request{Key: k, Feed: k, Depth: uint8(k % 6), Hazard: uint8(k % 7 / 3), Cost: float32(1 + k%9)}
					write := r.IntN(25) == 0 && q.Hazard > 0
					for _, c := range append(alone, all) {
						if write {
							c.write(k)
						}
						c.read(q, 1+uint32(k+uint64(c.version[k]))%100*uint32(g.Main/500))
					}
				}
				for i, n := range all.arena.Names() {
					if diff := cmp.Diff(alone[i].arena.Composite(), all.arena.live.worlds[1+i].Counters); diff != "" {
						t.Errorf("%s alone and its shadow (-alone +shadow):\n%s", n, diff)
					}
					if s := all.arena.Standings()[i]; s.Hits != int64(alone[i].hits) {
						t.Errorf("%s hit %d alone and %d as a shadow", n, alone[i].hits, s.Hits)
					}
				}
			})
		}
	}
}

// TestTheCompositeFollowsARulerThatStays: it is then what its ruler's shadow is.
func TestTheCompositeFollowsARulerThatStays(t *testing.T) {
	r := seed.Random(t)
	c := newClient(t, Config{Geometry: Plain(100), Arbiter: "fixed"})
	for range 20_000 {
		k := key(int(r.ExpFloat64() * 200))
		c.read(Request{Key: k, Feed: k}, 1)
	}
	a := c.arena
	if diff := cmp.Diff(a.live.worlds[1+a.ruling].Counters, a.Composite()); diff != "" {
		t.Errorf("the ruler's shadow and the composite:\n%s", diff)
	}
	if a.Switches != 0 || a.Ruled[a.ruling] != 20_000 || a.Own().Hits != int64(c.hits) || a.Own().Requests != 20_000 {
		t.Errorf("%+v", a.Competition)
	}
}

func TestSampledShadowsSeeWholeFeedsOnly(t *testing.T) {
	a := newClient(t, Config{Geometry: Plain(4000), Exact: 1000, Seed: 3}).arena
	if a.rate != 4 || a.shadow == nil || len(a.live.worlds) != 1 {
		t.Fatalf("rate %d, %d live worlds", a.rate, len(a.live.worlds))
	}
	seen := 0
	for feed := range uint64(4000) {
		q := Request{Key: key(int(feed)), Feed: spread(feed)}
		before := a.Own().Requests
		for page := range 3 {
			q.Key = key(int(feed)*3 + page)
			slot, _ := a.Find(q.Key)
			a.Request(slot, &q)
			a.Fill(slot, &q, 1)
		}
		switch a.Own().Requests - before {
		case 3:
			seen++
		case 0:
		default:
			t.Fatalf("feed %d is seen in part", feed)
		}
	}
	if seen < 850 || seen > 1150 {
		t.Errorf("%d of 4,000 feeds are shadowed, want a quarter", seen)
	}
	if err := a.Check(); err != nil {
		t.Error(err)
	}
}

func TestSampledShadowsTellTheHitRatio(t *testing.T) {
	r := seed.Random(t)
	c := newClient(t, Config{Geometry: Plain(8000), Exact: 4000, Seed: r.Uint64()})
	const n = 150_000
	for range n {
		k := key(int(r.ExpFloat64() * 8000))
		c.read(Request{Key: k, Feed: k}, 1)
	}
	a := c.arena
	own, physical := float64(a.Own().Hits)/float64(a.Own().Requests), float64(c.hits)/n
	if d := own - physical; d < -.03 || d > .03 {
		t.Errorf("the composite's shadow hits %.3f, the composite %.3f", own, physical)
	}
	if err := a.Check(); err != nil {
		t.Error(err)
	}
}

// spy is an arbiter that counts what it is told.
type spy struct{ missed []int64 }

func (s *spy) Observe(o Outcome) {
	for i := range s.missed {
		s.missed[i] += int64(o.Missed >> i & 1)
	}
}

func (s *spy) Leader() int { return 0 }

func TestTheArbiterIsToldWhatEachShadowMissed(t *testing.T) {
	for name, exact := range map[string]int{"exact": 0, "sampled": 50} {
		r := seed.Random(t)
		c := newClient(t, Config{Geometry: Plain(200), Exact: exact})
		s := &spy{make([]int64, len(c.arena.Names()))}
		c.arena.arbiter = s
		for range 20_000 {
			k := key(int(r.ExpFloat64() * 300))
			c.read(Request{Key: k, Feed: k}, 1)
		}
		for i, x := range c.arena.Standings() {
			if x.Requests-x.Hits != s.missed[i] || x.Hits == 0 {
				t.Errorf("%s: %s hit %d of %d, the arbiter was told of %d misses", name, x.Name, x.Hits, x.Requests, s.missed[i])
			}
		}
	}
}

// TestIdenticalArmsNeverSwitch: with full information there is nothing to choose.
func TestIdenticalArmsNeverSwitch(t *testing.T) {
	for _, n := range strategy.Names() {
		r := seed.Random(t)
		c := newClient(t, Config{Geometry: Plain(60), Strategies: []string{n, n, n}})
		for i := range 15_000 {
			k := key(int(r.ExpFloat64()*120) + i/5000*50)
			c.read(Request{Key: k, Feed: k, Cost: float32(r.IntN(50))}, 1)
		}
		if s := c.arena.Standings(); c.arena.Switches != 0 || s[0].Hits != s[1].Hits || s[0].Hits != s[2].Hits {
			t.Errorf("%s three times: %d switches, hits %d, %d, %d", n, c.arena.Switches, s[0].Hits, s[1].Hits, s[2].Hits)
		}
	}
}

func TestConfigFaultsAreAllReported(t *testing.T) {
	_, err := New(Config{Strategies: []string{"none such"}, Arbiter: "nobody"})
	for _, want := range []string{"none such", "nobody", "no capacity"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %q", err, want)
		}
	}
	if _, err := New(Config{Geometry: Plain(10), Rule: "none such"}); err == nil {
		t.Error("an unknown rule is no error")
	}
}

// TestStandingsTellHowEachStrategyFares: alone, as exact shadows and as sampled ones.
func TestStandingsTellHowEachStrategyFares(t *testing.T) {
	for name, c := range map[string]Config{"exact": {}, "sampled": {Exact: 64}, "alone": {Rule: "balanced"}} {
		c.Geometry = Plain(200)
		r := seed.Random(t)
		client := newClient(t, c)
		for range 20_000 {
			n := int(r.ExpFloat64() * 300)
			client.read(Request{Key: key(n), Feed: key(n), Depth: uint8(n % 4)}, 1)
		}
		a := client.arena
		ruled := int64(0)
		for i, s := range a.Standings() {
			ruled += s.Ruled
			if s.Name != a.Names()[i] || s.Hits == 0 || s.Entries == 0 || s.Asked[3] == 0 || s.ClassHits[3] == 0 || s.Asked[4] != 0 {
				t.Errorf("%s: %+v", name, s)
			}
			if mean := s.Confidence / float64(s.Decisions); mean <= 0 || mean >= 1 {
				t.Errorf("%s: %s has a mean confidence of %v", name, s.Name, mean)
			}
			if c.Rule != "" && a.Own() != (Counters{}) {
				t.Errorf("%s: it rules alone, and a shadow of the composite has %+v", name, a.Own())
			}
			if c.Rule == "" && s.Requests != a.Own().Requests {
				t.Errorf("%s: %s saw %d requests, the composite's shadow %d", name, s.Name, s.Requests, a.Own().Requests)
			}
		}
		if ruled != a.Composite().Requests {
			t.Errorf("%s: ruled %d requests of %d", name, ruled, a.Composite().Requests)
		}
	}
}

// TestANewRulerBringsWhatItHasLearned: right after a change the composite, and its own shadow where
// shadows are sampled, estimate as the new ruler's shadow does.
func TestANewRulerBringsWhatItHasLearned(t *testing.T) {
	for name, exact := range map[string]int{"exact": 0, "sampled": 64} {
		r := seed.Random(t)
		c := newClient(t, Config{Geometry: Plain(200), Arbiter: "fixed", Exact: exact})
		for range 20_000 {
			k := key(int(r.ExpFloat64() * 300))
			c.read(Request{Key: k, Feed: k}, 1)
		}
		a := c.arena
		shadows := a.live
		if a.shadow != nil {
			shadows = a.shadow
		}
		ruler := (a.ruling + 1) % len(a.rules)
		tells := func(w *world) (all []float64) {
			for freq := range uint8(8) {
				for hits := range uint8(3) {
					all = append(all, w.estimator.Confidence(strategy.ClassOf(0, 0).LeaveProbation(freq, hits, 0)))
				}
			}
			return all
		}
		want := tells(shadows.worlds[1+ruler])
		if cmp.Equal(want, tells(a.live.worlds[0])) {
			t.Fatalf("%s: the strategies have learned the same", name)
		}
		a.follow(ruler)
		for _, w := range []*world{a.live.worlds[0], shadows.worlds[0]} {
			if diff := cmp.Diff(want, tells(w)); diff != "" {
				t.Errorf("%s: the new ruler's shadow and the composite:\n%s", name, diff)
			}
		}
	}
}

// TestWhatMovesNothingIsNotScored: while main has room, whatever leaves probation goes there.
func TestWhatMovesNothingIsNotScored(t *testing.T) {
	c := newClient(t, Config{Geometry: Plain(100), Rule: "balanced"})
	for i := range 1000 {
		k := key(i % 80)
		c.read(Request{Key: k, Feed: k}, 1)
	}
	if n := c.arena.Calibration().N(); n != 0 || c.arena.Composite().Decisions == 0 {
		t.Errorf("%d statements scored of %d decisions", n, c.arena.Composite().Decisions)
	}
	for i := range 1000 {
		k := key(i % 300)
		c.read(Request{Key: k, Feed: k}, 1)
	}
	if c.arena.Calibration().N() == 0 {
		t.Error("nothing is scored")
	}
}

// TestEveryFillHasAConfidence: of five fills that nothing is known of five statements await their
// outcome, and one less once a unit is asked for again. Shadows state nothing.
func TestEveryFillHasAConfidence(t *testing.T) {
	for _, rule := range []string{"", "balanced"} {
		c := newClient(t, Config{Geometry: Plain(100), Rule: rule})
		read := func(n int) { c.read(Request{Key: key(n), Feed: key(n)}, 1) }
		w := c.arena.live.worlds[0]
		want := new(strategy.Calibrator).State(strategy.Fresh, strategy.ClassOf(0, 0), 0, 0, 0, 0, false)
		for i := range 5 {
			read(i)
		}
		if slot, _ := c.arena.Find(key(0)); w.told(w.view(slot))[fill] != want {
			t.Errorf("rule %q: the first fill is not stated to be fresh", rule)
		}
		if n, _ := w.calibrator.Open(); n != 5 {
			t.Errorf("rule %q: %d statements await their outcome, want 5", rule, n)
		}
		read(2)
		if n, _ := w.calibrator.Open(); n != 4 || w.Decisions != 0 {
			t.Errorf("rule %q: %d statements await their outcome, want 4; %d decisions", rule, n, w.Decisions)
		}
	}
}

// TestStatementsTellTheCreditAtTheTails: two hits in probation.
func TestStatementsTellTheCreditAtTheTails(t *testing.T) {
	c := newClient(t, Config{Geometry: Plain(100), Rule: "balanced"})
	for range 3 {
		c.read(Request{Key: key(1), Feed: key(1)}, 1)
	}
	slot, _ := c.arena.Find(key(1))
	w := c.arena.live.worlds[0]
	v := w.view(slot)
	cell := v.class.LeaveProbation(1, v.hits, 0)
	w.clock = 2 * strategy.TicksPerLap
	for range 100 { // open for a lap: what is sober to state is not what a rule acts on
		w.estimator.Watch(cell, w.clock-strategy.TicksPerLap)
	}
	for m, credit := range map[strategy.Moment]uint8{strategy.Fill: 0, strategy.LeaveProbation: 2, strategy.MainTail: 2} {
		w.tell(v, cell, m, 1)
		want := w.calibrator.State(m, v.class, 1, credit, w.estimator.Sober(cell, w.clock), w.clock, false)
		if got := w.told(v)[kindOf(m)]; got != want {
			t.Errorf("moment %d: stated %b, with credit %d it would be %b", m, got, credit, want)
		}
	}
}

// TestOneFillWritesFewUnitsAgain: main full of units that all were hit.
func TestOneFillWritesFewUnitsAgain(t *testing.T) {
	c := newClient(t, Config{Geometry: Plain(300), Rule: "aggressive"})
	read := func(n int) { c.read(Request{Key: key(n), Feed: key(n)}, 1) }
	for range 3 {
		for n := range 300 {
			read(n)
		}
	}
	most := int64(0)
	for n := range 100 {
		before := c.arena.Composite().Moved
		read(1000 + n)
		most = max(most, c.arena.Composite().Moved-before)
	}
	if most < maxMoves || most > maxMoves+1 {
		t.Errorf("one fill wrote %d units again, want %d and what left probation", most, maxMoves)
	}
}

// TestOnlyTheHopelessAreStoredNowhere: threatened by writes, after few noes and after many.
func TestOnlyTheHopelessAreStoredNowhere(t *testing.T) {
	for noes, want := range map[int]place{6: inProbation, 1000: nowhere} {
		c := newClient(t, Config{Geometry: Plain(100), Rule: "conservative"})
		r := Request{Key: key(1), Feed: key(1), Hazard: 2}
		c.read(r, 1)
		slot, _ := c.arena.Find(r.Key)
		w := c.arena.live.worlds[0]
		w.clock = 2 * strategy.TicksPerLap
		v := w.view(slot)
		v.hits, v.at = 0, w.clock
		cell := v.class.Fill(w.before(v), 0, 0, v.has(fromMain))
		for range noes {
			w.estimator.Learn(cell, false)
		}
		if got := w.destination(v); got != want {
			t.Errorf("%d noes: to place %d, want %d", noes, got, want)
		}
	}
}

// eavesdropper is a rule that notes the cells that it is asked about.
type eavesdropper struct {
	*state
	asked [3]strategy.Cell // by moment
}

func (e *eavesdropper) Decide(c strategy.Candidate) strategy.Verdict {
	kind := stay
	if c.Moment == strategy.Fill {
		kind = fill
	}
	e.asked[c.Moment] = e.cells[kind]
	return strategy.Reject
}

// TestAUnitIsJudgedByItsOwnEvidence: each piece of it another number, with and without a hit.
func TestAUnitIsJudgedByItsOwnEvidence(t *testing.T) {
	c := newClient(t, Config{Geometry: Plain(100), Rule: "balanced"})
	c.read(Request{Key: key(1), Feed: key(1), Depth: 3, Hazard: 1}, 1)
	slot, _ := c.arena.Find(key(1))
	w := c.arena.live.worlds[0]
	w.clock, w.hands = 4*strategy.TicksPerLap, [2]uint8{100, 200}
	v := w.view(slot)
	rule := &eavesdropper{state: v.state}
	w.rule = rule
	class := strategy.ClassOf(3, 1)
	for _, hits := range []uint8{0, 3} {
		age := uint8(4)
		if hits > 0 {
			age = 2
		}
		for _, flag := range []uint8{hitEarlier, fromMain} {
			know := func(p place) {
				v.freq, v.hits, v.hitAt, v.flags, v.at = 6, hits, w.hands[0]-2*16, flag|1, w.clock-strategy.TicksPerLap/4
				if v.place = p; p == inMain {
					v.hitAt = w.hands[1] - 2*16
				}
			}
			know(inProbation)
			w.leaveProbation(v, v.index)
			know(inGhost)
			w.destination(v)
			know(inMain)
			w.leaveMain(v, v.index, true)
			want := [3]strategy.Cell{
				strategy.Fill:           class.Fill(5, hits, 1, flag == fromMain),
				strategy.LeaveProbation: class.LeaveProbation(6, hits, age),
				strategy.MainTail:       class.MainTail(6, 1, age, flag == hitEarlier),
			}
			if rule.asked != want {
				t.Errorf("%d hits, flag %d: cells %d, want %d", hits, flag, rule.asked, want)
			}
		}
	}
}
