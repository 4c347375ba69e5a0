package folio

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio/internal/seed"
)

// warmed makes a list whose readers go on from page to page: of some pages nobody waits for the load.
func warmed(t *testing.T, c *Cache, keyset bool) *List[row] {
	t.Helper()
	l, _ := tickets(t, c, func(c *ListConfig[row]) {
		c.NoWarm, c.MaxLimit, c.Limit = false, 5, 5
		if keyset {
			c.Cursor = func(r row) string { return strconv.Itoa(r.ID + 1) }
		}
		c.Load = func(_ context.Context, q Query, r Range) ([]row, error) {
			from := r.Offset
			if r.Cursor != "" {
				from, _ = strconv.Atoi(r.Cursor)
			}
			time.Sleep(10 * time.Millisecond)
			var rows []row
			for i := from; i < min(100, from+r.Limit); i++ {
				rows = append(rows, row{i, q.Scope.ID})
			}
			return rows, nil
		}
	})
	return l
}

// walk reads the first pages of a scope, some time after each other, and returns how many of them were hits.
func walk(t *testing.T, l *List[row], scope string, pages int) (hits int) {
	t.Helper()
	p := Params{Scope: Scope{Kind: "user", ID: scope}}
	for i := range pages {
		page := mustPage(t, l, p)
		if page.Source == Hit {
			hits++
		}
		if page.Items[0] != (row{5 * i, scope}) {
			t.Fatalf("page %d of %s: %v", i+1, scope, page)
		}
		if p.Cursor = page.Next; l.config.Cursor == nil {
			p.Page = i + 2
		}
		time.Sleep(100 * time.Millisecond)
	}
	return hits
}

// TestNextPagesAreLoadedAhead: within the budget, never awaited, of offset lists and keyset lists alike.
func TestNextPagesAreLoadedAhead(t *testing.T) {
	for _, keyset := range []bool{false, true} {
		for _, budget := range []float64{.5, -1} {
			synctest.Test(t, func(t *testing.T) {
				config := small()
				config.WarmBudget, config.Seed = budget, 1
				c := open(t, config)
				l := warmed(t, c, keyset)
				hits := 0
				for i := range 300 {
					walk(t, l, strconv.Itoa(i), 2)
					hits = walk(t, l, strconv.Itoa(i), 8)
				}
				s := c.Stats()
				waited := s.Loads - s.Warmed.Loads
				switch {
				case budget < 0 && (s.Warmed != WarmStats{} || s.Rewarmed != WarmStats{} || hits != 2):
					t.Errorf("keyset %v: %+v without a budget, %d hits at last", keyset, s.Warmed, hits)
				case budget > 0 && (s.Warmed.Loads < 100 || float64(s.Warmed.Loads) > .5*float64(waited)+1 || s.Warmed.Used < s.Warmed.Loads*9/10 || s.WarmRows < s.Warmed.Loads*5 || s.WarmTime < time.Second || s.WarmTime >= s.LoadTime):
					t.Errorf("keyset %v: %+v, %d rows, %s; %d other loads in %s", keyset, s.Warmed, s.WarmRows, s.WarmTime, waited, s.LoadTime)
				}
			})
		}
	}
}

// learned makes a cache that has learned to load a page ahead, and does so when next reads page 1 of
// a scope for the second time.
func learned(t *testing.T, change func(*Config)) (c *Cache, l *List[row], next func() Page[row]) {
	t.Helper()
	config := small()
	config.WarmBudget, config.Seed, config.MaxLoads, config.Strategy = 1, 1, 4, "aggressive"
	change(&config)
	c = open(t, config)
	l = warmed(t, c, false)
	for i := range 100 {
		walk(t, l, strconv.Itoa(i), 1)
		walk(t, l, strconv.Itoa(i), 2)
	}
	mustPage(t, l, Params{Scope: Scope{Kind: "user", ID: "new"}})
	return c, l, func() Page[row] { return mustPage(t, l, Params{Scope: Scope{Kind: "user", ID: "new"}}) }
}

// TestNothingIsLoadedAheadWhileTheOriginIsBusy: with half of its loads under way.
func TestNothingIsLoadedAheadWhileTheOriginIsBusy(t *testing.T) {
	for busy := range 4 {
		synctest.Test(t, func(t *testing.T) {
			c, _, next := learned(t, func(*Config) {})
			for i := range busy {
				go func() {
					_, _ = c.Get(background, fmt.Sprint("slow ", i), func(context.Context) ([]byte, error) { time.Sleep(time.Minute); return nil, nil })
				}()
			}
			synctest.Wait()
			before := c.Stats().Warmed.Loads
			if p := next(); p.Source != Hit {
				t.Fatalf("%+v", p)
			}
			synctest.Wait()
			if n := c.Stats().Warmed.Loads - before; n != int64(1-min(1, busy/3)) {
				t.Errorf("%d loads under way: %d ahead", busy, n)
			}
			time.Sleep(2 * time.Minute)
		})
	}
}

// TestLoadsThatVaryHoldNothingBack: those that take long see more loads ahead begin, and are not slow for that. In one
// cache of a hundred they are believed to be for a while, by chance.
func TestLoadsThatVaryHoldNothingBack(t *testing.T) {
	var loads, ahead int64
	run := func(t *testing.T) {
		c := open(t, small())
		l := warmed(t, c, false)
		load := l.config.Load
		l.config.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
			time.Sleep(time.Duration(20e6 * math.Exp(rand.NormFloat64())))
			return load(ctx, q, r)
		}
		var readers sync.WaitGroup
		for reader := range 10 {
			readers.Go(func() {
				for i := range 400 {
					for _, page := range []int{1, 1, 2} {
						q, err := l.Query(Params{Scope: Scope{Kind: "user", ID: fmt.Sprint(reader, " ", i)}, Page: page})
						if err == nil {
							_, err = l.Page(background, q)
						}
						if err != nil {
							t.Error(err)
						}
						time.Sleep(time.Duration(30e6 * rand.ExpFloat64()))
					}
				}
			})
		}
		readers.Wait()
		s := c.Stats()
		loads, ahead = loads+s.Loads-s.Warmed.Loads, ahead+s.Warmed.Loads
		time.Sleep(time.Second)
	}
	for range 4 {
		synctest.Test(t, run)
	}
	if ahead < loads/15 {
		t.Errorf("%d loads ahead beside %d", ahead, loads)
	}
}

// TestLoadsAheadMakeWayWhereReadersWaitForThem: a database of one connection has none to spare while readers come one
// upon the other, but between readers that pause.
func TestLoadsAheadMakeWayWhereReadersWaitForThem(t *testing.T) {
	read := func(pause time.Duration) (loads, ahead int64) {
		synctest.Test(t, func(t *testing.T) {
			c := open(t, small())
			l := warmed(t, c, false)
			load, connection := l.config.Load, make(chan struct{}, 1)
			l.config.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
				connection <- struct{}{}
				defer func() { <-connection }()
				return load(ctx, q, r)
			}
			for i := range 1500 {
				for turn, page := range []int{1, 1, 2} { // the first hit tells that its reader goes on
					mustPage(t, l, Params{Scope: Scope{Kind: "user", ID: strconv.Itoa(i)}, Page: page})
					time.Sleep(pause)
					var others sync.WaitGroup
					for n := range 3 {
						others.Go(func() {
							q, err := l.Query(Params{Scope: Scope{Kind: "user", ID: fmt.Sprint("other ", n, turn, i)}})
							if err == nil {
								_, err = l.Page(background, q)
							}
							if err != nil {
								t.Error(err)
							}
						})
					}
					others.Wait()
					time.Sleep(pause)
				}
			}
			s := c.Stats()
			loads, ahead = s.Loads-s.Warmed.Loads, s.Warmed.Loads
			time.Sleep(time.Second)
		})
		return loads, ahead
	}
	if loads, ahead := read(100 * time.Millisecond); ahead < loads/20 {
		t.Errorf("%d loads ahead beside %d, with pauses", ahead, loads)
	}
	if loads, ahead := read(time.Millisecond); ahead == 0 || ahead > loads/50 {
		t.Errorf("%d loads ahead beside %d, without pauses", ahead, loads)
	}
}

// TestAWriteEndsLoadsThatNobodyWaitsFor: unless somebody does by then.
func TestAWriteEndsLoadsThatNobodyWaitsFor(t *testing.T) {
	for _, awaited := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, l, next := learned(t, func(*Config) {})
			var ended atomic.Int64
			l.config.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
				select {
				case <-time.After(20 * time.Second):
					return []row{{r.Offset, "late"}}, nil
				case <-ctx.Done():
					ended.Add(1)
					return nil, ctx.Err()
				}
			}
			next()
			synctest.Wait()
			scope, result := Scope{Kind: "user", ID: "new"}, make(chan Page[row], 1)
			if awaited {
				go func() { result <- mustPage(t, l, Params{Scope: scope, Page: 2}) }()
				synctest.Wait()
			}
			before := c.Stats()
			if _, err := l.Invalidate(background, scope); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if awaited {
				if p := <-result; ended.Load() != 0 || p.Source != Joined || p.Items[0].Owner != "late" {
					t.Errorf("awaited: %v, ended %d times", p, ended.Load())
				}
			} else if ended.Load() != 1 || c.Stats().LoadErrors != before.LoadErrors {
				t.Errorf("ended %d times, %d errors", ended.Load(), c.Stats().LoadErrors-before.LoadErrors)
			}
			time.Sleep(2 * time.Minute)
			if p := mustPage(t, l, Params{Scope: scope, Page: 2}); p.Source != Miss {
				t.Errorf("what was begun before the write is stored: %v", p)
			}
		})
	}
}

// TestWhatIsReadMostIsLoadedAgain: after each write, so that its readers do not wait.
func TestWhatIsReadMostIsLoadedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.WarmBudget = 1
		c := open(t, config)
		l := warmed(t, c, false)
		hits := 0
		for i := range 200 {
			scope := Scope{Kind: "user", ID: "a:b@c", Audience: "ad=min"} // whatever has to be escaped
			q := Params{Scope: scope, Sort: "title", Filters: map[string][]string{"status": {"open,", "c%losed"}}}
			for range 3 {
				if p := mustPage(t, l, q); p.Source == Hit && i >= 100 {
					hits++
				}
			}
			if _, err := l.Invalidate(background, scope); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		// A load that nobody waits for is earned by one that somebody does: every other write.
		if s := c.Stats(); hits < 245 || s.Rewarmed.Loads < 95 || s.Rewarmed.Used < s.Rewarmed.Loads-2 {
			t.Errorf("%d hits of 300, %+v", hits, s.Rewarmed)
		}
	})
}

// TestKeysAreReadAsTheyAreWritten: whatever query a key is of.
func TestKeysAreReadAsTheyAreWritten(t *testing.T) {
	r := seed.Random(t)
	text := func() string {
		b := make([]byte, 1+r.IntN(4))
		for i := range b {
			b[i] = ":@=,%aé4\x00"[r.IntN(9)]
		}
		return string(b)
	}
	for _, keyset := range []bool{false, true} {
		l, _ := tickets(t, open(t, small()), func(c *ListConfig[row]) {
			c.Name = "a:b=%"
			if c.Sorts = []string{"", "x:y", "%3A"}[1:]; keyset {
				c.Cursor = func(row) string { return "" }
			}
			c.Filters = []string{"f=:", "g"}
		})
		for range 3000 {
			p := Params{Scope: Scope{Kind: text(), ID: text()}, Sort: l.config.Sorts[r.IntN(2)], Limit: r.IntN(60), Filters: map[string][]string{"g": {text(), text()}}}
			if r.IntN(2) == 0 {
				p.Scope.Audience = text()
			}
			if r.IntN(2) == 0 {
				p.Filters["f=:"] = []string{text()}
			}
			if r.IntN(9) == 0 {
				p.Scope = Public
			}
			if r.IntN(2) == 0 && keyset {
				p.Cursor = text()
			} else if !keyset {
				p.Offset = r.IntN(100)
			}
			q, err := l.Query(p)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := l.read(q.String()); !ok || got.String() != q.String() || got.asked() != q.asked() || rand.IntN(9) == 0 && got.Filter("g") != q.Filter("g") {
				t.Fatalf("%q is read as %q", q, got)
			}
		}
		for _, key := range []string{"", ":", "tickets", "tickets:user:1", "tickets:user:1:offset=x:limit=1:sort=", "tickets:user:1:offset=1:limit=", "tickets:user:1:limit=1:offset=1:sort=", "=", "a:=:=", "tickets:user:1:2:offset=0:limit=1:sort="} {
			if q, ok := l.read(key); ok {
				t.Errorf("%q is read as %q", key, q)
			}
		}
	}
}
