package folio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/seed"
	"github.com/foliocache/folio/workloads"
)

// origin is a table of rows, each a version number, and what its writers were told: a checker
// that knows nothing of how the cache tells versions apart.
type origin struct {
	rows  []atomic.Uint64 // committed
	acked []atomic.Uint64 // the last one whose invalidation has returned
	pad   int
}

// write commits a row, invalidates, and only then calls the write acknowledged.
func (o *origin) write(c *Cache, i int) error {
	n := o.rows[i].Add(1)
	err := c.Delete(strconv.Itoa(i))
	for {
		if was := o.acked[i].Load(); was >= n || o.acked[i].CompareAndSwap(was, n) {
			return err
		}
	}
}

// load reads a row as it is when the load begins, slowly.
func (o *origin) load(i int, took time.Duration) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		n := o.rows[i].Load()
		if took > 0 {
			time.Sleep(took)
		}
		return binary.LittleEndian.AppendUint64(make([]byte, o.pad), n), nil
	}
}

func version(v []byte) uint64 { return binary.LittleEndian.Uint64(v[len(v)-8:]) }

// TestNoReadIsOlderThanWhatWasAcknowledgedBeforeIt: reads, writes, evictions, cancelled readers
// and slow loads from many goroutines.
func TestNoReadIsOlderThanWhatWasAcknowledgedBeforeIt(t *testing.T) {
	for _, exact := range []int{0, sampled} {
		t.Run(fmt.Sprint(exact), func(t *testing.T) { noneOlder(t, exact) })
	}
}

func noneOlder(t *testing.T, exact int) {
	const rows, workers = 400, 16
	operations := 5_000
	if text := os.Getenv("OPERATIONS"); text != "" { // of each worker
		operations, _ = strconv.Atoi(text)
	}
	o := &origin{rows: make([]atomic.Uint64, rows), acked: make([]atomic.Uint64, rows), pad: 6000}
	config := small()
	config.Exact = exact
	c := open(t, config)
	r := seed.Random(t)
	var stale, reads atomic.Int64
	var all sync.WaitGroup
	for range workers {
		r := rand.New(rand.NewPCG(r.Uint64(), 0))
		all.Go(func() {
			for range operations {
				i := int(r.ExpFloat64()*rows/8) % rows
				if r.IntN(20) == 0 {
					if err := o.write(c, i); err != nil {
						t.Error(err)
						return
					}
					continue
				}
				floor := o.acked[i].Load()
				v, err := o.read(c, r, i)
				if err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
						return
					}
					continue
				}
				reads.Add(1)
				if v != nil && version(v) < floor {
					stale.Add(1)
				}
			}
		})
	}
	all.Wait()
	s := c.core.Arena().Composite()
	if s.Evicted == 0 || c.core.Revoked == 0 || c.counts.waits.Load() == 0 || c.Stats().Hits == 0 {
		t.Errorf("evicted %d, revoked %d, joined %d, hits %d: the test tests less than it says", s.Evicted, c.core.Revoked, c.counts.waits.Load(), c.Stats().Hits)
	}
	t.Logf("%d reads", reads.Load())
	if n := stale.Load(); n > 0 {
		t.Errorf("%d of %d reads are stale", n, reads.Load())
	}
}

// read reads a row in one of the ways there are; nil: it was not there.
func (o *origin) read(c *Cache, r *rand.Rand, i int) ([]byte, error) {
	key := strconv.Itoa(i)
	if r.IntN(4) == 0 {
		v, _ := c.GetIfPresent(nil, key)
		return v, nil
	}
	ctx, took := background, time.Duration(0)
	if r.IntN(50) == 0 {
		took = time.Duration(r.IntN(2000)) * time.Microsecond
	}
	if r.IntN(10) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(1000))*time.Microsecond)
		defer cancel()
	}
	return c.Get(ctx, key, o.load(i, took))
}

// TestTheLiveCacheHitsWhatTheBooksAloneHit: one goroutine, a recorded trace: request by request
// the cache with all its bytes does what a bare core does, be it that shadows see all or a sample.
func TestTheLiveCacheHitsWhatTheBooksAloneHit(t *testing.T) {
	for _, exact := range []int{0, sampled} {
		t.Run(fmt.Sprint(exact), func(t *testing.T) { sameHits(t, exact) })
	}
}

// sampled is a Config.Exact that has the shadows of a small cache see a sample.
const sampled = 1 << 7

func sameHits(t *testing.T, exact int) {
	source, err := workloads.Open("workloads/testdata/web07.trace.xz")
	if err != nil {
		t.Fatal(err)
	}
	config := small()
	config.Seed, config.Exact = 7, exact
	c := open(t, config)
	if (c.board != nil) != (exact > 0) {
		t.Fatal("the shadows do not see what they should")
	}
	c.journal.strict = true
	bare := bareCore(t, c)
	r := seed.Random(t)
	var hits, requests int
	for q, err := range source.Requests() {
		if err != nil {
			t.Fatal(err)
		}
		key := strconv.FormatUint(q.ID, 10)
		id := c.plain(key)
		if r.IntN(100) == 0 {
			if err := c.Delete(key); err != nil {
				t.Fatal(err)
			}
			if bare.Known(id.unit) {
				if _, err := bare.Invalidate(0, id.feed); err != nil {
					t.Fatal(err)
				}
			}
		}
		loaded := false
		body := make([]byte, 500+id.unit%4000)
		if _, err := c.Get(background, key, func(context.Context) ([]byte, error) {
			loaded = true
			return body, nil
		}); err != nil {
			t.Fatal(err)
		}
		hit := bareHit(bare, &id, body)
		if hit {
			hits++
		}
		if requests++; loaded == hit {
			t.Fatalf("request %d of %s: the live cache loads %v, the bare core hits %v", requests, key, loaded, hit)
		}
	}
	if c.store.Lost != 0 || hits < requests/10 || bare.Arena().Composite().Moved == 0 {
		t.Errorf("%d values lost, %d of %d hits, %d moved", c.store.Lost, hits, requests, bare.Arena().Composite().Moved)
	}
}

// hammer runs a function in some goroutines and waits for them.
func hammer(goroutines int, f func(int)) {
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// bareCore makes a core as a cache has one, without any bytes.
func bareCore(t *testing.T, c *Cache) *core.Core {
	a, err := arena.New(arena.Config{Geometry: c.store.Geometry, Entries: int(c.config.values()) / c.config.kept(), Exact: c.config.Exact, Seed: c.seed})
	if err != nil {
		t.Fatal(err)
	}
	return core.New(a, core.Config{Epoch: 1, Second: int64(time.Second), Seed: c.seed, Budget: c.config.WarmBudget})
}

// bareHit asks a bare core for a key, fills it if that misses, and reports whether it hit.
func bareHit(bare *core.Core, id *identity, body []byte) bool {
	q := id.query(0)
	e := entry{body: body, key: []byte(id.text), stamps: make(stamps, stampSize)}
	answer := bare.Lookup(&q)
	if answer.Action == core.Load {
		bare.Complete(answer.Flight, core.Loaded{Query: q, Size: uint32(e.size())})
	}
	return answer.Action != core.Load
}

// TestEightGoroutinesHitAsManyAsOne: the same trace, its requests taken in turn by eight goroutines: the
// hit ratio is within a point of that of the bare core.
func TestEightGoroutinesHitAsManyAsOne(t *testing.T) {
	for _, exact := range []int{0, sampled} {
		t.Run(fmt.Sprint(exact), func(t *testing.T) { eightHit(t, exact) })
	}
}

func eightHit(t *testing.T, exact int) {
	const band = .01
	source, err := workloads.Open("workloads/testdata/web07.trace.xz")
	if err != nil {
		t.Fatal(err)
	}
	config := small()
	config.Seed, config.Exact = 7, exact
	c := open(t, config)
	bare := bareCore(t, c)
	var keys []string
	hits := 0
	body := func(unit uint64) []byte { return make([]byte, 500+unit%4000) }
	for q, err := range source.Requests() {
		if err != nil {
			t.Fatal(err)
		}
		key := strconv.FormatUint(q.ID, 10)
		id := c.plain(key)
		if bareHit(bare, &id, body(id.unit)) {
			hits++
		}
		keys = append(keys, key)
	}
	var next, loads atomic.Int64
	hammer(8, func(int) {
		for n := next.Add(1) - 1; n < int64(len(keys)); n = next.Add(1) - 1 {
			key := keys[n]
			id := c.plain(key)
			if _, err := c.Get(background, key, func(context.Context) ([]byte, error) {
				loads.Add(1)
				return body(id.unit), nil
			}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	alone, live := float64(hits)/float64(len(keys)), 1-float64(loads.Load())/float64(len(keys))
	t.Logf("%.4f alone, %.4f live", alone, live)
	if live < alone-band || live > alone+band {
		t.Errorf("hit ratio %.4f, want %.4f within %.2f", live, alone, band)
	}
}
