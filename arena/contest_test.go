package arena

import (
	"fmt"
	"math"
	"testing"

	"github.com/foliocache/folio/internal/seed"
)

// contest replays keys of objects through a competition and returns the hit ratios of the
// composite and of every shadow.
func contest(t *testing.T, entries int64, keys []int) (composite float64, arms map[string]float64, a *Arena) {
	t.Helper()
	c := newClient(t, Config{Geometry: Plain(entries)})
	for _, n := range keys {
		c.read(Request{Key: key(n), Feed: key(n)}, 1)
	}
	if err := c.arena.Check(); err != nil {
		t.Error(err)
	}
	arms = map[string]float64{}
	for _, s := range c.arena.Standings() {
		arms[s.Name] = float64(s.Hits) / float64(len(keys))
	}
	return float64(c.hits) / float64(len(keys)), arms, c.arena
}

// extremes returns the best and the worst of the arms.
func extremes(arms map[string]float64) (best, worst float64) {
	worst = 1
	for _, h := range arms {
		best, worst = max(best, h), min(worst, h)
	}
	return best, worst
}

// fifo returns the hit ratio of a plain FIFO.
func fifo(entries int, keys []int) float64 {
	held, queue, hits := map[int]bool{}, []int{}, 0
	for _, k := range keys {
		if held[k] {
			hits++
			continue
		}
		if len(queue) == entries {
			delete(held, queue[0])
			queue = queue[1:]
		}
		held[k] = true
		queue = append(queue, k)
	}
	return float64(hits) / float64(len(keys))
}

// stream makes n keys.
func stream(n int, next func(i int) int) []int {
	keys := make([]int, n)
	for i := range keys {
		keys[i] = next(i)
	}
	return keys
}

const crowd = 1 << 24 // keys from here on are asked for once

func TestCompositeIsNearTheBestArmOnLoops(t *testing.T) {
	for _, part := range []int{90, 110, 130} {
		t.Run(fmt.Sprintf("%d%% of the capacity", part), func(t *testing.T) {
			t.Parallel()
			const entries = 500
			keys := stream(120*entries, func(i int) int { return i % (entries * part / 100) })
			got, arms, a := contest(t, entries, keys)
			best, _ := extremes(arms)
			t.Logf("%.4f, %d switches, %v", got, a.Switches, arms)
			if got < best-.05 {
				t.Errorf("hits %.3f, the best of %v", got, arms)
			}
			if part > 100 && got < fifo(entries, keys)+.2 {
				t.Errorf("hits %.3f: nothing of the loop is held", got)
			}
		})
	}
}

func TestOneHitWondersDoNotDisplaceTheHot(t *testing.T) {
	for _, share := range []int{50, 70} {
		t.Run(fmt.Sprintf("%d%% are asked for once", share), func(t *testing.T) {
			t.Parallel()
			r := seed.From(t, 1)
			const entries = 500
			keys := stream(60_000, func(i int) int {
				if r.IntN(100) < share {
					return crowd + i
				}
				return int(r.ExpFloat64() * entries / 3)
			})
			got, arms, _ := contest(t, entries, keys)
			best, _ := extremes(arms)
			t.Logf("%.4f, FIFO %.4f, %v", got, fifo(entries, keys), arms)
			if got < best-.025 || got < fifo(entries, keys)+.01 {
				t.Errorf("hits %.3f, FIFO %.3f, arms %v", got, fifo(entries, keys), arms)
			}
		})
	}
}

// TestLargeUnitsMakeRoomForManySmallOnes: where all are asked for alike, most of the small ones stay; but one that is
// asked for all the time stays, however large it is.
func TestLargeUnitsMakeRoomForManySmallOnes(t *testing.T) {
	const small, large, hot = 400, 100, 500
	for _, rule := range []string{"", "aggressive", "balanced", "conservative"} {
		c, r := newClient(t, Config{Geometry: Plain(1000), Rule: rule}), seed.Random(t)
		var hits, reads [3]float64
		for i := range 60_000 {
			n, kind, size := r.IntN(small+large), 0, uint32(1)
			switch {
			case i%10 == 0:
				n, kind, size = hot, 2, 20
			case n >= small:
				kind, size = 1, 20
			}
			hit := c.read(Request{Key: key(n), Feed: key(n)}, size)
			if i < 20_000 {
				continue
			}
			if reads[kind]++; hit {
				hits[kind]++
			}
		}
		if few, many := hits[0]/reads[0], hits[2]/reads[2]; few < .75 || many < .9 {
			t.Errorf("%q: hits %.2f of the small, %.2f of the large, %.2f of the hot one", rule, few, hits[1]/reads[1], many)
		}
	}
}

func TestAScanLeavesTheHotInPlace(t *testing.T) {
	r := seed.From(t, 1)
	const entries, period = 500, 3000
	keys := stream(60_000, func(i int) int {
		if i%period >= period-2*entries { // a scan twice as long as the cache
			return crowd + i
		}
		return int(r.ExpFloat64() * entries / 4)
	})
	got, arms, _ := contest(t, entries, keys)
	best, _ := extremes(arms)
	t.Logf("%.4f, FIFO %.4f, %v", got, fifo(entries, keys), arms)
	if got < best-.02 || got < fifo(entries, keys)+.02 {
		t.Errorf("hits %.3f, FIFO %.3f, arms %v", got, fifo(entries, keys), arms)
	}
}

func TestSlackRingEqualsFIFO(t *testing.T) {
	r := seed.From(t, 1)
	const entries = 1000
	keys := stream(60_000, func(int) int { return r.IntN(entries * 8 / 10) })
	got, arms, a := contest(t, entries, keys)
	want := fifo(entries, keys)
	_, worst := extremes(arms)
	if d := got - want; d < -.001 || d > .001 || worst < want-.001 {
		t.Errorf("hits %.4f, FIFO %.4f, arms %v", got, want, arms)
	}
	if c := a.Composite(); c.Evicted != 0 {
		t.Errorf("evicts where there is room: %+v", c)
	}
}

func TestAlternationIsNeverWorseThanTheWorstArm(t *testing.T) {
	for _, laps := range []float64{.5, 1, 2, 4} {
		t.Run(fmt.Sprintf("every %v laps", laps), func(t *testing.T) {
			t.Parallel()
			r := seed.From(t, 1)
			const entries = 500
			phase := int(laps * entries)
			keys := stream(50_000, func(i int) int {
				if i/phase%2 == 0 {
					return i % (entries * 13 / 10)
				}
				return entries*2 + int(r.ExpFloat64()*entries/4)
			})
			got, arms, a := contest(t, entries, keys)
			best, worst := extremes(arms)
			t.Logf("%.4f, %d switches in %.0f laps, %v", got, a.Switches, a.Lap(), arms)
			if got < worst || got < best-.06 {
				t.Errorf("hits %.3f, arms %v", got, arms)
			}
			if float64(a.Switches) > a.Lap()+1 {
				t.Errorf("%d switches in %.1f laps", a.Switches, a.Lap())
			}
		})
	}
}

// TestConfidencePoisoningDoesNotPay: every key of the crowd is asked for twice and never again.
func TestConfidencePoisoningDoesNotPay(t *testing.T) {
	r := seed.From(t, 1)
	const entries = 500
	last := 0
	keys := stream(60_000, func(i int) int {
		switch i % 4 {
		case 0:
			last = crowd + i
			return last
		case 1:
			return last
		}
		return int(r.ExpFloat64() * entries / 2)
	})
	got, arms, _ := contest(t, entries, keys)
	best, _ := extremes(arms)
	if got < best-.025 || got < fifo(entries, keys)+.01 {
		t.Errorf("hits %.3f, FIFO %.3f, arms %v", got, fifo(entries, keys), arms)
	}
}

// TestWriteStormStarvesNobody: a third of the reads of the hot keys find them written to.
func TestWriteStormStarvesNobody(t *testing.T) {
	r := seed.From(t, 1)
	const entries, n = 500, 60_000
	c := newClient(t, Config{Geometry: Plain(entries)})
	for i := range n {
		k := key(int(r.ExpFloat64() * entries))
		storm := i > n/4 && i < 3*n/4
		q := Request{Key: k, Feed: k}
		if storm && k%2 == 0 {
			q.Hazard = 2
			if r.IntN(3) == 0 {
				c.write(k)
			}
		}
		c.read(q, 1)
	}
	if err := c.arena.Check(); err != nil {
		t.Error(err)
	}
	got := float64(c.hits) / n
	for _, s := range c.arena.Standings() {
		name, arm := s.Name, float64(s.Hits)/n
		t.Logf("%s %.4f, composite %.4f", name, arm, got)
		if name == "aggressive" && got < arm-.01 || got < arm-.02 {
			t.Errorf("hits %.3f, %s %.3f", got, name, arm)
		}
	}
}

// judged feeds an arbiter requests that only some arms miss.
func judged(a Arbiter, n int, lap *float64, missed uint32) {
	for range n {
		*lap += .002
		a.Observe(Outcome{Missed: missed, Cost: 1, Lap: *lap})
	}
}

// half is what newTestHedge's half a cache-full comes to, in whole steps of the share.
const half = 512

// judgedBlock feeds an arbiter a block of requests of which only some arms miss the first n.
func judgedBlock(a Arbiter, n int, lap *float64, missed uint32) {
	judged(a, n, lap, missed)
	judged(a, half-n, lap, 0)
}

func newTestHedge(t *testing.T) Arbiter {
	t.Helper()
	a, err := newArbiter("hedge", ArbiterConfig{Arms: []string{"a", "b", "c"}, Entries: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAClearlyBetterChallengerTakesOver(t *testing.T) {
	a, lap := newTestHedge(t), 0.0
	judged(a, 2000, &lap, 0b101) // b alone hits
	if a.Leader() != 1 {
		t.Fatalf("leader %d", a.Leader())
	}
	judged(a, 4000, &lap, 0b011) // now c alone does
	if a.Leader() != 2 {
		t.Errorf("leader %d", a.Leader())
	}
}

// TestARulerThatWritesNothingIsReplaced: under one-hit wonders a strict ruler leaves main alone,
// so that its laps stand still while a challenger earns.
func TestARulerThatWritesNothingIsReplaced(t *testing.T) {
	a, lap := newTestHedge(t), 1.02
	for range 100_000 {
		a.Observe(Outcome{Missed: 0b101, Cost: 1, Lap: lap})
	}
	if a.Leader() != 1 {
		t.Errorf("after 100 cache-fulls of requests that only b hits, %d leads", a.Leader())
	}
}

// TestALostPhaseIsForgiven: after a long phase of b, as many laps are not needed to come back.
func TestALostPhaseIsForgiven(t *testing.T) {
	a, lap := newTestHedge(t), 0.0
	judged(a, 300_000, &lap, 0b110) // a
	judged(a, 100_000, &lap, 0b101) // b
	if a.Leader() != 1 {
		t.Fatalf("leader %d", a.Leader())
	}
	n := 0
	for ; a.Leader() != 0 && n < 100_000; n += 64 {
		judged(a, 64, &lap, 0b110)
	}
	if n > 10_000 {
		t.Errorf("a comes back only after %d requests", n)
	}
}

func TestASmallLeadDoesNotTakeOver(t *testing.T) {
	a, lap := newTestHedge(t), 10.0
	first := a.Leader()
	h := a.(*hedge)
	judged(a, int(.5/h.eta), &lap, 1<<first) // half a lead
	if a.Leader() != first {
		t.Errorf("leader %d", a.Leader())
	}
	for range 200 { // noise: turn and turn about
		judged(a, 64, &lap, 0b110)
		judged(a, 64, &lap, 0b101)
		judged(a, 64, &lap, 0b011)
	}
	if a.Leader() != first {
		t.Errorf("noise made %d the leader", a.Leader())
	}
}

// TestASmallLeadTakesOverIfItIsSteady: half a lead, won a little in every block or all in one.
func TestASmallLeadTakesOverIfItIsSteady(t *testing.T) {
	for _, c := range []struct {
		what   string
		blocks int // of 512 requests, in which the 75 misses of half a lead are spread
		want   int
	}{{"in one block", 1, 0}, {"in two blocks", 2, 0}, {"in eight blocks", 8, 1}} {
		a, lap := newTestHedge(t), 10.0
		for range c.blocks {
			judgedBlock(a, 75/c.blocks, &lap, 0b101)
		}
		judged(a, 1000, &lap, 0)
		if a.Leader() != c.want {
			t.Errorf("%s: leader %d, want %d", c.what, a.Leader(), c.want)
		}
	}
}

// TestASteadyTrickleIsNoLead: what is won in twenty blocks, but hardly anything.
func TestASteadyTrickleIsNoLead(t *testing.T) {
	a, lap := newTestHedge(t), 10.0
	for range 20 {
		judgedBlock(a, 1, &lap, 0b101)
	}
	if a.Leader() != 0 {
		t.Errorf("leader %d after 20 misses in 20 blocks", a.Leader())
	}
}

// TestALostLeadIsForgotten: the ups and downs before a strategy was last behind say nothing of
// how steadily it gains now.
func TestALostLeadIsForgotten(t *testing.T) {
	a, lap := newTestHedge(t), 10.0
	for range 20 {
		judgedBlock(a, 100, &lap, 0b101)
		judgedBlock(a, 101, &lap, 0b110)
	}
	if a.Leader() != 0 {
		t.Fatalf("leader %d", a.Leader())
	}
	for range 10 {
		judgedBlock(a, 12, &lap, 0b101)
	}
	if a.Leader() != 1 {
		t.Errorf("leader %d after ten blocks of small gains", a.Leader())
	}
}

// TestASteadyLeadOverTheLastRulerIsNoneOverThis: b and c gain steadily on a and c takes over;
// the next thing that b hits and c does not makes b no ruler, however fast laps go by.
func TestASteadyLeadOverTheLastRulerIsNoneOverThis(t *testing.T) {
	a, lap := newTestHedge(t), 10.0
	for n := 0; a.Leader() == 0; n++ {
		judged(a, 9, &lap, 0b001)
		judged(a, 1, &lap, 0b011)
		for i := 10; i < half && a.Leader() == 0; i++ {
			judged(a, 1, &lap, 0)
		}
		if n > 10 {
			t.Fatal("nobody takes over")
		}
	}
	lap += 2
	judged(a, 20, &lap, 0b101)
	judged(a, 64, &lap, 0)
	if a.Leader() != 2 {
		t.Errorf("leader %d, barely ahead", a.Leader())
	}
}

// TestNoTwoSwitchesWithinTheDwell: the better arm alternates faster than contents can follow.
func TestNoTwoSwitchesWithinTheDwell(t *testing.T) {
	a, lap, last := newTestHedge(t), 2.0, 0.0
	leader, switches := a.Leader(), 0
	for i := range 400_000 {
		lap += .0001 // a lap is 10,000 requests, in which a clear lead is won several times over
		a.Observe(Outcome{Missed: []uint32{0b101, 0b011, 0b110}[i/1500%3], Cost: 1, Lap: lap})
		if l := a.Leader(); l != leader {
			if lap-last < hedgeDwell {
				t.Fatalf("switches at lap %.2f and at lap %.2f", last, lap)
			}
			leader, last = l, lap
			switches++
		}
	}
	if switches < 10 {
		t.Errorf("%d switches", switches)
	}
}

func TestRequestsThatAllMissOrAllHitTeachNothing(t *testing.T) {
	a, lap := newTestHedge(t), 0.0
	judged(a, 5000, &lap, 0)
	judged(a, 5000, &lap, 0b111)
	for _, arm := range a.(*hedge).arms {
		if math.Abs(arm.weight) > 1e-9 {
			t.Errorf("weights %v", a.(*hedge).arms)
		}
	}
}

// phaseOf replays n requests for objects and returns the hit ratios of the composite and of the
// strategy that was best in them.
func phaseOf(c *client, n int, object func(i int) int) (got, best float64) {
	hits, before := c.hits, c.arena.Standings()
	for i := range n {
		k := key(object(i))
		c.read(Request{Key: k, Feed: k}, 1)
	}
	for i, s := range c.arena.Standings() {
		best = max(best, float64(s.Hits-before[i].Hits)/float64(n))
	}
	return float64(c.hits-hits) / float64(n), best
}

// TestPhaseChangeComesBack: loop, hot set, loop again; each phase long.
func TestPhaseChangeComesBack(t *testing.T) {
	r := seed.From(t, 1)
	const entries, phase = 300, 30_000
	c := newClient(t, Config{Geometry: Plain(entries)})
	var best, got [3]float64
	for p := range 3 {
		got[p], best[p] = phaseOf(c, phase, func(i int) int {
			if p == 1 {
				return crowd + int(r.ExpFloat64()*entries)
			}
			return i % (entries * 12 / 10)
		})
		if got[p] < best[p]-.08 {
			t.Errorf("phase %d: hits %.3f, the best arm %.3f", p, got[p], best[p])
		}
	}
	t.Logf("got %.3f, best %.3f, %d switches", got, best, c.arena.Switches)
}

// TestTheCompositeLearnsInItsOwnContents: a loop hardly longer than the cache after a hot set. What
// the ruler's shadow knows of the part of the loop that it holds is no guide to a composite that
// holds nothing of it yet: by that it hit .39 where the best arm hits .90.
func TestTheCompositeLearnsInItsOwnContents(t *testing.T) {
	r := seed.From(t, 1)
	const entries, phase = 400, 8000
	c := newClient(t, Config{Geometry: Plain(entries)})
	phaseOf(c, phase, func(int) int { return crowd + int(r.ExpFloat64()*entries) })
	got, best := phaseOf(c, phase, func(i int) int { return i % (entries + 3) })
	t.Logf("got %.3f, best %.3f, %d switches", got, best, c.arena.Switches)
	if got < best-.3 {
		t.Errorf("hits %.3f, the best arm %.3f", got, best)
	}
}
