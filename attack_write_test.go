package folio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What attacks on invalidations, shares and large values have found.

// rowsOf makes a list of one loader.
func rowsOf(t testing.TB, c *Cache, load func(context.Context, Query, Range) ([]row, error), change func(*ListConfig[row])) *List[row] {
	t.Helper()
	config := ListConfig[row]{Name: "rows", Load: load}
	if change != nil {
		change(&config)
	}
	l, err := NewList(c, config)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func pageOf(t testing.TB, l *List[row], q Query) Page[row] {
	t.Helper()
	p, err := l.Page(background, q)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAReaderAfterARowsTagJoinsNoOlderLoad: what the load depends on is not known yet.
func TestAReaderAfterARowsTagJoinsNoOlderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		owner := "old"
		l := rowsOf(t, c, func(context.Context, Query, Range) ([]row, error) {
			rows := []row{{1, owner}}
			time.Sleep(time.Second)
			return rows, nil
		}, func(c *ListConfig[row]) { c.RowTags = func(row) []Tag { return []Tag{"row:1"} } })
		q := parse(t, l, someone, "")
		go func() { _, _ = l.Page(background, q) }()
		time.Sleep(time.Second / 2)
		synctest.Wait()
		owner = "new"
		if err := c.InvalidateTags(background, "row:1"); err != nil {
			t.Fatal(err)
		}
		if p := pageOf(t, l, q); p.Items[0].Owner != "new" {
			t.Errorf("got %v", p)
		}
	})
}

// TestAKeyThatOnlyRowsNameIsKnownBeforeTheFirstLoad: a write of it meanwhile is not lost.
func TestAKeyThatOnlyRowsNameIsKnownBeforeTheFirstLoad(t *testing.T) {
	for name, write := range map[string]func(c *Cache) error{
		"set": func(c *Cache) error { return c.Set("profile:1", nil) }, "delete": func(c *Cache) error { return c.Delete("profile:1") },
	} {
		c := open(t, small())
		owner := "old"
		l := rowsOf(t, c, func(context.Context, Query, Range) ([]row, error) {
			rows := []row{{1, owner}}
			if owner == "old" {
				owner = "new"
				if err := write(c); err != nil {
					t.Error(err)
				}
			}
			return rows, nil
		}, func(c *ListConfig[row]) { c.RowTags = func(row) []Tag { return []Tag{KeyTag("profile:1")} } })
		q := parse(t, l, someone, "")
		pageOf(t, l, q)
		if p := pageOf(t, l, q); p.Items[0].Owner != "new" {
			t.Errorf("%s: got %v", name, p)
		}
	}
}

// TestALoadThatWaitsForItselfFailsWhateverItDoes: while its key is being written, or after it has deleted it.
func TestALoadThatWaitsForItselfFailsWhateverItDoes(t *testing.T) {
	c := open(t, small())
	i, err := c.Intend(background, KeyTag("written"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"written", "deleted"} {
		depth := 0
		var load func(ctx context.Context) ([]byte, error)
		load = func(ctx context.Context) ([]byte, error) {
			if depth++; depth > 100 {
				return nil, errors.New("too deep")
			}
			if key == "deleted" {
				_ = c.Delete(key)
			}
			return c.Get(ctx, key, load)
		}
		if _, err := c.Get(background, key, load); !errors.Is(err, ErrRecursion) || depth > 1 {
			t.Errorf("%s: %v after %d loads", key, err, depth)
		}
	}
	if err := i.Done(); err != nil {
		t.Fatal(err)
	}
}

// TestLoadsThatWaitForEachOtherFail: two of them, or three in a circle; not those that wait for one other.
func TestLoadsThatWaitForEachOtherFail(t *testing.T) {
	for _, next := range []map[string]string{{"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "a"}, {"a": "c", "b": "c"}} {
		synctest.Test(t, func(t *testing.T) {
			c, began := open(t, small()), time.Now()
			var load func(key string) func(ctx context.Context) ([]byte, error)
			load = func(key string) func(ctx context.Context) ([]byte, error) {
				return func(ctx context.Context) ([]byte, error) {
					time.Sleep(time.Second)
					if next[key] == "" {
						return []byte(key), nil
					}
					return c.Get(ctx, next[key], load(next[key]))
				}
			}
			var failed atomic.Int64
			var all sync.WaitGroup
			for key := range next {
				all.Go(func() {
					if _, err := c.Get(background, key, load(key)); errors.Is(err, ErrRecursion) {
						failed.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			circle := next["c"] != "" || next["b"] == "a"
			if n := failed.Load(); (n > 0) != circle || time.Since(began) > 3*time.Second {
				t.Errorf("%v: %d of %d failed after %s", next, n, len(next), time.Since(began))
			}
		})
	}
}

// curious is a log handler that asks the cache.
type curious struct {
	slog.Handler
	cache **Cache
	asked *atomic.Int64
}

func (h curious) Handle(ctx context.Context, r slog.Record) error {
	(*h.cache).Stats()
	h.asked.Add(1)
	return nil
}

func TestALoggerMayAskTheCache(t *testing.T) {
	var c *Cache
	var asked atomic.Int64
	config := small()
	config.Logger = slog.New(curious{slog.NewTextHandler(nil, nil), &c, &asked})
	c = open(t, config)
	get(t, c, "a", string(noise(1<<20)), func(context.Context) ([]byte, error) { return noise(1 << 20), nil })
	if asked.Load() == 0 {
		t.Error("nothing was logged")
	}
}

// TestAFullScopeHasRoomForItself: in the place of its own large value, and of what tags have outdated.
func TestAFullScopeHasRoomForItself(t *testing.T) {
	now := time.Now()
	config := small()
	config.MaxShare, config.Now, config.TTL, config.Jitter = .1, func() time.Time { return now }, time.Hour, -1
	c := open(t, config)
	body := string(noise(int(c.shares.limit) * 6 / 10))
	for lap := range 3 {
		get(t, c, "a", body, func(context.Context) ([]byte, error) { return []byte(body), nil })
		if _, ok := c.GetIfPresent(nil, "a"); !ok {
			t.Errorf("lap %d: not stored", lap)
		}
		now = now.Add(time.Hour)
	}
	l, err := NewList(c, ListConfig[string]{Name: "notes", Filters: []string{"f"}, Tags: func(Query) []Tag { return []Tag{"event"} },
		Load: func(context.Context, Query, Range) ([]string, error) { return []string{strings.Repeat("x", 2000)}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	read := func(f string, n int) Source {
		q, err := l.Query(Params{Scope: someone, Page: n, Filters: map[string][]string{"f": {f}}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := l.Page(background, q)
		if err != nil {
			t.Fatal(err)
		}
		return p.Source
	}
	for n := 1; n <= 200; n++ {
		read("a", n)
	}
	if err := c.InvalidateTags(background, "event"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * recount)
	if read("b", 7) != Miss || read("b", 7) != Hit {
		t.Error("a scope that holds nothing valid has no room")
	}
	config.MaxShare = 1e-9
	c = open(t, config)
	if err := c.Set("a", nil); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.GetIfPresent(nil, "a"); ok {
		t.Error("a tiny share is none")
	}
}

// TestHeadersAreAResponsesOwn: what a middleware does to one reaches no other; an audience of the public
// is not the public; the length is left to who encodes.
func TestHeadersAreAResponsesOwn(t *testing.T) {
	l, _ := tickets(t, open(t, small()), nil)
	serve := func(s Scope, encoding string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		if encoding != "" {
			w.Header().Set("Content-Encoding", encoding)
		}
		l.Serve(w, httptest.NewRequest("GET", "/tickets", nil), parse(t, l, s, ""))
		return w
	}
	serve(Public, "").Header()["Cache-Control"][0] = "max-age=60"
	for s, want := range map[Scope]string{Public: "public, no-cache", {Kind: "public", Audience: "admin"}: "private, no-cache", someone: "private, no-cache"} {
		if got := serve(s, "").Header().Get("Cache-Control"); got != want {
			t.Errorf("%v: %q", s, got)
		}
	}
	if got := serve(Public, "gzip").Header().Get("Content-Length"); got != "" {
		t.Errorf("an encoded body of %s bytes", got)
	}
}

// TestWhatALoadHasReplacedDoesNotComeBackWhereOneFails: not the rows of a page that is empty since, nor
// the value that is gone since.
func TestWhatALoadHasReplacedDoesNotComeBackWhereOneFails(t *testing.T) {
	now := time.Now()
	config := small()
	config.StaleIfError, config.Jitter, config.TTL, config.NegativeTTL, config.Now = time.Hour, -1, time.Minute, -1, func() time.Time { return now }
	c := open(t, config)
	rows, down := 50, error(nil)
	l := rowsOf(t, c, func(_ context.Context, _ Query, r Range) (all []row, _ error) {
		for i := r.Offset; i < min(rows, r.Offset+r.Limit); i++ {
			all = append(all, row{ID: i})
		}
		return all, down
	}, func(c *ListConfig[row]) { c.TTL = time.Minute })
	q := parse(t, l, someone, "page=2")
	read := func() error {
		_, err := c.Get(background, "a", func(context.Context) ([]byte, error) {
			if rows < 50 {
				return nil, errors.Join(down, ErrNotFound)
			}
			return []byte("1"), nil
		})
		return err
	}
	if p := pageOf(t, l, q); len(p.Items) != 20 || read() != nil {
		t.Fatalf("got %v", p)
	}
	now, rows = now.Add(2*time.Minute), 20
	if p := pageOf(t, l, q); len(p.Items) != 0 || !errors.Is(read(), ErrNotFound) {
		t.Fatalf("got %v", p)
	}
	now, down = now.Add(2*time.Minute), errors.New("down")
	if p, err := l.Page(background, q); len(p.Items) != 0 {
		t.Errorf("rows that are gone: %v, %v", p, err)
	}
	if v, err := c.Get(background, "a", func(context.Context) ([]byte, error) { return nil, down }); !errors.Is(err, down) {
		t.Errorf("a value that is gone: %q, %v", v, err)
	}
}

func TestWhatDependsOnAWriteSinceItBeganIsNotServed(t *testing.T) {
	c := open(t, small())
	l, _ := tickets(t, c, func(c *ListConfig[row]) { c.Tags = func(Query) []Tag { return []Tag{"board"} } })
	i, err := c.Intend(background, "event:7")
	if err != nil {
		t.Fatal(err)
	}
	q := parse(t, l, someone, "")
	pageOf(t, l, q)
	if err := c.Depend("board", "event:7"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if p := pageOf(t, l, q); p.Source != Miss {
			t.Errorf("got a %v", p.Source)
		}
	}
	if err := i.Done(); err != nil {
		t.Fatal(err)
	}
	pageOf(t, l, q)
	if p := pageOf(t, l, q); p.Source != Hit {
		t.Errorf("got a %v after the end", p.Source)
	}
}

// TestNamesOfListsInRulesAreEscapedAsInTags, be they of fields or not; and a tag of that look that is
// none of a scope is reached as well.
func TestNamesOfListsInRulesAreEscapedAsInTags(t *testing.T) {
	config := small()
	config.Rules = Rules{"field": {"{list}:user:{user}"}, "name": {"my%3Alist:user:{user}"}}
	c := open(t, config)
	s := Scope{Kind: "user", ID: "a:b"}
	for name, entity := range map[string]string{"tickets": "field", "my:list": "name"} {
		l, _ := tickets(t, c, func(c *ListConfig[row]) { c.Name = name })
		tags, err := c.Reach(entity, map[string]string{"list": name, "user": s.ID})
		if err != nil || !slices.Contains(tags, l.Tag(s)) {
			t.Errorf("%s: %q, %v; want %q", name, tags, err, l.Tag(s))
		}
		if own := Tag(name + ":user:a:b"); name == "tickets" && !slices.Contains(tags, own) {
			t.Errorf("%q does not reach %q", tags, own)
		}
	}
}

// TestExplanationsAreTrue: of a value of which a piece is gone, and of a page behind the end.
func TestExplanationsAreTrue(t *testing.T) {
	c, name := open(t, small()), "a"
	for {
		if err := c.Set(name, noise(c.largest+100)); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.GetIfPresent(nil, name); ok {
			break
		}
		if err := c.Delete(name); err != nil { // seldom one piece overwrites the other
			t.Fatal(err)
		}
		name += "a"
	}
	id := c.plain(name)
	p := c.piece(&id, 1)
	c.store.Delete(p.key)
	if x := c.Explain(name); x.Stored || x.Why != WhyTorn {
		t.Errorf("got %+v", x)
	}
	for key := range c.Entries() {
		t.Errorf("%s is an entry", key)
	}
	l, _ := tickets(t, c, nil)
	q := parse(t, l, someone, "page=9")
	pageOf(t, l, q)
	if x, err := l.Explain(q); err != nil || !x.Stored || x.Why != WhyBehind || x.Key != q.String() || pageOf(t, l, q).Source != Hit {
		t.Errorf("got %+v, %v", x, err)
	}
}

func TestOffsetsDoNotOverflow(t *testing.T) {
	s := shape{maxOffset: math.MaxInt}
	if got := s.links("", Query{Offset: math.MaxInt - 7, Limit: 20}, 20); strings.Contains(got, "=-") || strings.Contains(got, "next") {
		t.Error(got)
	}
	l, _ := tickets(t, open(t, small()), func(c *ListConfig[row]) { c.MaxOffset, c.MaxLimit, c.Finer = math.MaxInt, math.MaxInt, true })
	q, err := l.Query(Params{Scope: someone, Offset: math.MaxInt, Limit: math.MaxInt})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(l.pageTags(q, nil)); n < 60 {
		t.Errorf("the last page has %d tags", n)
	}
}

func TestAskingWhatATagReachesChangesNothing(t *testing.T) {
	c := open(t, small())
	if _, err := c.Cascade(KeyTag("a")); err != nil {
		t.Fatal(err)
	}
	if c.keyTags.Load() {
		t.Error("the cache believes that something depends on a key")
	}
}

func TestLoadsWithinAnotherCachesLoadsTakeTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.MaxLoads = 1
		outer, inner := open(t, small()), open(t, config)
		var now, most atomic.Int64
		var all sync.WaitGroup
		for i := range 10 {
			key := fmt.Sprint(i)
			all.Go(func() {
				_, err := outer.Get(background, key, func(ctx context.Context) ([]byte, error) {
					return inner.Get(ctx, key, func(context.Context) ([]byte, error) {
						most.Store(max(most.Load(), now.Add(1)))
						time.Sleep(time.Second)
						now.Add(-1)
						return nil, nil
					})
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		if all.Wait(); most.Load() != 1 {
			t.Errorf("%d loads at once", most.Load())
		}
	})
}
