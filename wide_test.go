package folio

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio/internal/seed"
)

// recorded keeps the ranges that a loader is asked for.
type recorded struct {
	mu     sync.Mutex
	ranges []Range
}

func (a *recorded) keep(load func(context.Context, Query, Range) ([]row, error)) func(context.Context, Query, Range) ([]row, error) {
	return func(ctx context.Context, q Query, r Range) ([]row, error) {
		a.mu.Lock()
		a.ranges = append(a.ranges, r)
		a.mu.Unlock()
		return load(ctx, q, r)
	}
}

func (a *recorded) want(t *testing.T, what string, ranges ...Range) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.ranges, ranges) {
		t.Errorf("%s: the loader was asked for %v, want %v", what, a.ranges, ranges)
	}
	a.ranges = nil
}

func user(i int) Scope { return Scope{Kind: "user", ID: strconv.Itoa(i)} }

// walked returns a list whose loads may bring pages, of 10 rows each, of 47 in all for each user.
func walked(t testing.TB, c *Cache, change func(*ListConfig[row])) (*List[row], *recorded) {
	t.Helper()
	a := new(recorded)
	l, origin := tickets(t, c, func(config *ListConfig[row]) {
		config.Limit, config.MaxAhead = 10, 0
		if change != nil {
			change(config)
		}
		config.Load = a.keep(config.Load)
	})
	for i := range 2000 {
		origin.rows[user(i).String()] = 47
	}
	return l, a
}

func see(t testing.TB, l *List[row], s Scope, page int, want Source) {
	t.Helper()
	for left := 1; left > 0 && want == Hit; { // what a load brings along is there soon after its own page
		l.cache.mu.Lock()
		left = len(l.cache.calls)
		l.cache.mu.Unlock()
	}
	p, err := l.Page(background, parse(t, l, s, "page="+strconv.Itoa(page)))
	if err != nil {
		t.Fatal(err)
	}
	first, rows := (page-1)*10, max(0, min(10, 47-(page-1)*10))
	if p.Source != want || len(p.Items) != rows || rows > 0 && (p.Items[0].ID != first || p.Items[rows-1].ID != first+rows-1) {
		t.Errorf("page %d of %s is a %s of %d rows %v, want a %s of %d", page, s, p.Source, len(p.Items), p.Items, want, rows)
	}
}

func TestALoadBringsThePageBehindAlong(t *testing.T) {
	l, a := walked(t, open(t, small()), nil)
	see(t, l, someone, 1, Miss)
	a.want(t, "page 1", Range{Limit: 20})
	see(t, l, someone, 2, Hit)
	see(t, l, someone, 3, Miss)
	see(t, l, someone, 4, Hit)
	a.want(t, "pages 2 to 4", Range{Offset: 20, Limit: 20})
	see(t, l, someone, 5, Miss)
	a.want(t, "the last page", Range{Offset: 40, Limit: 20})
	see(t, l, someone, 7, Miss)
	see(t, l, someone, 9, Hit) // known to be behind the end
	a.want(t, "pages behind the end", Range{Offset: 60, Limit: 20})
	see(t, l, user(7), 4, Miss)
	see(t, l, user(7), 5, Hit)
	if s := l.cache.Stats(); s.Brought != 3 || s.Used != 3 || s.Rows != 47+17 {
		t.Errorf("%d pages brought, %d used, %d rows", s.Brought, s.Used, s.Rows)
	}
}

func TestAPageThatIsThereIsNotBrought(t *testing.T) {
	l, a := walked(t, open(t, small()), nil)
	see(t, l, someone, 2, Miss)
	see(t, l, someone, 1, Miss)
	a.want(t, "page 1 after page 2", Range{Offset: 10, Limit: 20}, Range{Limit: 10})
	see(t, l, user(1000), 5, Miss)
	see(t, l, user(1000), 6, Miss)
	see(t, l, user(1000), 5, Hit)
	a.want(t, "past the end", Range{Offset: 40, Limit: 20}, Range{Offset: 50, Limit: 20})
	if _, err := l.Invalidate(background, user(1000)); err != nil {
		t.Fatal(err)
	}
	see(t, l, user(1000), 6, Miss)
	see(t, l, user(1000), 5, Miss)
	a.want(t, "what is known to be behind the end", Range{Offset: 50, Limit: 20}, Range{Offset: 40, Limit: 10})
}

// TestALoadBringsAsManyPagesAsPay: where all go on to page 5 and a further page takes a tenth of a load, or
// where a third of them do and it takes most of one.
func TestALoadBringsAsManyPagesAsPay(t *testing.T) {
	for _, test := range []struct {
		most, goOn int // of three
		page       time.Duration
		want       int
	}{{-1, 3, 1, 10}, {1, 3, 1, 20}, {3, 3, 1, 40}, {4, 3, 1, 50}, {9, 3, 1, 50}, {4, 1, 1, 50}, {4, 1, 90, 10}, {4, 3, 90, 50}} {
		synctest.Test(t, func(t *testing.T) {
			config := small()
			config.Seed = 1 // else, one time in hundreds, the last page's key counts as asked for often
			l, a := walked(t, open(t, config), func(c *ListConfig[row]) {
				c.MaxAhead = test.most
				load := c.Load
				c.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
					rows, err := load(ctx, q, r)
					time.Sleep(9*time.Millisecond + time.Duration(len(rows))*test.page*time.Millisecond/10)
					return rows, err
				}
			})
			for i := range 1000 {
				for page := range 5 {
					if page > 0 && i%3 >= test.goOn {
						break
					}
					if _, err := l.Page(background, parse(t, l, user(i), "page="+strconv.Itoa(page+1))); err != nil {
						t.Fatal(err)
					}
				}
			}
			synctest.Wait()
			a.ranges = nil
			see(t, l, user(1999), 1, Miss)
			a.want(t, fmt.Sprintf("%+v", test), Range{Limit: test.want})
		})
	}
}

func TestPagesThatNobodyAsksForAreBroughtNoMore(t *testing.T) {
	for name, change := range map[string]func(*ListConfig[row]){"offset": nil, "keyset": func(c *ListConfig[row]) {
		c.Cursor = func(r row) string { return strconv.Itoa(r.ID + 1) }
	}} {
		l, a := walked(t, open(t, small()), change)
		for i := range 200 {
			see(t, l, user(i), 1, Miss)
		}
		rows := 0
		a.mu.Lock()
		for _, r := range a.ranges[100:] {
			rows += r.Limit
		}
		a.mu.Unlock()
		if rows > 1100 {
			t.Errorf("%s: 100 loads of a page of 10 rows ask for %d", name, rows)
		}
	}
}

func TestACursorsPageIsBroughtAlong(t *testing.T) {
	l, a := walked(t, open(t, small()), func(c *ListConfig[row]) {
		c.Cursor = func(r row) string { return strconv.Itoa(r.ID + 1) }
	})
	q, sources := parse(t, l, someone, ""), []Source(nil)
	for n := 0; ; {
		p, err := l.Page(background, q)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, p.Source)
		for _, r := range p.Items {
			if r.ID != n {
				t.Fatalf("row %d where %d should be", r.ID, n)
			}
			n++
		}
		if p.Next == "" {
			break
		}
		q = parse(t, l, someone, "cursor="+p.Next)
	}
	if want := []Source{Miss, Hit, Miss, Hit, Miss}; !slices.Equal(sources[:5], want) {
		t.Errorf("pages are %v, want %v", sources, want)
	}
	a.want(t, "a walk", Range{Limit: 20}, Range{Cursor: "20", Limit: 20}, Range{Cursor: "40", Limit: 20})
}

func TestACursorsPageThatIsThereIsNotBrought(t *testing.T) {
	l, _ := walked(t, open(t, small()), func(c *ListConfig[row]) {
		c.Cursor = func(r row) string { return strconv.Itoa(r.ID + 1) }
	})
	for _, query := range []string{"cursor=10", "", "cursor=10"} {
		if _, err := l.Page(background, parse(t, l, someone, query)); err != nil {
			t.Fatal(err)
		}
	}
	if s := l.cache.Stats(); s.Brought != 1 || s.Stored != 3 || s.Loads != 2 { // page 3, with page 2
		t.Errorf("%d pages brought, %d stored, %d loads", s.Brought, s.Stored, s.Loads)
	}
}

// TestALoaderThatCutsToMaxLimitIsRight: it is never asked for more.
func TestALoaderThatCutsToMaxLimitIsRight(t *testing.T) {
	l, a := walked(t, open(t, small()), func(c *ListConfig[row]) {
		c.MaxLimit = 25
		load := c.Load
		c.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
			r.Limit = min(r.Limit, 25)
			return load(ctx, q, r)
		}
	})
	for i := range 300 {
		for page := range 5 {
			if _, err := l.Page(background, parse(t, l, user(i), "page="+strconv.Itoa(page+1))); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.ranges = nil
	see(t, l, user(1999), 1, Miss)
	see(t, l, user(1999), 2, Hit)
	see(t, l, user(1999), 3, Miss)
	a.want(t, "three pages", Range{Limit: 20}, Range{Offset: 20, Limit: 20})
}

// TestShortListsTellNothingOfReaders: nobody can go on in them. Readers of others that had stopped to, and do
// again, are followed.
func TestShortListsTellNothingOfReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := walked(t, open(t, small()), func(c *ListConfig[row]) {
			c.Load = func(_ context.Context, q Query, r Range) ([]row, error) {
				n := 47
				if q.Scope.Kind == "short" {
					n = 5
				}
				n = max(0, min(n-r.Offset, r.Limit))
				time.Sleep(2*time.Millisecond + time.Duration(n)*time.Millisecond/10) // a further page takes a third of a load
				return make([]row, n), nil
			}
		})
		read := func(s Scope, pages int) {
			t.Helper()
			for page := range pages {
				if _, err := l.Page(background, parse(t, l, s, "page="+strconv.Itoa(page+1))); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range 200 {
			read(user(i), 1)
		}
		for i := range 1000 {
			if i%10 == 0 {
				read(user(200+i), 2)
			} else {
				read(Scope{Kind: "short", ID: strconv.Itoa(i)}, 1)
			}
		}
		a.ranges = nil
		read(user(1999), 1)
		if len(a.ranges) != 1 || a.ranges[0].Limit < 20 {
			t.Errorf("the loader is asked for %v", a.ranges)
		}
	})
}

// TestWhoAsksForAPageOnItsWayWaits: for the load that brings it, be it for another page, and as long as
// nothing was written.
func TestWhoAsksForAPageOnItsWayWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := walked(t, open(t, small()), func(c *ListConfig[row]) {
			load := c.Load
			c.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
				rows, err := load(ctx, q, r)
				time.Sleep(time.Second)
				return rows, err
			}
		})
		var all sync.WaitGroup
		all.Go(func() { see(t, l, someone, 1, Miss) })
		synctest.Wait()
		all.Go(func() { see(t, l, someone, 2, Joined) })
		synctest.Wait()
		a.want(t, "two readers", Range{Limit: 20})
		if _, err := l.Invalidate(background, someone); err != nil {
			t.Fatal(err)
		}
		all.Go(func() { see(t, l, someone, 2, Miss) })
		all.Wait()
		a.want(t, "after the write", Range{Offset: 10, Limit: 20})
		see(t, l, someone, 1, Miss)
		a.want(t, "what a write overtook", Range{Limit: 10})
	})
}

// TestALoaderThatMindsTheQueryAloneIsRight: one that takes the limit from the query and not from the range.
// Who waits for what it did not bring asks himself.
func TestALoaderThatMindsTheQueryAloneIsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := walked(t, open(t, small()), func(c *ListConfig[row]) {
			load := c.Load
			c.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
				time.Sleep(time.Second)
				r.Limit = q.Limit
				return load(ctx, q, r)
			}
		})
		var all sync.WaitGroup
		all.Go(func() { see(t, l, someone, 1, Miss) })
		synctest.Wait()
		all.Go(func() { see(t, l, someone, 2, Miss) })
		all.Wait()
		a.want(t, "two readers", Range{Limit: 20}, Range{Offset: 10, Limit: 20})
		see(t, l, someone, 1, Hit)
		see(t, l, someone, 2, Hit)
		if s := l.cache.Stats(); s.Hits != 2 || s.Misses != 2 || s.Joined != 0 {
			t.Errorf("%d hits, %d misses, %d joined in 4 reads", s.Hits, s.Misses, s.Joined)
		}
	})
}

// TestAFailedLoadFailsAllThatItWasToBring: once, and what comes after is loaded anew.
func TestAFailedLoadFailsAllThatItWasToBring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, fail := errors.New("broken"), true
		l, _ := walked(t, open(t, small()), func(c *ListConfig[row]) {
			load := c.Load
			c.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
				if time.Sleep(time.Second); fail {
					panic(broken)
				}
				return load(ctx, q, r)
			}
		})
		var all sync.WaitGroup
		for page := range 2 {
			all.Go(func() {
				defer func() {
					if v := recover(); (v != nil) != (page == 0) {
						t.Errorf("page %d: %v", page+1, v)
					}
				}()
				if _, err := l.Page(background, parse(t, l, someone, "page="+strconv.Itoa(page+1))); err == nil {
					t.Errorf("page %d is there", page+1)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		synctest.Wait()
		fail = false
		see(t, l, someone, 2, Miss)
		see(t, l, someone, 1, Miss)
	})
}

// TestPagesAreWhatTheOriginHas: whatever is brought along, in lists of all lengths, with pages of all sizes,
// from all places, while rows come and go. Loads take what a database takes, on a clock of their own.
func TestPagesAreWhatTheOriginHas(t *testing.T) {
	for _, keyset := range []bool{false, true} {
		t.Run(strconv.FormatBool(keyset), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { pagesAreRight(t, keyset) })
		})
	}
}

func pagesAreRight(t *testing.T, keyset bool) {
	r := seed.Random(t)
	config := small()
	config.Exact = []int{0, sampled}[r.IntN(2)]
	c := open(t, config)
	l, origin := tickets(t, c, func(c *ListConfig[row]) {
		c.MaxAhead, c.Finer = 0, r.IntN(2) == 0
		if keyset {
			c.Cursor = func(r row) string { return strconv.Itoa(r.ID + 1) }
		}
		load := c.Load
		c.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
			time.Sleep(time.Millisecond + time.Duration(r.Limit)*10*time.Microsecond)
			return load(ctx, q, r)
		}
	})
	for range 20_000 {
		s := user(int(r.ExpFloat64() * 10))
		if r.IntN(20) == 0 {
			origin.rows[s.String()] = int(r.ExpFloat64() * 60)
			if _, err := l.Invalidate(background, s); err != nil {
				t.Fatal(err)
			}
		}
		p, from, limit := somePage(r, s, keyset)
		q, err := l.Query(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Page(background, q)
		if err != nil {
			t.Fatal(err)
		}
		rows := origin.rows[s.String()]
		want := max(0, min(limit, rows-from))
		if len(got.Items) != want || want > 0 && got.Items[want-1].ID != from+want-1 {
			t.Fatalf("%s of %d rows: %d, the last %v; want %d", q, rows, len(got.Items), got.Items, want)
		}
	}
	if s := c.Stats(); s.Brought == 0 || s.Used == 0 || s.Hits < 1000 {
		t.Errorf("%d pages brought, %d used, %d hits", s.Brought, s.Used, s.Hits)
	}
}

// somePage asks for a page of a scope, most often for one near its beginning.
func somePage(r *rand.Rand, s Scope, keyset bool) (p Params, from, limit int) {
	limit = []int{5, 10, 20}[r.IntN(3)]
	from = int(r.ExpFloat64()*2) * limit
	if r.IntN(10) == 0 {
		from += r.IntN(limit)
	}
	p = Params{Scope: s, Limit: limit, Offset: from}
	if keyset {
		p.Offset = 0
		if from > 0 {
			p.Cursor = strconv.Itoa(from)
		}
	}
	return p, from, limit
}
