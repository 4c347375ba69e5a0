package folio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func bytesOf(s string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return []byte(s), nil }
}

func TestAVerificationsLoaderMayReadOtherKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.MaxLoads, config.VerifyOneIn = 1, 1
		c := open(t, config)
		load := func(ctx context.Context) ([]byte, error) { return c.Get(ctx, "b", bytesOf("b")) }
		c.Get(background, "a", load)
		c.Delete("b")
		c.Get(background, "a", load) // hit, verified behind: its loader misses b
		synctest.Wait()
		began := time.Now()
		c.Get(background, "z", bytesOf("z"))
		if d := time.Since(began); d > 0 {
			t.Errorf("another reader's instant load took %s", d)
		}
		t.Logf("%+v", c.Stats().LoadErrors)
	})
}

func TestAVerificationTakesNobodysTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.MaxLoads, config.VerifyOneIn = 1, 1
		c := open(t, config)
		slow := false
		load := func(ctx context.Context) ([]byte, error) {
			if slow {
				time.Sleep(10 * time.Second)
			}
			return []byte("a"), nil
		}
		c.Get(background, "a", load)
		slow = true
		c.Get(background, "a", load)
		synctest.Wait()
		began := time.Now()
		c.Get(background, "z", bytesOf("z"))
		if d := time.Since(began); d > 0 {
			t.Errorf("another reader's instant load took %s", d)
		}
	})
}

func TestAnEmptyCursorIsNoFirstPage(t *testing.T) {
	l, _ := walked(t, open(t, small()), func(c *ListConfig[row]) {
		c.Cursor = func(r row) string {
			if r.ID >= 29 {
				return "" // as a title that is empty, sorted last
			}
			return strconv.Itoa(r.ID + 1)
		}
	})
	l.Page(background, parse(t, l, someone, "cursor=20"))
	p, err := l.Page(background, parse(t, l, someone, ""))
	if err != nil || p.Items[0].ID != 0 {
		t.Errorf("page 1 is a %s that begins with row %d, %v", p.Source, p.Items[0].ID, err)
	}
}

func TestWhoObservesServesNothingStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.Mode, config.TTL, config.StaleIfError = Observe, time.Second, time.Hour
		c := open(t, config)
		c.Get(background, "a", bytesOf("old"))
		time.Sleep(2 * time.Second)
		v, err := c.Get(background, "a", func(context.Context) ([]byte, error) { return nil, errors.New("down") })
		if err == nil {
			t.Errorf("a cache that observes serves %q", v)
		}
	})
}

func TestALoaderThatReadsItselfIsToldInEveryMode(t *testing.T) {
	for _, m := range []Mode{On, Observe, Off} {
		t.Run(m.String(), func(t *testing.T) {
			config := small()
			config.Mode = m
			c := open(t, config)
			n := 0
			var load func(ctx context.Context) ([]byte, error)
			load = func(ctx context.Context) ([]byte, error) {
				if n++; n > 1000 {
					panic("without end")
				}
				v, err := c.Get(ctx, "a", load)
				if errors.Is(err, ErrRecursion) {
					return []byte("root"), nil
				}
				return v, err
			}
			defer func() {
				if v := recover(); v != nil {
					t.Errorf("%v", v)
				}
			}()
			for range 2 {
				v, err := c.Get(background, "a", load)
				if err != nil || string(v) != "root" {
					t.Errorf("%q %v", v, err)
				}
			}
		})
	}
}

func TestALoadThatFailsForManyPagesIsTriedWithOne(t *testing.T) {
	for _, cursor := range []func(row) string{nil, func(r row) string { return strconv.Itoa(r.ID + 1) }} {
		synctest.Test(t, func(t *testing.T) { failsForMany(t, cursor) })
	}
}

func failsForMany(t *testing.T, cursor func(row) string) {
	l, a := walked(t, open(t, small()), func(c *ListConfig[row]) {
		c.Cursor = cursor
		load := c.Load
		c.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
			rows, err := load(ctx, q, r)
			select {
			case <-time.After(time.Duration(len(rows)) * 2 * time.Second): // 20 s a page, LoadTimeout is 30 s
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return rows, err
		}
	})
	ok := 0
	for range 100 {
		if _, err := l.Page(background, parse(t, l, someone, "")); err == nil {
			ok++
		}
	}
	if ok < 90 {
		t.Errorf("page 1, which loads in 20 s, loads %d times of 100; asked for %v", ok, a.ranges[99])
	}
}

type bad struct{ ID int }

func (b bad) MarshalJSON() ([]byte, error) {
	if b.ID == 15 {
		return nil, errors.New("bad row")
	}
	return json.Marshal(b.ID)
}

func TestABadRowFailsItsOwnPageAlone(t *testing.T) {
	c := open(t, small())
	l, err := NewList(c, ListConfig[bad]{Name: "bad", Limit: 10, Load: func(_ context.Context, q Query, r Range) (rows []bad, _ error) {
		for i := r.Offset; i < min(47, r.Offset+r.Limit); i++ {
			rows = append(rows, bad{i})
		}
		return rows, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	q, _ := l.Query(Params{Scope: someone})
	for range 3 {
		if _, err = l.get(background, nil, q); err != nil {
			t.Errorf("page 1: %v", err)
		}
	}
}

func TestALoaderMayReadTheNextPage(t *testing.T) {
	for _, m := range []Mode{Off, Observe, On} {
		config := small()
		config.Mode = m
		c := open(t, config)
		var l *List[row]
		var depth int
		l, _ = walked(t, c, func(config *ListConfig[row]) {
			load := config.Load
			config.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
				if r.Offset == 0 { // is there more?
					next, err := l.Query(Params{Scope: q.Scope, Offset: q.Limit, Limit: q.Limit})
					if err != nil {
						return nil, err
					}
					depth++
					if _, err := l.Page(ctx, next); err != nil {
						return nil, fmt.Errorf("next: %w", err)
					}
				}
				return load(ctx, q, r)
			}
		})
		if _, err := l.Page(background, parse(t, l, someone, "")); err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
}

func TestWhoIsToldOfALoadMayReadWhatItBrought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		var l *List[row]
		var hung atomic.Bool
		config.Observe = func(e Event) {
			if e.Op == Load && e.List == "tickets" && l != nil {
				ctx, cancel := context.WithTimeout(background, time.Hour)
				defer cancel()
				q, _ := l.Query(Params{Scope: someone, Page: 2})
				if _, err := l.Page(ctx, q); err != nil {
					hung.Store(true)
				}
			}
		}
		c := open(t, config)
		l, _ = walked(t, c, nil)
		l.Page(background, parse(t, l, someone, ""))
		synctest.Wait()
		time.Sleep(2 * time.Hour)
		if hung.Load() {
			t.Error("an observer of the load of page 1 who reads page 2 waits for ever")
		}
	})
}

func TestCopiesThatCameSinceAreNotCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.Mode = Observe
		c := open(t, config)
		var v atomic.Int64
		var slow atomic.Bool
		load := func(context.Context) ([]byte, error) {
			s := slow.Swap(false)
			if s {
				time.Sleep(2 * time.Second)
			}
			b := []byte(strconv.FormatInt(v.Load(), 10))
			if s {
				time.Sleep(2 * time.Second)
			}
			return b, nil
		}
		c.Get(background, "a", load)
		write := func(n int64) {
			i, err := c.Intend(background, KeyTag("a"))
			if err != nil {
				t.Fatal(err)
			}
			v.Store(n)
			i.Done()
		}
		slow.Store(true)
		var all sync.WaitGroup
		all.Go(func() { c.Get(background, "a", load) })
		time.Sleep(time.Second)
		write(1)
		time.Sleep(2 * time.Second)
		write(0)
		c.Get(background, "a", load)
		all.Wait()
		if s := c.Stats(); s.Differed != 0 {
			t.Errorf("%d of %d differ though every write was announced before and told after", s.Differed, s.Verified)
		}
	})
}

func TestNothingIsWarmedWhereTheCacheIsOff(t *testing.T) {
	config := small()
	config.Mode = Off
	c := open(t, config)
	n, err := c.Warm(background, iter.Seq2[string, []byte](func(yield func(string, []byte) bool) { yield("a", []byte("x")) }))
	if n != 0 || c.Stats().Stored != 0 {
		t.Errorf("Off stores %d values, %v", n, err)
	}
}

func TestPanicsAreCountedInEveryMode(t *testing.T) {
	config := small()
	config.Mode = Off
	c := open(t, config)
	func() {
		defer func() { recover() }()
		c.Get(background, "a", func(context.Context) ([]byte, error) { panic("x") })
	}()
	if s := c.Stats(); s.Panics != 1 {
		t.Errorf("%d panics", s.Panics)
	}
}

func TestManyKeysAreObservedLikeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.Mode = Observe
		reads := map[string]int{}
		var mu sync.Mutex
		config.Observe = func(e Event) { mu.Lock(); reads[fmt.Sprint(e.Op)]++; mu.Unlock() }
		c := open(t, config)
		var loads atomic.Int64
		load := func(_ context.Context, keys []string) (map[string][]byte, error) {
			loads.Add(1)
			time.Sleep(time.Second)
			return map[string][]byte{"a": []byte("x")}, nil
		}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { c.GetMany(background, []string{"a"}, load) })
		}
		all.Wait()
		if loads.Load() != 5 {
			t.Errorf("5 reads observed, %d loads", loads.Load())
		}
		mu.Lock()
		clear(reads)
		mu.Unlock()
		c.GetMany(background, []string{"a"}, load)
		if reads["read"] != 1 || reads["load"] != 1 {
			t.Errorf("a GetMany observed: events %v", reads)
		}
	})
}

func TestLoadsThatAWriteOvertookTakeNoShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.MaxShare = .01
		c := open(t, config)
		gate := make(chan bool)
		var block atomic.Bool
		l, err := NewList(c, ListConfig[row]{Name: "big", Limit: 10, MaxAhead: -1, Tags: nil, Load: func(_ context.Context, q Query, r Range) (rows []row, _ error) {
			if block.Load() {
				<-gate
			}
			for i := range r.Limit {
				rows = append(rows, row{r.Offset + i, fmt.Sprintf("%0200d", i)})
			}
			return rows, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		page := func(n int) {
			q, _ := l.Query(Params{Scope: someone, Page: n})
			l.Page(background, q)
		}
		held := func() (n int) {
			for _, e := range c.Entries() {
				n += e.Bytes
			}
			return n
		}
		for n := 1; n < 50; n++ {
			page(n)
		}
		t.Logf("limit %d, held %d", c.shares.limit, held())
		block.Store(true)
		var all sync.WaitGroup
		for n := 101; n < 150; n++ {
			all.Go(func() { page(n) })
		}
		synctest.Wait()
		l.Invalidate(background, someone)
		block.Store(false)
		for n := 101; n < 150; n++ {
			page(n)
		}
		t.Logf("held %d", held())
		close(gate)
		all.Wait()
		for n := 1; n < 50; n++ {
			page(n)
		}
		if h := held(); int64(h) > c.shares.limit*12/10 {
			t.Errorf("MaxShare is %d, held %d, booked %v", c.shares.limit, h, c.Stats().Capped)
		}
	})
}

func TestPagesThatAreNotKeptAreBroughtNoMore(t *testing.T) {
	config := small()
	config.MaxShare = .0001
	l, a := walked(t, open(t, config), nil)
	for range 500 {
		see(t, l, someone, 1, Miss)
	}
	if r := a.ranges[499]; r.Limit != 10 {
		t.Errorf("the 500th load of a page whose scope holds nothing is for %+v", r)
	}
}

func TestPagesThatALoaderDoesNotBringAreWaitedForNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := walked(t, open(t, small()), func(c *ListConfig[row]) {
			load := c.Load
			c.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
				time.Sleep(time.Second)
				r.Limit = q.Limit
				return load(ctx, q, r)
			}
		})
		for i := range 300 {
			see(t, l, user(i), 1, Miss)
		}
		var all sync.WaitGroup
		all.Go(func() { see(t, l, user(999), 1, Miss) })
		synctest.Wait()
		time.Sleep(900 * time.Millisecond)
		began := time.Now()
		see(t, l, user(999), 2, Miss)
		if d := time.Since(began); d > time.Second {
			t.Errorf("page 2 took %s after 300 loads that did not bring it", d)
		}
		all.Wait()
	})
}

func TestKnownEndsAreVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.VerifyOneIn = 1
		rows := 47
		l, _ := walked(t, open(t, config), func(c *ListConfig[row]) {
			c.EmptyTTL = time.Hour
			c.Load = func(_ context.Context, _ Query, r Range) ([]row, error) {
				return make([]row, max(0, min(r.Limit, rows-r.Offset))), nil
			}
		})
		for n, differed := range []int64{0, 0, 1} {
			if n == 2 {
				rows = 100 // and nobody is told
			}
			if _, err := l.Page(background, parse(t, l, someone, "page=9")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if s := l.cache.Stats(); s.Verified != int64(n) || s.Differed != differed {
				t.Errorf("read %d: %d verified, %d differ", n, s.Verified, s.Differed)
			}
		}
	})
}

// TestLoadsWithinAnObservedReadTakeTurns: what is asked around the cache has none itself, so what it asks for has.
func TestLoadsWithinAnObservedReadTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.MaxLoads, config.Mode = 1, Observe
		c := open(t, config)
		if err := c.Set("a", nil); err != nil {
			t.Fatal(err)
		}
		slow := func(context.Context) ([]byte, error) { time.Sleep(time.Second); return nil, nil }
		began := time.Now()
		if _, err := c.Get(background, "a", func(ctx context.Context) ([]byte, error) {
			var all sync.WaitGroup
			for _, key := range []string{"b", "c", "d"} {
				all.Go(func() { _, _ = c.Get(ctx, key, slow) })
			}
			all.Wait()
			return nil, nil
		}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("three loads, one at a time, took %s", took)
		}
	})
}
