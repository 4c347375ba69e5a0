package folio

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
)

// stamped makes a list of one row a page, which says which version of a scope it was loaded at.
func stamped(t *testing.T, c *Cache, took time.Duration, change func(*ListConfig[int])) (l *List[int], version, loads *atomic.Int64) {
	t.Helper()
	version, loads = new(atomic.Int64), new(atomic.Int64)
	config := ListConfig[int]{Name: "stamped", Limit: 1, MaxLimit: 1, MaxAhead: -1, NoWarm: true, Load: func(ctx context.Context, _ Query, _ Range) ([]int, error) {
		loads.Add(1)
		v := version.Load()
		select {
		case <-time.After(took):
			return []int{int(v)}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	change(&config)
	l, err := NewList(c, config)
	if err != nil {
		t.Fatal(err)
	}
	return l, version, loads
}

func mustPage[T any](t *testing.T, l *List[T], p Params) Page[T] {
	t.Helper()
	q, err := l.Query(p)
	if err != nil {
		t.Fatal(err)
	}
	page, err := l.Page(background, q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// TestWhatIsTooOldIsServedAndReplaced: within its grace, at once, by one load for all readers.
func TestWhatIsTooOldIsServedAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.Jitter, config.EarlyRefresh = -1, -1
		c := open(t, config)
		l, version, loads := stamped(t, c, time.Second, func(c *ListConfig[int]) { c.TTL, c.StaleWhileRevalidate = time.Minute, 30*time.Second })
		first := mustPage(t, l, Params{Scope: someone})
		version.Add(1)
		time.Sleep(time.Minute - time.Second) // its age counts from the load's start
		for range 5 {
			began := time.Now()
			if p := mustPage(t, l, Params{Scope: someone}); p.Source != Refresh || p.Items[0] != first.Items[0] || time.Since(began) > 0 || p.Origin.Age != time.Minute {
				t.Errorf("%+v after %s", p, time.Since(began))
			}
		}
		time.Sleep(2 * time.Second)
		if p := mustPage(t, l, Params{Scope: someone}); p.Source != Hit || p.Items[0] != 1 || loads.Load() != 2 {
			t.Errorf("%+v once it is replaced, %d loads", p, loads.Load())
		}
		version.Add(1)
		time.Sleep(90 * time.Second)
		if p := mustPage(t, l, Params{Scope: someone}); p.Source != Miss || p.Items[0] != 2 {
			t.Errorf("%+v after the grace", p)
		}
		if s := c.Stats(); s.Refreshed != 5 || s.Hits != 6 || s.Misses != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// TestPlainValuesAreServedAndReplaced: alone and many at once.
func TestPlainValuesAreServedAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.Jitter, config.TTL, config.StaleWhileRevalidate = -1, time.Minute, time.Minute
		c := open(t, config)
		var n atomic.Int64
		load := func(context.Context) ([]byte, error) { return []byte(strconv.Itoa(int(n.Add(1)))), nil }
		for i, want := range []string{"1", "1", "2", "2"} {
			v, err := c.Get(background, "k", load)
			if err != nil || string(v) != want {
				t.Errorf("%s, %v, want %s", v, err, want)
			}
			if i == 0 {
				time.Sleep(65 * time.Second)
			}
			synctest.Wait()
		}
		time.Sleep(65 * time.Second)
		many := func(_ context.Context, keys []string) (map[string][]byte, error) {
			return map[string][]byte{"k": []byte("many"), "other": []byte("other")}, nil
		}
		for _, want := range []string{"2", "many"} {
			v, err := c.GetMany(background, []string{"k", "other"}, many)
			if err != nil || string(v["k"]) != want || string(v["other"]) != "other" {
				t.Errorf("%q, %v, want %s", v, err, want)
			}
			synctest.Wait()
		}
		if _, err := c.Get(background, "absent", func(context.Context) ([]byte, error) { return nil, ErrNotFound }); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if v, err := c.Get(background, "absent", load); err != nil {
			t.Errorf("%s, %v: that there was nothing is served after its time", v, err)
		}
	})
}

// TestAPageOfBeforeAWriteIsServedAndReplaced: one write old at most, for as long as its list allows, and never while
// the write is under way.
func TestAPageOfBeforeAWriteIsServedAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		l, version, _ := stamped(t, c, time.Second, func(c *ListConfig[int]) { c.StaleAfterWrite = 10 * time.Second })
		write := func() {
			version.Add(1)
			if _, err := l.Invalidate(background, someone); err != nil {
				t.Fatal(err)
			}
		}
		page := func(source Source, value int) {
			t.Helper()
			if p := mustPage(t, l, Params{Scope: someone}); p.Source != source || p.Items[0] != value {
				t.Errorf("%s of version %d, want %s of %d", p.Source, p.Items[0], source, value)
			}
		}
		page(Miss, 0)
		write()
		page(Refresh, 0)
		page(Refresh, 0)
		time.Sleep(2 * time.Second)
		page(Hit, 1)
		write()
		write()
		page(Miss, 3)
		write()
		time.Sleep(11 * time.Second)
		page(Miss, 4)
		write()
		page(Refresh, 4)
		write() // and what it began to load is of before that, too
		page(Miss, 6)
		i, err := l.Intend(background, someone)
		if err != nil {
			t.Fatal(err)
		}
		page(Miss, 6)
		if err := i.Done(); err != nil {
			t.Fatal(err)
		}
		page(Miss, 6)
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		page(Miss, 6)
	})
}

// TestPagesAreRenewedBeforeTheirEnd: what is asked for all the time is never waited for.
func TestPagesAreRenewedBeforeTheirEnd(t *testing.T) {
	for _, early := range []float64{3, -1} {
		synctest.Test(t, func(t *testing.T) {
			config := small()
			config.EarlyRefresh = early
			c := open(t, config)
			l, _, _ := stamped(t, c, time.Second, func(c *ListConfig[int]) { c.TTL = time.Minute })
			for range 20_000 {
				mustPage(t, l, Params{Scope: someone})
				time.Sleep(50 * time.Millisecond)
			}
			s := c.Stats()
			if early > 0 && (s.Misses > 3 || s.Refreshed < 16 || s.Loads > 40) || early < 0 && (s.Misses < 16 || s.Refreshed > 0) {
				t.Errorf("early %v: %d misses, %d refreshed, %d loads", early, s.Misses, s.Refreshed, s.Loads)
			}
		})
	}
}

// TestAListKeepsItsPromise: pages that the origin changes without a word, some often, some hardly ever; each says how
// likely it is stale.
func TestAListKeepsItsPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, scopes = .05, 300
		operations := 120_000
		if n, err := strconv.Atoi(os.Getenv("OPERATIONS")); err == nil {
			operations = max(operations, n)
		}
		r := rand.New(rand.NewPCG(1, 2))
		var versions [scopes]int
		loads := 0
		var mu sync.Mutex
		c := open(t, small())
		l, err := NewList(c, ListConfig[int]{Name: "l", MaxLimit: 1, Limit: 1, NoWarm: true, MaxStale: most, Load: func(_ context.Context, q Query, _ Range) ([]int, error) {
			mu.Lock()
			defer mu.Unlock()
			i, _ := strconv.Atoi(q.Scope.ID)
			loads++
			return []int{versions[i]}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		reads, stale, expected := 0, 0, 0.
		for n := range operations {
			time.Sleep(time.Duration(r.ExpFloat64() * float64(20*time.Millisecond)))
			if i := r.IntN(scopes); r.IntN(1+i) < 8 { // the last ones change 40 times less often than the first
				mu.Lock()
				versions[i] += r.IntN(2)
				mu.Unlock()
			}
			i := min(scopes-1, int(r.ExpFloat64()*60))
			p := mustPage(t, l, Params{Scope: Scope{Kind: "user", ID: strconv.Itoa(i)}})
			synctest.Wait()
			if n < operations/6 {
				loads = 0
				continue
			}
			reads++
			expected += p.Origin.Stale
			if p.Items[0] != versions[i] {
				stale++
			}
			if p.Source == Hit && (p.Origin.Age <= 0 || p.Origin.Strategy == "") {
				t.Fatalf("%+v", p)
			}
		}
		share := float64(stale) / float64(reads)
		t.Logf("%.4f stale, %.4f expected, %.4f loads a read", share, expected/float64(reads), float64(loads)/float64(reads))
		if share > 1.2*most || share < most/3 || loads > reads*8/10 {
			t.Errorf("%.4f stale, promised %.4f; %d loads for %d reads", share, most, loads, reads)
		}
	})
}
