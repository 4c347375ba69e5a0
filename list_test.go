package folio

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio/internal/seed"
)

// row is one row of a table that tests page through.
type row struct {
	ID    int
	Owner string
}

// table is an origin of rows for every scope, and counts what it is asked.
type table struct {
	rows          map[string]int // by scope
	loads, counts atomic.Int64
}

func (t *table) load(_ context.Context, q Query, r Range) ([]row, error) {
	t.loads.Add(1)
	from := r.Offset
	if r.Cursor != "" {
		from, _ = strconv.Atoi(r.Cursor)
	}
	var rows []row
	for i := from; i < min(t.rows[q.Scope.String()], from+r.Limit); i++ {
		rows = append(rows, row{i, q.Scope.String() + " " + q.Filter("status") + " " + q.Sort})
	}
	return rows, nil
}

func (t *table) count(_ context.Context, q Query) (int64, error) {
	t.counts.Add(1)
	return int64(t.rows[q.Scope.String()]), nil
}

var someone = Scope{Kind: "user", ID: "1"}

// tickets returns a list over a table in which someone has 50 rows.
func tickets(t testing.TB, c *Cache, change func(*ListConfig[row])) (*List[row], *table) {
	t.Helper()
	origin := &table{rows: map[string]int{"user:1": 50, "user:1@admin": 60, "public": 30}}
	config := ListConfig[row]{Name: "tickets", Sorts: []string{"-created_at", "title"}, Filters: []string{"status", "type"},
		MaxLimit: 50, MaxAhead: -1, NoWarm: true, Load: origin.load, Count: origin.count}
	if change != nil {
		change(&config)
	}
	l, err := NewList(c, config)
	if err != nil {
		t.Fatal(err)
	}
	return l, origin
}

func parse(t testing.TB, l *List[row], s Scope, query string) Query {
	t.Helper()
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	q, err := l.Parse(v, s)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestPagesAreLoadedOnceAndDecoded(t *testing.T) {
	l, origin := tickets(t, open(t, small()), nil)
	for _, source := range []Source{Miss, Hit} {
		p, err := l.Page(background, parse(t, l, someone, "page=3&status=open"))
		if err != nil {
			t.Fatal(err)
		}
		if p.Source != source || len(p.Items) != 10 || p.Items[0] != (row{40, "user:1 open -created_at"}) {
			t.Errorf("got %v", p)
		}
		n, err := l.Total(background, parse(t, l, someone, "page="+strconv.Itoa(int(source)+1)))
		if err != nil || n != 50 {
			t.Errorf("a total of %d, %v", n, err)
		}
	}
	if origin.loads.Load() != 1 || origin.counts.Load() != 1 {
		t.Errorf("%d loads, %d counts", origin.loads.Load(), origin.counts.Load())
	}
}

func TestAKeysetListIsWalkedByItsCursors(t *testing.T) {
	l, origin := tickets(t, open(t, small()), func(c *ListConfig[row]) {
		c.Cursor = func(r row) string { return strconv.Itoa(r.ID + 1) }
	})
	for range 2 {
		q, seen := parse(t, l, someone, ""), 0
		for {
			p, err := l.Page(background, q)
			if err != nil {
				t.Fatal(err)
			}
			seen += len(p.Items)
			if p.Next == "" {
				break
			}
			q = parse(t, l, someone, "cursor="+p.Next)
		}
		if seen != 50 {
			t.Errorf("%d rows", seen)
		}
	}
	if n := origin.loads.Load(); n != 3 {
		t.Errorf("%d loads", n)
	}
}

// TestAnInvalidationReachesAllPagesOfItsScopeAndNoOther: of all audiences, sorts, limits, filters,
// and the totals.
func TestAnInvalidationReachesAllPagesOfItsScopeAndNoOther(t *testing.T) {
	l, origin := tickets(t, open(t, small()), nil)
	admin := Scope{Kind: "user", ID: "1", Audience: "admin"}
	queries := []string{"", "page=2", "limit=10", "sort=title", "status=open", "page=3&limit=7&type=a&sort=title"}
	all := func(s Scope) (loads int64) {
		before := origin.loads.Load() + origin.counts.Load()
		for _, query := range queries {
			if _, err := l.Page(background, parse(t, l, s, query)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Total(background, parse(t, l, s, "")); err != nil {
			t.Fatal(err)
		}
		return origin.loads.Load() + origin.counts.Load() - before
	}
	n := int64(len(queries)) + 1
	for _, want := range []int64{n, 0} {
		for _, s := range []Scope{someone, admin, Public} {
			if got := all(s); got != want {
				t.Errorf("%s: %d loads, want %d", s, got, want)
			}
		}
	}
	token, err := l.Invalidate(background, admin)
	if err != nil || token.String() == "" {
		t.Fatal(err)
	}
	for s, want := range map[Scope]int64{someone: n, admin: n, Public: 0} {
		if got := all(s); got != want {
			t.Errorf("%s: %d loads after the invalidation, want %d", s, got, want)
		}
	}
}

func TestPagesPastTheEndCostOneLoadAndNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		l, origin := tickets(t, c, nil)
		page := func(n int) []row {
			p, err := l.Page(background, parse(t, l, someone, "page="+strconv.Itoa(n)))
			if err != nil {
				t.Fatal(err)
			}
			return p.Items
		}
		page(4)
		before := c.Stats().Entries
		for n := 4; n < 1000; n++ {
			if rows := page(n); len(rows) != 0 {
				t.Fatalf("page %d has rows: %v", n, rows)
			}
		}
		if got := c.Stats().Entries; got != before || origin.loads.Load() != 1 {
			t.Errorf("%d entries instead of %d, %d loads", got, before, origin.loads.Load())
		}
		if rows := page(3); len(rows) != 10 {
			t.Errorf("the last page has %d rows", len(rows))
		}
		origin.rows["user:1"] = 100
		if _, err := l.Invalidate(background, someone); err != nil {
			t.Fatal(err)
		}
		if rows := page(4); len(rows) != 20 {
			t.Errorf("page 4 has %d rows now", len(rows))
		}
		loads, entries := origin.loads.Load(), c.Stats().Entries
		for _, n := range seed.Random(t).Perm(900) { // each nearer one costs a load: some ln 900
			page(7 + n)
		}
		page(7)
		got := c.Stats().Entries
		if n := origin.loads.Load() - loads; n > 40 || got > entries+1 {
			t.Errorf("%d loads of empty pages, %d entries more", n, got-entries)
		}
		origin.rows["user:1"] = 200
		time.Sleep(defaultEmptyTTL)
		if rows := page(7); len(rows) != 20 {
			t.Errorf("that there is nothing is remembered for longer than EmptyTTL")
		}
	})
}

func TestAnEmptyListIsRememberedForEmptyTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, origin := tickets(t, open(t, small()), nil)
		nobody := Scope{Kind: "user", ID: "2"}
		for _, loads := range []int64{1, 1, 2} {
			if p, err := l.Page(background, parse(t, l, nobody, "")); err != nil || p.Items == nil || len(p.Items) != 0 {
				t.Fatalf("got %v, %v", p, err)
			}
			if got := origin.loads.Load(); got != loads {
				t.Errorf("%d loads, want %d", got, loads)
			}
			if loads == 1 && origin.loads.Load() == 1 {
				time.Sleep(defaultEmptyTTL / 2)
			}
		}
	})
}

func TestALoaderThatReturnsTooManyRowsFails(t *testing.T) {
	l, _ := tickets(t, open(t, small()), func(c *ListConfig[row]) {
		c.Load = func(_ context.Context, _ Query, r Range) ([]row, error) { return make([]row, r.Limit+1), nil }
	})
	if _, err := l.Page(background, parse(t, l, someone, "")); !errors.Is(err, ErrRows) {
		t.Errorf("got %v", err)
	}
}

// TestNobodyGetsAnothersPage: random scopes and audiences, with names made of what separates
// fields, under a hash of three bits.
func TestNobodyGetsAnothersPage(t *testing.T) {
	c := open(t, small())
	c.hash = func(text string, seed uint64) (uint64, uint64) {
		hi, lo := xxh3Hash(text, seed)
		return hi, lo & 7
	}
	l, origin := tickets(t, c, nil)
	r := seed.Random(t)
	pieces := []string{"1", ":", "@", "%", "=", ",", "user", "admin", "%3A"}
	word := func(least int) string {
		var b strings.Builder
		for range least + r.IntN(3) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	for range 20_000 {
		s := Scope{word(1), word(1), word(0)}
		if s.Kind == publicKind {
			continue
		}
		origin.rows[s.String()] = 3
		p, err := l.Page(background, parse(t, l, s, ""))
		if err != nil {
			t.Fatal(err)
		}
		if want := s.String() + "  -created_at"; p.Items[0].Owner != want {
			t.Fatalf("%#v got the page of %q", s, p.Items[0].Owner)
		}
		if r.IntN(50) == 0 {
			if _, err := l.Invalidate(background, s); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func serve(t testing.TB, l *List[row], s Scope, query string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/tickets?"+query, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	l.Serve(w, r, parse(t, l, s, query))
	return w
}

// TestNoPageIsOlderThanWhatWasAcknowledged: lists under concurrent writes, by versions that only
// the test knows of.
func TestNoPageIsOlderThanWhatWasAcknowledged(t *testing.T) {
	c := open(t, small())
	const scopes = 20
	var committed, acked [scopes]atomic.Int64
	l, err := NewList(c, ListConfig[row]{Name: "rows", Load: func(_ context.Context, q Query, r Range) ([]row, error) {
		i, _ := strconv.Atoi(q.Scope.ID)
		n := int(committed[i].Load())
		if rand.IntN(10) == 0 {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
		}
		if r.Offset > 60 {
			return nil, nil
		}
		return []row{{n, q.Scope.ID}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := seed.Random(t)
	seed := r.Uint64()
	hammer(8, func(n int) {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		for range 3000 {
			i := r.IntN(scopes)
			s := Scope{Kind: "user", ID: strconv.Itoa(i)}
			if r.IntN(10) == 0 {
				n := committed[i].Add(1)
				if _, err := l.Invalidate(background, s); err != nil {
					t.Error(err)
				}
				for was := acked[i].Load(); was < n && !acked[i].CompareAndSwap(was, n); was = acked[i].Load() {
				}
				continue
			}
			q, err := l.Query(Params{Scope: s, Page: 1 + r.IntN(5), Limit: 20})
			if err != nil {
				t.Error(err)
				return
			}
			floor := acked[i].Load()
			p, err := l.Page(background, q)
			if err != nil || len(p.Items) == 1 && (int64(p.Items[0].ID) < floor || p.Items[0].Owner != s.ID) {
				t.Errorf("%v, %v: acknowledged %d", p, err, floor)
				return
			}
		}
	})
}
