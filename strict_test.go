package folio

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

	"github.com/foliocache/folio/internal/seed"
)

// register is what a scope's rows are to their readers: one value, whatever page it is read from.
var register = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		if n := input.(int); n > 0 { // a write
			return true, n
		}
		return output == state, state
	},
}

// history runs readers and writers of one scope against slow loads and evictions, and returns what
// they saw. write commits, and tells the cache.
func history(t *testing.T, r *rand.Rand, write func(l *List[int], commit func()) error) (ops []porcupine.Operation) {
	c := open(t, small())
	var value, clock atomic.Int64
	nap := func(r *rand.Rand) { time.Sleep(time.Duration(r.IntN(12_000)) * time.Microsecond) }
	var mu sync.Mutex // of what follows, and of ops
	took := rand.New(rand.NewPCG(r.Uint64(), 0))
	l, err := NewList(c, ListConfig[int]{Name: "rows", Limit: 1, Load: func(_ context.Context, _ Query, r Range) ([]int, error) {
		mu.Lock()
		before, after := took.IntN(6000), took.IntN(6000)
		mu.Unlock()
		time.Sleep(time.Duration(before) * time.Microsecond)
		n := int(value.Load())
		time.Sleep(time.Duration(after) * time.Microsecond)
		return slices.Repeat([]int{n}, r.Limit), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	run := func(client int, each func(r *rand.Rand) (in, out int)) {
		r := rand.New(rand.NewPCG(r.Uint64(), uint64(client)))
		all.Go(func() {
			for range 12 {
				nap(r)
				op := porcupine.Operation{ClientId: client, Call: clock.Add(1)}
				in, out := each(r)
				op.Input, op.Output, op.Return = in, out, clock.Add(1)
				mu.Lock()
				ops = append(ops, op)
				mu.Unlock()
			}
		})
	}
	for client := range 6 {
		if client < 2 {
			run(client, func(r *rand.Rand) (in, _ int) {
				if err := write(l, func() { nap(r); in = int(value.Add(1)); nap(r) }); err != nil {
					t.Error(err)
				}
				return in, 0
			})
			continue
		}
		run(client, func(r *rand.Rand) (_, out int) {
			q, err := l.Query(Params{Scope: someone, Page: 1 + r.IntN(3)})
			if err != nil {
				t.Error(err)
			}
			if r.IntN(10) == 0 { // evicted
				c.mu.Lock()
				c.store.Delete(q.known.id.key)
				c.mu.Unlock()
			}
			p, err := l.Page(background, q)
			if err != nil || len(p.Items) != 1 {
				t.Errorf("got %v, %v", p, err)
				return 0, 0
			}
			return 0, p.Items[0]
		})
	}
	all.Wait()
	return ops
}

// TestReadsAmongAnnouncedWritesAreLinearizable: all pages of a scope are as one register, if writes
// are announced. If they are only told after the commit, they are not: else the test would see nothing.
func TestReadsAmongAnnouncedWritesAreLinearizable(t *testing.T) {
	r := seed.Random(t)
	bad := map[string]int{}
	const histories = 40
	for range histories {
		for name, write := range map[string]func(l *List[int], commit func()) error{
			"announced": func(l *List[int], commit func()) error {
				i, err := l.Intend(background, someone)
				if err != nil {
					return err
				}
				commit()
				return i.Done()
			},
			"told": func(l *List[int], commit func()) error {
				commit()
				_, err := l.Invalidate(background, someone)
				return err
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				ops := history(t, r, write)
				if !porcupine.CheckOperations(register, ops) {
					bad[name]++
				}
			})
		}
	}
	if bad["announced"] > 0 || bad["told"] == 0 {
		t.Errorf("of %d histories are not linearizable: %v", histories, bad)
	}
	t.Log(bad)
}

// TestAnIntentEnds: with Done, with its context, or never begins.
func TestAnIntentEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		if err := c.Depend("report", "event:1"); err != nil {
			t.Fatal(err)
		}
		l, origin := tickets(t, c, func(c *ListConfig[row]) { c.Tags = func(Query) []Tag { return []Tag{"report"} } })
		q := parse(t, l, someone, "")
		loads := func(want int64) {
			t.Helper()
			before := origin.loads.Load()
			for range 3 {
				if _, err := l.Page(background, q); err != nil {
					t.Fatal(err)
				}
			}
			if n := origin.loads.Load() - before; n != want {
				t.Errorf("%d loads, want %d", n, want)
			}
		}
		loads(1)
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		first, err := c.Intend(ctx, "event:1", "event:1")
		if err != nil {
			t.Fatal(err)
		}
		loads(3)
		second, err := l.Intend(background, someone)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := second.Done(); err != nil {
				t.Fatal(err)
			}
		}
		stored := c.Stats().Stored
		loads(3) // the first one lasts
		if n := c.Stats().Stored - stored; n > 0 {
			t.Errorf("%d pages stored that nobody will be served", n)
		}
		if err := c.Depend("late", "event:1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + time.Second)
		loads(1)
		if n := c.core.Stamp(c.number("late")).N; n != 2 {
			t.Errorf("what depends on it since is bumped %d times, want at once and at the end", n)
		}
		if err := first.Done(); err != nil {
			t.Fatal(err)
		}
		loads(0)
	})
}

func TestAnIntentOfAClosedCacheOrOfNobodyIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		l, _ := tickets(t, c, nil)
		if _, err := l.Intend(background, Scope{}); !errors.Is(err, ErrQuery) {
			t.Errorf("no scope: %v", err)
		}
		third, err := c.Intend(background, "report")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(background); err != nil {
			t.Fatal(err)
		}
		if err := third.Done(); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Intend(background, "report"); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// TestNoReadAmongAWriteJoinsAnothersLoad: it may have begun before the commit. That of a list whose
// rows have tags might depend on whatever is written.
func TestNoReadAmongAWriteJoinsAnothersLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		var loads atomic.Int64
		config := ListConfig[int]{Name: "plain", Load: func(context.Context, Query, Range) ([]int, error) {
			loads.Add(1)
			time.Sleep(time.Second)
			return []int{1}, nil
		}}
		for _, s := range []struct {
			name    string
			rowTags func(int) []Tag
			writes  Tag
			loads   int64
		}{{"plain", nil, "plain:user:1", 4}, {"plain", nil, "row:1", 1}, {"tagged", func(int) []Tag { return []Tag{"row:1"} }, "row:1", 4}} {
			config.Name, config.RowTags = s.name+string(s.writes), s.rowTags
			if s.name == "plain" {
				config.Tags = func(Query) []Tag { return []Tag{"plain:user:1"} }
			}
			l, err := NewList(c, config)
			if err != nil {
				t.Fatal(err)
			}
			q, err := l.Query(Params{Scope: someone})
			if err != nil {
				t.Fatal(err)
			}
			i, err := c.Intend(background, s.writes)
			if err != nil {
				t.Fatal(err)
			}
			before := loads.Load()
			hammer(4, func(int) {
				if _, err := l.Page(background, q); err != nil {
					t.Error(err)
				}
			})
			if n := loads.Load() - before; n != s.loads {
				t.Errorf("%s, a write of %s: %d loads of 4 readers, want %d", s.name, s.writes, n, s.loads)
			}
			if err := i.Done(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestABumpStormIsOneInvalidation: within the delay, and none is lost.
func TestABumpStormIsOneInvalidation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		l, _ := tickets(t, c, nil)
		for range 100 {
			if err := l.InvalidateWithin(background, someone, 50*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			time.Sleep(7 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		if err := l.InvalidateWithin(background, someone, time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := l.InvalidateWithin(background, someone, 20*time.Millisecond); err != nil { // sooner
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if n := c.Stats().Invalidations; n != 13+1 { // one in 56 ms: a delay, and the write after it
			t.Errorf("%d invalidations for 700 ms of writes", n)
		}
		if len(c.later) != 0 {
			t.Errorf("%d left", len(c.later))
		}
		if err := l.InvalidateWithin(background, Scope{}, 0); !errors.Is(err, ErrQuery) {
			t.Errorf("no scope: %v", err)
		}
	})
}

// TestWhatExpiredIsServedWhereALoadFails: for so long, unless a write has outdated it, and nothing
// older than what a load has brought since.
func TestWhatExpiredIsServedWhereALoadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.TTL, config.StaleIfError, config.Jitter = time.Minute, time.Hour, -1
		c := open(t, config)
		down := errors.New("down")
		body, fault := []byte("1"), error(nil)
		read := func(want string, err error) {
			t.Helper()
			v, got := c.Get(background, "a", func(context.Context) ([]byte, error) { return body, fault })
			if string(v) != want || !errors.Is(got, err) {
				t.Errorf("got %q, %v; want %q, %v", v, got, want, err)
			}
		}
		read("1", nil)
		fault = down
		time.Sleep(2 * time.Minute)
		read("1", nil)
		time.Sleep(time.Hour)
		read("", down)
		fault = nil
		read("1", nil)
		time.Sleep(2 * time.Minute)
		many, err := c.GetMany(background, []string{"a"}, func(context.Context, []string) (map[string][]byte, error) { return nil, down })
		if err != nil || string(many["a"]) != "1" {
			t.Errorf("of many: got %q, %v", many, err)
		}
		fault = ErrNotFound
		read("", ErrNotFound)
		time.Sleep(time.Minute)
		fault = down
		read("", down) // what there was not a minute ago, there may be now
		if err := c.Delete("a"); err != nil {
			t.Fatal(err)
		}
		fault = down
		read("", down)
		fault = nil
		read("1", nil)
		time.Sleep(2 * time.Minute)
		body = noise(1 << 20) // newer, and too large to be kept
		read(string(body), nil)
		fault = down
		read("", down)
		ctx, cancel := context.WithCancel(background)
		cancel()
		if _, err := c.Get(ctx, "a", func(context.Context) ([]byte, error) { return nil, down }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if n := c.Stats().Stale; n != 2 {
			t.Errorf("%d stale", n)
		}
	})
}
