package folio

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What attacks on the cache's promises have found.

func TestALoaderThatEndsItsGoroutineEndsItsLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.MaxLoads = 1
		c := open(t, config)
		for range 3 {
			if _, err := c.Get(background, "a", func(context.Context) ([]byte, error) { runtime.Goexit(); return nil, nil }); !errors.Is(err, errExit) {
				t.Fatalf("got %v", err)
			}
			_, err := c.GetMany(background, []string{"a", "b"}, func(context.Context, []string) (map[string][]byte, error) { runtime.Goexit(); return nil, nil })
			if !errors.Is(err, errExit) {
				t.Fatalf("got %v", err)
			}
		}
		var loads atomic.Int64
		get(t, c, "a", "1", value("1", &loads))
	})
}

func TestALoadThatWaitsForItselfFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		began := time.Now()
		var loads atomic.Int64
		_, err := c.Get(background, "a", func(ctx context.Context) ([]byte, error) {
			return c.Get(ctx, "b", func(ctx context.Context) ([]byte, error) { return c.Get(ctx, "a", value("1", &loads)) })
		})
		if !errors.Is(err, ErrRecursion) || time.Since(began) > 0 {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
}

func TestALoaderMayCloseTheCacheAndNobodyHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		_, err := c.Get(background, "a", func(ctx context.Context) ([]byte, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			return nil, c.Close(ctx)
		})
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, ok := c.GetIfPresent(nil, "b"); ok {
			t.Error("there is something")
		}
	})
}

func TestCloseFreesWhoWaitsForALoadThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		if err := c.Set("there", nil); err != nil {
			t.Fatal(err)
		}
		freed := make(chan error, 1)
		go func() {
			_, err := c.Get(background, "a", func(context.Context) ([]byte, error) {
				time.Sleep(time.Hour)
				return nil, nil
			})
			freed <- err
		}()
		synctest.Wait()
		short, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		began := time.Now()
		if err := c.Close(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := <-freed; !errors.Is(err, ErrClosed) || time.Since(began) > time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
		if _, ok := c.GetIfPresent(nil, "there"); ok {
			t.Error("a cache that is being closed has a value")
		}
	})
}

func TestLoadsWithinLoadsDoNotWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.MaxLoads = 2
		c := open(t, config)
		began := time.Now()
		var loads atomic.Int64
		hammer(4, func(i int) {
			_, err := c.Get(background, fmt.Sprint("outer", i), func(ctx context.Context) ([]byte, error) {
				time.Sleep(time.Second)
				return c.Get(ctx, fmt.Sprint("inner", i), value("1", &loads))
			})
			if err != nil {
				t.Error(err)
			}
		})
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("four loads of a second, two at once, took %s", took)
		}
	})
}

func TestAnErrorThatTellsOfAPanicIsNone(t *testing.T) {
	c := open(t, small())
	if _, err := c.Get(background, "a", func(context.Context) ([]byte, error) { return nil, &PanicError{Value: "passed on"} }); err == nil {
		t.Error("no error")
	}
}

func TestConcurrentLoadsOfKeysOfOneHashAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		c.hash = func(string, uint64) (uint64, uint64) { return 1, 1 }
		hammer(10, func(i int) {
			key := fmt.Sprint(i % 3)
			v, err := c.Get(background, key, func(context.Context) ([]byte, error) {
				time.Sleep(time.Second)
				return []byte(key), nil
			})
			if err != nil || string(v) != key {
				t.Errorf("%s: got %q, %v", key, v, err)
			}
		})
	})
}

// TestAChangedQueryIsRefused: its key would be that of another.
func TestAChangedQueryIsRefused(t *testing.T) {
	c, other := open(t, small()), open(t, small())
	l, _ := tickets(t, c, nil)
	twin, _ := tickets(t, other, nil)
	for name, change := range map[string]func(*Query){
		"scope": func(q *Query) { q.Scope.ID = "2" }, "sort": func(q *Query) { q.Sort = "title" }, "offset": func(q *Query) { q.Offset = 1000 },
		"limit": func(q *Query) { q.Limit++ }, "cursor": func(q *Query) { q.Cursor = "x" }, "total": func(q *Query) { q.Total = true },
	} {
		q := parse(t, l, someone, "")
		change(&q)
		if _, err := l.Page(background, q); !errors.Is(err, ErrQuery) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := l.Total(background, q); !errors.Is(err, ErrQuery) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := twin.Page(background, parse(t, l, someone, "")); !errors.Is(err, ErrQuery) {
		t.Errorf("another cache's query: %v", err)
	}
}

// TestTagsAreThoseOfTheLoad: not of when the query was made, and of all pages alike.
func TestTagsAreThoseOfTheLoad(t *testing.T) {
	c := open(t, small())
	plan := Tag("plan:free")
	l, origin := tickets(t, c, func(c *ListConfig[row]) {
		c.Tags = func(q Query) []Tag { return []Tag{plan, Tag("sort:" + q.Sort), "plan:" + Tag(q.Filter("type"))} }
	})
	for _, query := range []string{"", "page=9&sort=title"} {
		q := parse(t, l, someone, query)
		plan = "plan:pro"
		for i, change := range []Tag{"plan:free", "sort:title", "plan:pro"} {
			if _, err := l.Page(background, q); err != nil {
				t.Fatal(err)
			}
			before := origin.loads.Load()
			if err := c.InvalidateTags(background, change); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Page(background, q); err != nil || origin.loads.Load()-before != int64(i/2) {
				t.Errorf("%q, %s: %d loads, %v", query, change, origin.loads.Load()-before, err)
			}
		}
	}
	many, _ := tickets(t, c, func(c *ListConfig[row]) {
		c.Name, c.Tags = "many", func(Query) []Tag {
			var all []Tag
			for i := range 1100 {
				all = append(all, Tag(fmt.Sprint(i)))
			}
			return all
		}
	})
	for range 2 {
		if p, err := many.Page(background, parse(t, many, someone, "")); err != nil || p.Source != Miss {
			t.Errorf("1100 tags: %v, %v", p.Source, err)
		}
	}
	if n := c.Stats().TooLarge; n != 2 {
		t.Errorf("%d too large, want 2", n)
	}
}

// TestSetOutdatesWhatDependsOnItsKey: whether the key is known or not.
func TestSetOutdatesWhatDependsOnItsKey(t *testing.T) {
	c := open(t, small())
	l, origin := tickets(t, c, func(c *ListConfig[row]) { c.Tags = func(Query) []Tag { return []Tag{KeyTag("user:1")} } })
	for i, write := range []func() error{
		func() error { return c.Delete("user:1") }, func() error { return c.Set("user:1", nil) },
		func() error { return c.Set("user:1", nil) }, func() error { return c.Delete("user:1") },
	} {
		if _, err := l.Page(background, parse(t, l, someone, "")); err != nil {
			t.Fatal(err)
		}
		if err := write(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Page(background, parse(t, l, someone, "")); err != nil || origin.loads.Load() != int64(i+2) {
			t.Errorf("write %d: %d loads, %v", i, origin.loads.Load(), err)
		}
	}
}

// TestDeletesOfWhatIsNotThereTakeNoMemory: a program may delete any key it writes.
func TestDeletesOfWhatIsNotThereTakeNoMemory(t *testing.T) {
	c := open(t, small())
	for i := range 1000 {
		if err := c.Delete(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Stats().Invalidations; n != 0 {
		t.Errorf("%d tags are kept", n)
	}
}

func TestNamesOfMemoizedFunctionsDoNotRunIntoTheirKeys(t *testing.T) {
	c := open(t, small())
	name := func(_ context.Context, key string) (string, error) { return "user " + key, nil }
	secret := func(_ context.Context, key string) (string, error) { return "secret " + key, nil }
	if _, err := Memoize(c, "user:secret", secret)(background, "1"); err != nil {
		t.Fatal(err)
	}
	if v, err := Memoize(c, "user", name)(background, "secret:1"); err != nil || v != "user secret:1" {
		t.Errorf("got %q, %v", v, err)
	}
}

func TestServeNeverAnswersWithNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		config := small()
		config.Logger = logger(&log)
		c := open(t, config)
		inner := &QueryError{"scope", "internal", "secret"}
		l, _ := tickets(t, c, func(c *ListConfig[row]) {
			c.Load = func(context.Context, Query, Range) ([]row, error) {
				time.Sleep(time.Second)
				return nil, inner
			}
		})
		answer := func(timeout time.Duration) *httptest.ResponseRecorder {
			ctx, cancel := context.WithTimeoutCause(background, timeout, errors.New("enough"))
			defer cancel()
			w := httptest.NewRecorder()
			l.Serve(w, httptest.NewRequest("GET", "/", nil).WithContext(ctx), parse(t, l, someone, ""))
			return w
		}
		if w := answer(time.Millisecond); w.Code != http.StatusGatewayTimeout || w.Body.Len() == 0 {
			t.Errorf("status %d, %q", w.Code, w.Body)
		}
		time.Sleep(time.Minute)
		if w := answer(time.Minute); w.Code != 500 || strings.Contains(w.Body.String(), "secret") || !strings.Contains(log.String(), "secret") {
			t.Errorf("an inner list's fault is the client's: status %d, %q", w.Code, w.Body)
		}
	})
}

func TestExtremesDoNotOverflow(t *testing.T) {
	config := small()
	config.TTL, config.Jitter = math.MaxInt64, -1
	c := open(t, config)
	var loads atomic.Int64
	for range 2 {
		get(t, c, "a", "1", value("1", &loads))
	}
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads of what lives for centuries", n)
	}
	l, _ := tickets(t, c, func(c *ListConfig[row]) { c.MaxOffset = math.MaxInt })
	for _, limit := range []int{2, 4} {
		if q, err := l.Query(Params{Scope: someone, Limit: limit, Page: math.MaxInt/2 + 2}); !errors.Is(err, ErrQuery) {
			t.Errorf("got %s", q)
		}
	}
	for _, n := range []int64{math.MaxInt64, 1 << 41, -1} {
		for _, onHeap := range []bool{false, true} {
			if _, err := New(Config{MaxBytes: n, OnHeap: onHeap}); !errors.Is(err, ErrConfig) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	}
	if n := (Query{}).Page(); n != 0 {
		t.Errorf("page %d of no query", n)
	}
}
