package httpcache_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

// T2b: a client slower than LoadTimeout, with a body larger than MaxBody and of unknown length

// deterministic: in memory

// a write to the wrong place: the scope is worked out after the handler ran

// random race: reads and writes, variants, HEAD, conditional; -race and freshness

// race: the decision and LoadTimeout fall together

func byHeader(q *http.Request) (folio.Scope, error) {
	if q.Header.Get("X-User") == "" {
		return folio.Scope{}, fmt.Errorf("nobody")
	}
	return folio.Scope{Kind: "user", ID: q.Header.Get("X-User")}, nil
}

// an unmapped alias of a mapped path

// Vary that comes and goes: the base key holds a response without Vary

// an empty page is stored where a 304 says that nothing may be

// interim responses and headers of outer middleware

// method override on what passes by

type guarded struct {
	h    http.Header
	gone atomic.Bool
	t    *testing.T
	code int
	body strings.Builder
}

func (g *guarded) check() {
	if g.gone.Load() {
		g.t.Error("used after ServeHTTP returned")
	}
}

func (g *guarded) Header() http.Header { g.check(); return g.h }

func (g *guarded) WriteHeader(c int) {
	g.check()
	if c >= 200 {
		if g.code != 0 {
			g.t.Errorf("second header %d after %d", c, g.code)
		}
		g.code = c
	}
}

func (g *guarded) Write(b []byte) (int, error) {
	g.check()
	if g.code == 0 {
		g.code = 200
	}
	return g.body.Write(b)
}

func (g *guarded) Flush() { g.check() }

// a method override on what passes by

type option func(*folio.Config, *httpcache.Config)

func caching(t *testing.T, next http.Handler, routes []httpcache.Route, opts ...option) *httpcache.Handler {
	t.Helper()
	h, _ := cachingIn(t, next, routes, opts...)
	return h
}

func cachingIn(t *testing.T, next http.Handler, routes []httpcache.Route, opts ...option) (*httpcache.Handler, *folio.Cache) {
	t.Helper()
	cc, hc := folio.Config{MaxBytes: 8 << 20, OnHeap: true}, httpcache.Config{Next: next, Routes: routes}
	for _, o := range opts {
		o(&cc, &hc)
	}
	c, err := folio.New(cc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { go c.Close(context.Background()) })
	hc.Cache = c
	h, err := httpcache.New(hc)
	if err != nil {
		t.Fatal(err)
	}
	return h, c
}

func ask(h http.Handler, method, target string, set ...string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(set); i += 2 {
		q.Header.Add(set[i], set[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return w
}

func writeJSON(w http.ResponseWriter, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, format, args...)
}

func oneRoute(f func(*httpcache.Route)) []httpcache.Route {
	r := httpcache.Route{Name: "x", Pattern: "/x", TTL: time.Minute, NoWarm: true}
	if f != nil {
		f(&r)
	}
	return []httpcache.Route{r}
}

type slowWriter struct {
	*httptest.ResponseRecorder
	in, gate chan struct{}
	once     atomic.Bool
}

func (w *slowWriter) Write(b []byte) (int, error) {
	if w.once.CompareAndSwap(false, true) {
		close(w.in)
		<-w.gate
	}
	return w.ResponseRecorder.Write(b)
}
