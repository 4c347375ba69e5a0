// Package foliotest helps to test programs that use a cache: that a handler invalidates what it
// changes and spares the rest, that a loader is asked what it should be, and what happens when time goes
// by. It needs no server, and no sleep.
package foliotest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/foliocache/folio"
)

// New returns a small cache on the Go heap for a test, and closes it at the test's end. change, unless
// nil, changes its config: 4 MiB, a clock that stands still, neither jitter nor early refresh
// (which goes by what loads really take), and a seed, so that a test does the same every time.
func New(t testing.TB, change func(*folio.Config)) (*folio.Cache, *Clock) {
	t.Helper()
	clock := NewClock()
	config := folio.Config{MaxBytes: 4 << 20, OnHeap: true, Jitter: -1, EarlyRefresh: -1, Seed: 1, Now: clock.Now}
	if change != nil {
		change(&config)
	}
	c, err := folio.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return c, clock
}

// Clock is a clock that stands still until it is advanced: for folio.Config.Now. Safe for concurrent
// use. Deadlines of loads, and delays of invalidations, are of real time.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock at some fixed date.
func NewClock() *Clock { return &Clock{now: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance lets time go by.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Loader wraps a list's loader and keeps what it is asked. Safe for concurrent use.
type Loader[T any] struct {
	load  func(context.Context, folio.Query, folio.Range) ([]T, error)
	mu    sync.Mutex
	calls []Call
	fault error
}

// Call is one call of a loader.
type Call struct {
	Query folio.Query
	Range folio.Range
}

// Record wraps a loader: give its Load to folio.ListConfig.
func Record[T any](load func(context.Context, folio.Query, folio.Range) ([]T, error)) *Loader[T] {
	return &Loader[T]{load: load}
}

// Load keeps the call and calls the loader, or fails as [Loader.Fail] said.
func (l *Loader[T]) Load(ctx context.Context, q folio.Query, r folio.Range) ([]T, error) {
	l.mu.Lock()
	l.calls = append(l.calls, Call{q, r})
	err := l.fault
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return l.load(ctx, q, r)
}

// Fail has every load fail from now on, until it is told nil.
func (l *Loader[T]) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = err
}

// Calls returns the calls since it was last asked.
func (l *Loader[T]) Calls() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.calls
	l.calls = nil
	return calls
}

// Cached is something that a cache may hold, see [Page] and [Key].
type Cached struct {
	name string
	warm func() error
	ask  func() (folio.Explanation, error)
}

// Page is a page of a list.
func Page[T any](l *folio.List[T], p folio.Params) Cached {
	q, err := l.Query(p)
	if err != nil {
		return Cached{fmt.Sprintf("page %+v", p), func() error { return err }, nil}
	}
	return Cached{q.String(), func() error { _, err := l.Page(context.Background(), q); return err },
		func() (folio.Explanation, error) { return l.Explain(q) }}
}

// Key is a plain key; it is stored with some value where the cache has none.
func Key(c *folio.Cache, key string) Cached {
	return Cached{key, func() error {
		_, err := c.Get(context.Background(), key, func(context.Context) ([]byte, error) { return []byte("foliotest"), nil })
		return err
	}, func() (folio.Explanation, error) { return c.Explain(key), nil }}
}

// Invalidates fails the test unless something outdates all of what is named, which is cached before: a
// write through a handler, say.
func Invalidates(t testing.TB, do func(), all ...Cached) {
	t.Helper()
	for _, x := range after(t, do, all) {
		if x.Version == x.before && x.Why != folio.WhyOutdated {
			t.Errorf("%s: not invalidated: %s", x.Key, x.Why)
		}
	}
}

// Keeps fails the test unless something leaves all of what is named in the cache.
func Keeps(t testing.TB, do func(), all ...Cached) {
	t.Helper()
	for _, x := range after(t, do, all) {
		switch {
		case !x.Stored:
			t.Errorf("%s: should have stayed in the cache: %s", x.Key, x.Why)
		case x.Version != x.before:
			t.Errorf("%s: should have stayed in the cache: invalidated, and loaded again", x.Key)
		}
	}
}

// outcome is what became of something that was cached.
type outcome struct {
	folio.Explanation
	before uint64 // its version
}

// after caches all, does something, and tells what became of each.
func after(t testing.TB, do func(), all []Cached) (became []outcome) {
	t.Helper()
	if len(all) == 0 {
		t.Fatalf("nothing is named that should be cached")
	}
	before := make([]uint64, len(all))
	for i, c := range all {
		if err := c.warm(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if x, err := c.ask(); err != nil || !x.Stored {
			t.Fatalf("%s: cannot be cached: %s, %v", c.name, x.Why, err)
		} else {
			before[i] = x.Version
		}
	}
	do()
	for i, c := range all {
		x, err := c.ask()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		became = append(became, outcome{x, before[i]})
	}
	return became
}
