package foliotest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/foliotest"
)

var someone = folio.Scope{Kind: "user", ID: "1"}

// shop is a program under test.
type shop struct {
	tickets *folio.List[string]
	cache   *folio.Cache
}

// ServeHTTP adds a ticket for a user.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := s.tickets.Invalidate(r.Context(), folio.Scope{Kind: "user", ID: r.FormValue("user")}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func newShop(t testing.TB) (*shop, *foliotest.Loader[string], *foliotest.Clock) {
	cache, clock := foliotest.New(t, nil)
	loader := foliotest.Record(func(_ context.Context, q folio.Query, r folio.Range) ([]string, error) {
		return []string{fmt.Sprint(q.Scope.ID, " ", r.Offset)}, nil
	})
	tickets, err := folio.NewList(cache, folio.ListConfig[string]{Name: "tickets", TTL: time.Minute, Load: loader.Load})
	if err != nil {
		t.Fatal(err)
	}
	return &shop{tickets, cache}, loader, clock
}

// recorder is a test whose failures are looked at.
type recorder struct {
	testing.TB
	errors []string
	fatal  bool
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	r.fatal = true
	panic(r)
}

// failures runs something that may fail a test.
func failures(t *testing.T, f func(testing.TB)) (r *recorder) {
	r = &recorder{TB: t}
	defer func() { _ = recover() }()
	f(r)
	return r
}

func TestAHandlerIsHeldToWhatItInvalidates(t *testing.T) {
	s, _, _ := newShop(t)
	post := func() {
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/tickets?user=1", nil))
	}
	mine, alike := foliotest.Page(s.tickets, folio.Params{Scope: someone}), foliotest.Page(s.tickets, folio.Params{Scope: someone, Page: 2})
	other, key := foliotest.Page(s.tickets, folio.Params{Scope: folio.Scope{Kind: "user", ID: "2"}}), foliotest.Key(s.cache, "profile:1")
	foliotest.Invalidates(t, post, mine, alike)
	foliotest.Keeps(t, post, other, key)
	for _, test := range []struct {
		name  string
		check func(testing.TB)
		want  []string
	}{
		{"invalidates", func(t testing.TB) { foliotest.Invalidates(t, post, mine, other, key) },
			[]string{"tickets:user:2:offset=0:limit=20:sort=: not invalidated: stored and valid", "profile:1: not invalidated: stored and valid"}},
		{"keeps", func(t testing.TB) { foliotest.Keeps(t, post, mine, other) },
			[]string{"tickets:user:1:offset=0:limit=20:sort=: should have stayed in the cache: " + folio.WhyOutdated}},
	} {
		if got := failures(t, test.check).errors; !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	bad := failures(t, func(t testing.TB) { foliotest.Keeps(t, post, foliotest.Page(s.tickets, folio.Params{})) })
	if !bad.fatal || !strings.Contains(fmt.Sprint(bad.errors), "has no kind") {
		t.Errorf("a page of nobody: %q", bad.errors)
	}
}

func TestALoaderIsRecordedAndFails(t *testing.T) {
	s, loader, clock := newShop(t)
	q, err := s.tickets.Query(folio.Params{Scope: someone, Page: 3})
	if err != nil {
		t.Fatal(err)
	}
	down := errors.New("down")
	for i, step := range []struct {
		before func()
		calls  int
		err    error
	}{
		{func() {}, 1, nil},
		{func() { clock.Advance(time.Minute - 1) }, 0, nil},
		{func() { clock.Advance(1); loader.Fail(down) }, 1, down},
		{func() { loader.Fail(nil) }, 1, nil},
	} {
		step.before()
		p, err := s.tickets.Page(t.Context(), q)
		calls := loader.Calls()
		if !errors.Is(err, step.err) || err == nil && p.Items[0] != "1 40" || len(calls) != step.calls {
			t.Errorf("step %d: %v, %v, %v", i, p, err, calls)
		}
		if len(calls) > 0 && (calls[0].Range.Offset != 40 || calls[0].Query.String() != q.String()) {
			t.Errorf("step %d: %+v", i, calls)
		}
	}
}

// A test of a handler that writes: it must outdate the pages of its user, and only those.
func ExampleInvalidates() {
	var t testing.TB = &recorder{} // the test's own
	cache, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true})
	if err != nil {
		panic(err)
	}
	defer func() { _ = cache.Close(context.Background()) }()
	tickets, err := folio.NewList(cache, folio.ListConfig[string]{Name: "tickets", Load: func(context.Context, folio.Query, folio.Range) ([]string, error) {
		return []string{"a ticket"}, nil
	}})
	if err != nil {
		panic(err)
	}
	handler := &shop{tickets, cache}
	foliotest.Invalidates(t, func() {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/tickets?user=2", nil))
	}, foliotest.Page(tickets, folio.Params{Scope: folio.Scope{Kind: "user", ID: "1"}}))
	fmt.Println(t.(*recorder).errors)
	// Output: [tickets:user:1:offset=0:limit=20:sort=: not invalidated: stored and valid]
}

// TestWhatWasInvalidatedAndReadAgainIsInvalidated: a handler may answer with the list it changed. A page
// behind the end can be asked about as well.
func TestWhatWasInvalidatedAndReadAgainIsInvalidated(t *testing.T) {
	cache, _ := foliotest.New(t, nil)
	l, err := folio.NewList(cache, folio.ListConfig[int]{Name: "n", Load: func(_ context.Context, _ folio.Query, r folio.Range) ([]int, error) {
		return []int{1}[:max(0, 1-r.Offset)], nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	q, err := l.Query(folio.Params{Scope: someone})
	if err != nil {
		t.Fatal(err)
	}
	do := func() {
		_, _ = l.Invalidate(t.Context(), someone)
		_, _ = l.Page(t.Context(), q)
	}
	first, last := foliotest.Page(l, folio.Params{Scope: someone}), foliotest.Page(l, folio.Params{Scope: someone, Page: 2})
	foliotest.Invalidates(t, do, first, last)
	if got := failures(t, func(t testing.TB) { foliotest.Keeps(t, do, first) }).errors; len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

// Elsewhere a copy that is about to expire may be renewed early, by chance and by what its load took.
func TestNothingIsLeftToChance(t *testing.T) {
	s, loader, clock := newShop(t)
	for page := range 50 {
		q, err := s.tickets.Query(folio.Params{Scope: someone, Page: page + 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []time.Duration{0, time.Minute - 1} {
			clock.Advance(d)
			if _, err := s.tickets.Page(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(loader.Calls()); n != 1 {
			t.Errorf("page %d: loaded %d times", page+1, n)
		}
	}
}
