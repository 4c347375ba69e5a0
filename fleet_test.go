package folio_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/foliotest"
	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/tier/tiertest"
)

// site is an origin of lists, one for each scope, that several instances cache. A page has its scope's version.
type site struct {
	tier    tier.Tier
	loads   atomic.Int64
	mu      sync.Mutex
	version map[string]int
}

func (s *site) now(scope string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version[scope]
}

// write changes a scope's rows.
func (s *site) write(scope string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == nil {
		s.version = map[string]int{}
	}
	s.version[scope]++
	return s.version[scope]
}

// instance is one of them.
type instance struct {
	cache *folio.Cache
	rows  *folio.List[int]
}

func (s *site) instance(t *testing.T, change func(*folio.Config)) instance {
	t.Helper()
	cache, _ := foliotest.New(t, func(c *folio.Config) {
		c.Tier, c.Now = s.tier, time.Now
		if change != nil {
			change(c)
		}
	})
	rows, err := folio.NewList(cache, folio.ListConfig[int]{Name: "rows", TTL: time.Hour, NoWarm: true, Load: func(ctx context.Context, q folio.Query, r folio.Range) ([]int, error) {
		s.loads.Add(1)
		v := s.now(q.Scope.ID)
		return []int{v}, ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	return instance{cache, rows}
}

func (i instance) read(t *testing.T, scope string) (version int, source folio.Source) {
	t.Helper()
	q, err := i.rows.Query(folio.Params{Scope: folio.Scope{Kind: "user", ID: scope}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := i.rows.Page(t.Context(), q)
	if err != nil || len(p.Items) != 1 {
		t.Fatal(p, err)
	}
	return p.Items[0], p.Source
}

func (i instance) invalidate(scope string) error {
	_, err := i.rows.Invalidate(context.Background(), folio.Scope{Kind: "user", ID: scope})
	return err
}

// TestWhatOneInstanceHasLoadedOthersHave: and what one invalidates none has, at once where the log is up to date.
func TestWhatOneInstanceHasLoadedOthersHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{tier: tier.NewMemory(3)}
		a, b := s.instance(t, nil), s.instance(t, nil)
		time.Sleep(time.Second)
		for round := range 3 {
			if v, from := a.read(t, "1"); v != round || from != folio.Miss {
				t.Fatal(v, from)
			}
			time.Sleep(10 * time.Millisecond) // until it is in the tier
			if v, from := b.read(t, "1"); v != round || from != folio.Shared {
				t.Fatal(v, from)
			}
			for _, i := range []instance{a, b} {
				if v, from := i.read(t, "1"); v != round || from != folio.Hit {
					t.Fatal(v, from)
				}
			}
			s.write("1")
			if err := b.invalidate("1"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if n := s.loads.Load(); n != 3 {
			t.Errorf("%d loads", n)
		}
		n := b.cache.Stats().Tier
		if n.Hits != 3 || n.Misses != 0 || n.Errors+n.Refused+n.Lost+n.Owed != 0 || n.Lease <= 0 {
			t.Errorf("%+v", n)
		}
		if n := a.cache.Stats().Tier; n.Heard != 3 || n.Writes != 3 {
			t.Errorf("%+v", n)
		}
	})
}

// faulty is a tier that fails now and then, in all the ways that a network has.
type faulty struct {
	tier.Tier
	state atomic.Int32
}

const (
	fine = iota
	refusing
	hanging    // until the caller gives up
	swallowing // what was asked for is done, and nobody is told
	slow       // on the way there and back
	states
)

var errRefused = errors.New("refused")

func (f *faulty) around(ctx context.Context, do func(context.Context) error) error {
	switch f.state.Load() {
	case refusing:
		return errRefused
	case hanging:
		<-ctx.Done()
		return ctx.Err()
	case swallowing:
		_ = do(ctx)
		<-ctx.Done()
		return ctx.Err()
	case slow:
		defer time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
	}
	return do(ctx)
}

func (f *faulty) Read(ctx context.Context, q tier.Question) (a tier.Answer, err error) {
	err = f.around(ctx, func(ctx context.Context) (err error) { a, err = f.Tier.Read(ctx, q); return err })
	return a, err
}

func (f *faulty) Write(ctx context.Context, by string, after tier.Moment, values []tier.Value) error {
	return f.around(ctx, func(ctx context.Context) error { return f.Tier.Write(ctx, by, after, values) })
}

func (f *faulty) Bump(ctx context.Context, by string, tags []uint64) (at tier.Moment, err error) {
	err = f.around(ctx, func(ctx context.Context) (err error) { at, err = f.Tier.Bump(ctx, by, tags); return err })
	return at, err
}

func (f *faulty) Flush(ctx context.Context) error { return f.around(ctx, f.Tier.Flush) }

func (f *faulty) Follow(ctx context.Context, since tier.Mark) (l tier.Log, err error) {
	err = f.around(ctx, func(ctx context.Context) (err error) { l, err = f.Tier.Follow(ctx, since); return err })
	return l, err
}

// TestNoInstanceServesWhatIsOlderThanTheLease: whatever becomes of the tier, of each instance's way to it, of the log,
// and of what is stored there.
func TestNoInstanceServesWhatIsOlderThanTheLease(t *testing.T) {
	for seed := range uint64(leaseSeeds()) {
		synctest.Test(t, func(t *testing.T) { lease(t, seed) })
	}
}

// leaseSeeds returns how many histories are tried: SEEDS, or 6.
func leaseSeeds() int {
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil {
		return n
	}
	return 6
}

func lease(t *testing.T, seed uint64) {
	const delta = 500 * time.Millisecond
	r := rand.New(rand.NewPCG(seed, 1))
	memory := tier.NewMemory(1 + int(seed%2))
	var ways [3]faulty
	for i := range ways {
		ways[i].Tier = memory
	}
	got := tiertest.Fleet{Instances: len(ways), Readers: 2, Writers: 1, Scopes: 3, Lease: delta, Pause: 4 * time.Millisecond, Lasts: 20 * time.Second, Seed: seed,
		Tier: func(i int) tier.Tier { return &ways[i] },
		Load: func() time.Duration {
			if rand.IntN(20) == 0 {
				return 3 * delta
			}
			return time.Duration(rand.IntN(5000)) * time.Microsecond
		},
		Begun: func(ctx context.Context, again func(int)) {
			for ctx.Err() == nil {
				ways[r.IntN(len(ways))].state.Store(int32(r.IntN(states)))
				switch r.IntN(20) {
				case 0:
					_ = memory.Flush(ctx)
				case 1, 2, 3:
					again(r.IntN(len(ways)))
				}
				time.Sleep(time.Duration(r.IntN(600)) * time.Millisecond)
			}
		}}.Run(t)
	t.Log(got)
	if got.Worst > delta || got.Own > 0 {
		t.Errorf("seed %d: %s", seed, got)
	}
	if got.Hits < got.Reads/4 || got.Shared == 0 || got.Pending == 0 || got.Acknowledged == 0 {
		t.Error("nothing was at stake")
	}
}
