package folio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// listener writes down what it is told.
type listener struct {
	cache *Cache
	mu    sync.Mutex
	seen  []string
}

func (l *listener) observe(e Event) {
	if e.Op == Invalidate {
		l.cache.Stats() // no lock is held
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text := fmt.Sprint(e.Op, " ", e.List, "|", e.Key, " ", e.Source, " ", e.Took, " ", e.Rows, " rows ", e.Bytes, " bytes")
	switch {
	case e.Op == Invalidate:
		text = fmt.Sprint("invalidate ", e.Tags)
	case e.Err != nil:
		text = fmt.Sprint(e.Op, " ", e.List, "|", e.Key, " ", e.Took, " ", e.Err)
	}
	l.seen = append(l.seen, text)
}

// TestAllThatHappensIsObserved: what, of which key and list, how long, and with what outcome.
func TestAllThatHappensIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config, told := small(), new(listener)
		config.StaleIfError, config.Jitter, config.Observe = time.Hour, -1, told.observe
		c := open(t, config)
		told.cache = c
		down := errors.New("down")
		fault := error(nil)
		l, err := NewList(c, ListConfig[int]{Name: "rows", TTL: time.Minute, Load: func(_ context.Context, _ Query, r Range) ([]int, error) {
			time.Sleep(3 * time.Millisecond)
			return []int{1, 2, 3}[min(3, r.Offset):], fault
		}})
		if err != nil {
			t.Fatal(err)
		}
		page := func(n int) {
			q, err := l.Query(Params{Scope: someone, Page: n})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = l.Page(background, q)
			synctest.Wait()
		}
		expect := func(do func(), want ...string) {
			t.Helper()
			told.seen = nil
			do()
			synctest.Wait()
			slices.Sort(told.seen)
			if !slices.Equal(told.seen, want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(told.seen, "\n"), strings.Join(want, "\n"))
			}
		}
		const first, second = "rows|rows:user:1:offset=0:limit=20:sort=", "rows|rows:user:1:offset=20:limit=20:sort="
		expect(func() { page(1) }, "load "+first+" hit 3ms 3 rows 17 bytes", "read "+first+" miss 3ms 3 rows 17 bytes")
		expect(func() { page(1) }, "read "+first+" hit 0s 3 rows 17 bytes")
		expect(func() { page(2) }, "load "+second+" hit 3ms 0 rows 12 bytes", "read "+second+" miss 3ms 0 rows 12 bytes")
		expect(func() { page(2) }, "read rows|rows:user:1:end hit 0s 0 rows 0 bytes")
		time.Sleep(time.Minute)
		fault = down
		expect(func() { page(1) }, "load "+first+" 3ms down", "read "+first+" stale 3ms 3 rows 17 bytes")
		expect(func() { _, _ = l.Invalidate(background, someone) }, "invalidate [rows:user:1]")
		expect(func() { page(1) }, "load "+first+" 3ms down", "read "+first+" 3ms down")
		expect(func() { _ = l.InvalidateTail(background, someone) }, "invalidate [rows:user:1]")
		expect(func() {
			_ = l.InvalidateWithin(background, someone, time.Second)
			time.Sleep(2 * time.Second)
		}, "invalidate [rows:user:1]")
		expect(func() { _ = c.InvalidateTags(background, "a", "b") }, "invalidate [a b]")
		expect(func() {
			i, _ := c.Intend(background, "a")
			_, _ = i.Done(), i.Done()
		}, "invalidate [a]")
		expect(func() { c.GetIfPresent(nil, "k") }, "read |k absent 0s 0 rows 0 bytes")
		expect(func() { _ = c.Set("k", []byte("v")); c.GetIfPresent([]byte("before"), "k") }, "read |k hit 0s 0 rows 1 bytes")
		expect(func() {
			_, _ = c.GetMany(background, []string{"k", "m"}, func(context.Context, []string) (map[string][]byte, error) {
				return map[string][]byte{"m": []byte("12")}, nil
			})
		}, "load |m hit 0s 0 rows 2 bytes", "read |k hit 0s 0 rows 1 bytes", "read |m miss 0s 0 rows 2 bytes")
		expect(func() { _ = c.Delete("k") }, "invalidate [key:k]")
		if err := c.Close(background); err != nil {
			t.Fatal(err)
		}
		expect(func() { _ = c.InvalidateTags(background, "a") })
	})
}

// TestEntriesAreWhatIsHeld: all that can be read, each once, and nothing else.
func TestEntriesAreWhatIsHeld(t *testing.T) {
	config := small()
	config.TTL, config.Jitter = time.Hour, -1
	c := open(t, config)
	l, _ := tickets(t, c, nil)
	for i := range 3000 { // more than there is room for
		if err := c.Set(strconv.Itoa(i%2000), make([]byte, 1+i%2000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Set("large", noise(c.largest+100)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Page(background, parse(t, l, someone, "")); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := c.Delete(strconv.Itoa(1900 + i)); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = c.Get(background, "absent", func(context.Context) ([]byte, error) { return nil, ErrNotFound })
	seen := map[string]Entry{}
	for key, e := range c.Entries() {
		if _, again := seen[key]; again {
			t.Errorf("%s comes twice", key)
		}
		seen[key] = e
	}
	held := 0
	for i := range 2000 {
		key := strconv.Itoa(i)
		if _, ok := c.GetIfPresent(nil, key); ok {
			if e := seen[key]; e.Bytes <= i || e.Expires <= 59*time.Minute || e.List != "" || e.Absent {
				t.Errorf("%s: %+v", key, e)
			}
			held++
		}
	}
	if e := seen["tickets:user:1:offset=0:limit=20:sort=-created_at"]; e.List != "tickets" || e.Rows != 20 {
		t.Errorf("got %+v", e)
	}
	if !seen["absent"].Absent || len(seen) != held+3 || held < 100 || held == 2000 {
		t.Errorf("%d entries, %d are held: %+v", len(seen), held, seen["absent"])
	}
	for range c.Entries() {
		break
	}
	if err := c.Close(background); err != nil {
		t.Fatal(err)
	}
	for key := range c.Entries() {
		t.Errorf("a closed cache has %s", key)
	}
}

// TestStatsTellDepthsAndRegretApart: of the composite and of each strategy.
func TestStatsTellDepthsAndRegretApart(t *testing.T) {
	c := open(t, small())
	c.journal.strict = true
	l, _ := tickets(t, c, nil)
	for _, query := range []string{"", "", "page=2", "page=3", "page=3", "page=3", "limit=2&page=6", "limit=1&page=11"} {
		if _, err := l.Page(background, parse(t, l, someone, query)); err != nil {
			t.Fatal(err)
		}
	}
	c.GetIfPresent(nil, "a")
	s := c.Stats()
	want := [6]DepthStats{{"no page", 0, 1}, {"page 1", 1, 1}, {"page 2", 0, 1}, {"pages 3-5", 2, 1}, {"pages 6-10", 0, 1}, {"deeper", 0, 1}}
	if s.Depths != want || s.Strategies[0].Depths != want {
		t.Errorf("got %v, %v", s.Depths, s.Strategies[0].Depths)
	}
	if s.Rows != 20+20+10+2+1 || s.Regret != 0 {
		t.Errorf("%d rows, regret %g", s.Rows, s.Regret)
	}
}
