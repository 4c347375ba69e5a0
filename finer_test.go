package folio

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio/internal/seed"
)

// ordered is a list in the database, in a fixed order.
type ordered struct{ rows []row }

func (t *ordered) load(_ context.Context, _ Query, r Range) ([]row, error) {
	from := min(r.Offset, len(t.rows))
	return slices.Clone(t.rows[from:min(from+r.Limit, len(t.rows))]), nil
}

func (t *ordered) count(context.Context, Query) (int64, error) { return int64(len(t.rows)), nil }

// finer makes a list of a table that knows what its pages depend on.
func finer(t testing.TB, c *Cache, origin *ordered) *List[row] {
	t.Helper()
	l, err := NewList(c, ListConfig[row]{Name: "rows", Load: origin.load, Count: origin.count, MaxAhead: -1, NoWarm: true, Finer: true,
		RowTags: func(r row) []Tag { return []Tag{Tag(fmt.Sprint("row:", r.ID))} }})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestFinerInvalidationsReachAllThatChanged: random writes, each told as exactly as can be, among
// random reads of pages and totals: none is older than the writes, and many are hits.
func TestFinerInvalidationsReachAllThatChanged(t *testing.T) {
	c, r, origin := open(t, small()), seed.Random(t), new(ordered)
	l, number := finer(t, c, origin), 0
	make := func() row { number++; return row{ID: number} }
	var hits, reads int
	for range 20_000 {
		at := r.IntN(len(origin.rows) + 1)
		var err error
		switch r.IntN(40) {
		case 0:
			origin.rows = slices.Insert(origin.rows, at, make())
			err = l.InvalidateFrom(background, someone, at)
		case 1:
			if at == len(origin.rows) {
				continue
			}
			origin.rows = slices.Delete(origin.rows, at, at+1)
			err = l.InvalidateFrom(background, someone, at)
		case 2:
			origin.rows = append(origin.rows, make())
			err = l.InvalidateTail(background, someone)
		case 3, 4:
			if at == len(origin.rows) {
				continue
			}
			origin.rows[at].Owner = fmt.Sprint(r.Uint32())
			err = c.InvalidateTags(background, Tag(fmt.Sprint("row:", origin.rows[at].ID)))
		default:
			q, err := l.Query(Params{Scope: someone, Offset: r.IntN(len(origin.rows) + 30), Limit: []int{5, 20, 100}[r.IntN(3)]})
			if err != nil {
				t.Fatal(err)
			}
			q.Offset -= q.Offset % q.Limit
			if q, err = l.Query(Params{Scope: someone, Offset: q.Offset, Limit: q.Limit}); err != nil {
				t.Fatal(err)
			}
			p, err := l.Page(background, q)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := origin.load(background, q, Range{Offset: q.Offset, Limit: q.Limit})
			if !slices.Equal(p.Items, want) {
				t.Fatalf("%s: %v %v, want %v", q, p.Source, p.Items, want)
			}
			if n, err := l.Total(background, q); err != nil || n != int64(len(origin.rows)) {
				t.Fatalf("total %d, %v, want %d", n, err, len(origin.rows))
			}
			if reads++; p.Source == Hit {
				hits++
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if hits < reads/3 {
		t.Errorf("%d hits of %d reads", hits, reads)
	}
}

// TestFinerInvalidationsSpareTheRest: what is told exactly outdates little, and what depends on the
// scope all the same.
func TestFinerInvalidationsSpareTheRest(t *testing.T) {
	c, origin := open(t, small()), new(ordered)
	for i := range 130 {
		origin.rows = append(origin.rows, row{ID: i})
	}
	l := finer(t, c, origin)
	if err := c.Depend("report", l.Tag(someone)); err != nil {
		t.Fatal(err)
	}
	reports, err := NewList(c, ListConfig[row]{Name: "reports", Load: origin.load, Tags: func(Query) []Tag { return []Tag{"report"} }})
	if err != nil {
		t.Fatal(err)
	}
	missed := func() (pages []int) {
		for page := 1; page <= 7; page++ {
			if p, err := l.Page(background, parse(t, l, someone, fmt.Sprintf("page=%d", page))); err != nil {
				t.Fatal(err)
			} else if p.Source == Miss {
				pages = append(pages, page)
			}
		}
		before := c.counts.loads.Load()
		if _, err := l.Total(background, parse(t, l, someone, "")); err != nil {
			t.Fatal(err)
		}
		if c.counts.loads.Load() > before {
			pages = append(pages, 0)
		}
		if p, err := reports.Page(background, parse(t, reports, Public, "")); err != nil {
			t.Fatal(err)
		} else if p.Source == Miss {
			pages = append(pages, -1)
		}
		return pages
	}
	missed()
	for _, c := range []struct {
		name  string
		write func() error
		want  []int // pages; 0 the total, -1 what depends on the scope
	}{
		{"none", func() error { return nil }, nil},
		{"from the middle", func() error { return l.InvalidateFrom(background, someone, 70) }, []int{4, 5, 6, 7, 0, -1}},
		{"from behind all", func() error { return l.InvalidateFrom(background, someone, 130) }, []int{7, 0, -1}},
		{"from the start", func() error { return l.InvalidateFrom(background, someone, 0) }, []int{1, 2, 3, 4, 5, 6, 7, 0, -1}},
		{"the tail", func() error { return l.InvalidateTail(background, someone) }, []int{7, 0, -1}},
		{"the total", func() error { return l.InvalidateTotal(background, someone) }, []int{0, -1}},
		{"a row", func() error { return c.InvalidateTags(background, "row:45") }, []int{3}},
		{"another's", func() error { return l.InvalidateTail(background, Scope{Kind: "user", ID: "other"}) }, nil},
	} {
		if err := c.write(); err != nil {
			t.Fatal(err)
		}
		if got := missed(); !slices.Equal(got, c.want) {
			t.Errorf("%s: missed %v, want %v", c.name, got, c.want)
		}
	}
	for _, err := range []error{l.InvalidateTail(background, Scope{}), l.InvalidateFrom(background, Scope{}, 3), l.InvalidateTotal(background, Scope{})} {
		if !errors.Is(err, ErrQuery) {
			t.Errorf("no scope: %v", err)
		}
	}
}

// TestARowThatChangesWhileItIsLoaded: its tag is known only after the load, and the page is not kept.
func TestARowThatChangesWhileItIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		title := "old"
		l, err := NewList(c, ListConfig[row]{Name: "rows", RowTags: func(r row) []Tag { return []Tag{Tag(fmt.Sprint("row:", r.ID)), "shown"} },
			Load: func(context.Context, Query, Range) ([]row, error) {
				rows := []row{{ID: 1, Owner: title}}
				time.Sleep(time.Second)
				return rows, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		q := parse(t, l, someone, "")
		for _, change := range []Tag{"row:1", "shown", "row:2"} {
			if _, err := l.Invalidate(background, someone); err != nil {
				t.Fatal(err)
			}
			title = "old"
			done := make(chan Page[row])
			go func() {
				p, _ := l.Page(background, q)
				done <- p
			}()
			time.Sleep(time.Second / 2)
			synctest.Wait()
			title = "new"
			if err := c.InvalidateTags(background, change); err != nil {
				t.Fatal(err)
			}
			if p := <-done; p.Items[0].Owner != "old" {
				t.Errorf("%s: got %v", change, p)
			}
			kept := change == "row:2" // not shown
			if p, err := l.Page(background, q); err != nil || (p.Source == Hit) != kept || !kept && p.Items[0].Owner != "new" {
				t.Errorf("%s: got %v, %v", change, p, err)
			}
		}
	})
}

// TestNoRowIsOlderThanWhatWasAcknowledged: rows changed in place and rows appended, told as exactly as can
// be, among readers of pages and totals, slow loads and evictions: an outside checker.
func TestNoRowIsOlderThanWhatWasAcknowledged(t *testing.T) {
	const most = 400
	operations := 3_000
	if text := os.Getenv("OPERATIONS"); text != "" { // of each worker
		operations, _ = strconv.Atoi(text)
	}
	c, r := open(t, Config{MaxBytes: 1 << 20, OnHeap: true}), seed.Random(t)
	var rows, acked [most]atomic.Int64 // versions of rows
	var length, ackedLength, stale, read atomic.Int64
	var appending sync.Mutex
	length.Store(100)
	l, err := NewList(c, ListConfig[row]{Name: "rows", Finer: true, RowTags: func(r row) []Tag { return []Tag{Tag(fmt.Sprint("row:", r.ID))} },
		Load: func(_ context.Context, q Query, r Range) (all []row, _ error) {
			for i := r.Offset; i < min(int(length.Load()), r.Offset+r.Limit); i++ {
				all = append(all, row{i, fmt.Sprint(rows[i].Load())})
			}
			if rand.IntN(20) == 0 {
				time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
			}
			return all, nil
		},
		Count: func(context.Context, Query) (int64, error) { return length.Load(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	raise := func(floor *atomic.Int64, n int64) {
		for was := floor.Load(); was < n && !floor.CompareAndSwap(was, n); was = floor.Load() {
		}
	}
	var all sync.WaitGroup
	for range 16 {
		r := rand.New(rand.NewPCG(r.Uint64(), 0))
		all.Go(func() {
			for range operations {
				switch i := r.IntN(int(length.Load())); r.IntN(30) {
				case 0:
					n := rows[i].Add(1)
					if err := c.InvalidateTags(background, Tag(fmt.Sprint("row:", i))); err != nil {
						t.Error(err)
					}
					raise(&acked[i], n)
				case 1:
					appending.Lock() // the database's: rows come one after the other
					if n := length.Load(); n < most && r.IntN(10) == 0 {
						length.Store(n + 1)
						if err := l.InvalidateTail(background, someone); err != nil {
							t.Error(err)
						}
						raise(&ackedLength, n+1)
					}
					appending.Unlock()
				default:
					stale.Add(olderThan(t, l, i-i%10, acked[:], &ackedLength, r))
					read.Add(1)
				}
			}
		})
	}
	all.Wait()
	s := c.Stats()
	if stale.Load() > 0 || s.Hits < s.Loads || s.Revoked == 0 || s.Joined == 0 {
		t.Errorf("%d of %d reads are stale; %d hits, %d loads, %d revoked, %d joined", stale.Load(), read.Load(), s.Hits, s.Loads, s.Revoked, s.Joined)
	}
	t.Logf("%d reads", read.Load())
}

// olderThan reads a page of ten rows, or the total, and returns 1 if what it got is older than what was
// acknowledged before.
func olderThan(t *testing.T, l *List[row], offset int, acked []atomic.Int64, length *atomic.Int64, r *rand.Rand) int64 {
	var floors [10]int64
	for i := range floors {
		floors[i] = acked[offset+i].Load()
	}
	least := length.Load()
	q, err := l.Query(Params{Scope: someone, Offset: offset, Limit: 10})
	if err != nil {
		t.Error(err)
	}
	if r.IntN(5) == 0 {
		n, err := l.Total(background, q)
		if err != nil {
			t.Error(err)
		}
		if n < least {
			return 1
		}
		return 0
	}
	p, err := l.Page(background, q)
	if err != nil {
		t.Error(err)
	}
	for _, x := range p.Items {
		if n, _ := strconv.ParseInt(x.Owner, 10, 64); n < floors[x.ID-offset] {
			return 1
		}
	}
	if int64(len(p.Items)) < min(10, least-int64(offset)) {
		return 1
	}
	return 0
}
