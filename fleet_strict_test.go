package folio_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/foliotest"
	"github.com/foliocache/folio/internal/seed"
	"github.com/foliocache/folio/tier"
)

// register is what a scope's rows are to their readers: one value, whatever page it is read from, and wherever.
var register = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		if n := input.(int); n > 0 { // a write
			return true, n
		}
		return output == state, state
	},
}

// distant is a tier that takes a while each way, and where it is cut off refuses what it has done or not.
type distant struct {
	*tier.Memory
	cut *atomic.Bool
}

// fail cuts the way off now and then.
func (d *distant) fail() {
	for range 5 {
		nap(60 * time.Millisecond)
		d.cut.Store(true)
		nap(60 * time.Millisecond)
		d.cut.Store(false)
	}
}

func nap(most time.Duration) { time.Sleep(time.Duration(rand.Int64N(int64(most)))) }

func away[T any](d *distant, do func() (T, error)) (v T, err error) {
	nap(3 * time.Millisecond)
	if d.cut.Load() && rand.IntN(2) == 0 {
		return v, errRefused
	}
	v, err = do()
	nap(3 * time.Millisecond)
	if d.cut.Load() {
		return v, errRefused
	}
	return v, err
}

func (d *distant) Read(ctx context.Context, q tier.Question) (tier.Answer, error) {
	return away(d, func() (tier.Answer, error) { return d.Memory.Read(ctx, q) })
}

func (d *distant) Write(ctx context.Context, by string, after tier.Moment, values []tier.Value) error {
	_, err := away(d, func() (int, error) { return 0, d.Memory.Write(ctx, by, after, values) })
	return err
}

func (d *distant) Bump(ctx context.Context, by string, tags []uint64) (tier.Moment, error) {
	return away(d, func() (tier.Moment, error) { return d.Memory.Bump(ctx, by, tags) })
}

func (d *distant) Hold(ctx context.Context, by string, tags []uint64, life time.Duration) (tier.Moment, error) {
	return away(d, func() (tier.Moment, error) { return d.Memory.Hold(ctx, by, tags, life) })
}

func (d *distant) Release(ctx context.Context, by string, tags []uint64) (tier.Moment, error) {
	return away(d, func() (tier.Moment, error) { return d.Memory.Release(ctx, by, tags) })
}

func (d *distant) Follow(ctx context.Context, since tier.Mark) (tier.Log, error) {
	defer nap(40 * time.Millisecond) // the log is late
	return away(d, func() (tier.Log, error) { return d.Memory.Follow(ctx, since) })
}

// slowly loads pages of a value, which it looks at some time meanwhile.
func slowly(value *atomic.Int64) func(context.Context, folio.Query, folio.Range) ([]int, error) {
	return func(_ context.Context, _ folio.Query, r folio.Range) ([]int, error) {
		nap(6 * time.Millisecond)
		n := int(value.Load())
		nap(6 * time.Millisecond)
		return slices.Repeat([]int{n}, r.Limit), nil
	}
}

// history runs readers and writers of one scope on three instances, and returns what they saw. write commits, and tells
// the instance. faults: each way to the tier is cut off now and then.
func history(t *testing.T, r *rand.Rand, strict, faults bool, write func(l *folio.List[int], commit func()) error) (ops []porcupine.Operation) {
	shared := tier.NewMemory(2)
	var value, clock, shares atomic.Int64
	var mu sync.Mutex // of ops
	var all sync.WaitGroup
	var caches []*folio.Cache
	for instance := range 3 {
		way := &distant{shared, new(atomic.Bool)}
		cache, _ := foliotest.New(t, func(c *folio.Config) { c.Tier, c.Now, c.Lease = way, time.Now, 500*time.Millisecond })
		caches = append(caches, cache)
		l, err := folio.NewList(cache, folio.ListConfig[int]{Name: "rows", Limit: 1, Strict: strict, Load: slowly(&value)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		run := func(client int, each func(r *rand.Rand) (in, out int)) {
			r := rand.New(rand.NewPCG(r.Uint64(), uint64(client)))
			all.Go(func() {
				for range 25 {
					nap(10 * time.Millisecond)
					op := porcupine.Operation{ClientId: client, Call: clock.Add(1)}
					in, out := each(r)
					op.Input, op.Output, op.Return = in, out, clock.Add(1)
					mu.Lock()
					ops = append(ops, op)
					mu.Unlock()
				}
			})
		}
		if instance < 2 {
			run(5*instance, func(*rand.Rand) (in, _ int) {
				nap(60 * time.Millisecond)
				if err := write(l, func() { nap(6 * time.Millisecond); in = int(value.Add(1)); nap(6 * time.Millisecond) }); err != nil && !errors.Is(err, folio.ErrPending) {
					t.Error(err)
				}
				return in, 0
			})
		}
		for client := range 4 {
			run(5*instance+1+client, func(r *rand.Rand) (_, out int) {
				q, err := l.Query(folio.Params{Scope: folio.Public, Page: 1 + r.IntN(3)})
				if err != nil {
					t.Error(err)
				}
				p, err := l.Page(t.Context(), q)
				if err != nil || len(p.Items) != 1 {
					t.Errorf("got %v, %v", p, err)
					return 0, 0
				}
				if p.Source == folio.Shared {
					shares.Add(1)
				}
				return 0, p.Items[0]
			})
		}
		if faults {
			all.Go(way.fail)
		}
	}
	all.Wait()
	for _, c := range caches {
		if n := c.Stats().Memory.Live; strict && n > 0 {
			t.Errorf("%d bytes in memory of a list that is not answered from there", n)
		}
	}
	if shares.Load() == 0 && strict && !faults {
		t.Error("nothing was shared")
	}
	return ops
}

// TestStrictListsAreLinearizable: on all instances together, if writes are announced, also where the tier fails now and
// then: a writer that cannot announce does not commit. Lists that are not strict are not, nor are writes that are only told
// of: else the test would see nothing.
func TestStrictListsAreLinearizable(t *testing.T) {
	r := seed.Random(t)
	announced := func(l *folio.List[int], commit func()) error {
		for {
			i, err := l.Intend(context.Background(), folio.Public)
			if err == nil {
				commit()
				return i.Done()
			}
			if err := i.Done(); err != nil && !errors.Is(err, folio.ErrPending) {
				return err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	told := func(l *folio.List[int], commit func()) error {
		commit()
		nap(20 * time.Millisecond)
		_, err := l.Invalidate(context.Background(), folio.Public)
		return err
	}
	bad := map[string]int{}
	const histories = 40
	for range histories {
		for name, c := range map[string]struct {
			strict, faults bool
			write          func(*folio.List[int], func()) error
		}{"strict": {true, false, announced}, "strict, with faults": {true, true, announced}, "strict, told": {true, false, told}, "not strict": {false, false, announced}} {
			synctest.Test(t, func(t *testing.T) {
				ops := history(t, r, c.strict, c.faults, c.write)
				if !porcupine.CheckOperations(register, ops) {
					bad[name]++
				}
			})
		}
	}
	if bad["strict"] > 0 || bad["strict, with faults"] > 0 || bad["strict, told"] == 0 || bad["not strict"] == 0 {
		t.Errorf("of %d histories are not linearizable: %v", histories, bad)
	}
	t.Log(bad)
}
