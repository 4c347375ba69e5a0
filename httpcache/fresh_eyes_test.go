package httpcache_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

// rows is an origin whose pages are made by read, which is told how many writes there were.
func rows(read func(w http.ResponseWriter, r *http.Request, writes int32)) http.Handler {
	var writes atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			writes.Add(1)
			w.WriteHeader(204)
			return
		}
		read(w, r, writes.Load())
	})
}

// TestAPageOvertakenIsNotForCachesAbove: a load that a write has overtaken answers those who came before it, after the purge.
func TestAPageOvertakenIsNotForCachesAbove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, gate := make(chan struct{}, 10), make(chan struct{})
		var first atomic.Bool
		first.Store(true)
		var purged atomic.Int32
		h := caching(t, rows(func(w http.ResponseWriter, r *http.Request, n int32) {
			if first.CompareAndSwap(true, false) {
				started <- struct{}{}
				<-gate
			}
			writeJSON(w, `%d`, n)
		}), oneRoute(func(r *httpcache.Route) { r.CDN = time.Hour }), func(c *folio.Config, hc *httpcache.Config) {
			hc.Purge = func(context.Context, []string) { purged.Add(1) }
		})
		var wg sync.WaitGroup
		var a, b *httptest.ResponseRecorder
		wg.Go(func() { a = ask(h, "GET", "/x") })
		<-started
		wg.Go(func() { b = ask(h, "GET", "/x") })
		synctest.Wait() // it has joined
		ask(h, "POST", "/x")
		c := ask(h, "GET", "/x") // a newer one is stored
		close(gate)
		wg.Wait()
		if purged.Load() == 0 || c.Body.String() != "1" || c.Header().Get("Cdn-Cache-Control") == "no-store" {
			t.Errorf("%d purges; the new page is %s, %s", purged.Load(), c.Body, c.Header())
		}
		for name, w := range map[string]*httptest.ResponseRecorder{"own": a, "joined": b} {
			if cc := w.Header().Get("Cdn-Cache-Control"); w.Body.String() == "0" && cc != "no-store" {
				t.Errorf("%s: after the purge, the page of before the write goes up with %q; %s", name, cc, w.Header().Get("Cache-Status"))
			}
		}
	})
}

// TestA304BringsNothingBack: what was found before a write is not validated after it, by who joined a load that was for nobody else.
func TestA304BringsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, gate := make(chan struct{}, 10), make(chan struct{})
		var block atomic.Bool
		h := caching(t, rows(func(w http.ResponseWriter, r *http.Request, n int32) {
			if block.CompareAndSwap(true, false) {
				started <- struct{}{}
				<-gate
				w.Header().Set("Cache-Control", "no-store")
				writeJSON(w, `%d`, n)
				return
			}
			w.Header().Set("Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT") // seconds; the write was in the same one
			w.Header().Set("Cache-Control", "max-age=0")
			if r.Header.Get("If-Modified-Since") != "" {
				w.WriteHeader(304)
				return
			}
			writeJSON(w, `%d`, n)
		}), oneRoute(nil))
		ask(h, "GET", "/x")
		block.Store(true)
		var wg sync.WaitGroup
		wg.Go(func() { ask(h, "GET", "/x") })
		<-started
		wg.Go(func() { ask(h, "GET", "/x") }) // joins
		synctest.Wait()                       // it has joined
		ask(h, "POST", "/x")
		close(gate)
		wg.Wait()
		if got := ask(h, "GET", "/x"); got.Body.String() != "1" {
			t.Errorf("after the write: %s %s", got.Body, got.Header().Get("Cache-Status"))
		}
	})
}

// TestPlainTellsEncodingsApart: the origin sees all of Accept-Encoding.
func TestPlainTellsEncodingsApart(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "deflate") {
			w.Header().Set("Content-Encoding", "deflate")
		}
		writeJSON(w, `%q`, r.Header.Get("Accept-Encoding"))
	}), []httpcache.Route{{Name: "p", Pattern: "/", Plain: true}})
	ask(h, "GET", "/x", "Accept-Encoding", "deflate")
	w := ask(h, "GET", "/x", "Accept-Encoding", "compress")
	if e := w.Header().Get("Content-Encoding"); e == "deflate" {
		t.Errorf("who asked for compress gets %s: %s", e, w.Header().Get("Cache-Status"))
	}
}

// TestSoftPagesAreServedNoLongerThanStaleOnes: from when it was said that they are too old.
func TestSoftPagesAreServedNoLongerThanStaleOnes(t *testing.T) {
	var fail atomic.Bool
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	h, cache := cachingIn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fail.Load() {
			w.WriteHeader(503)
			return
		}
		writeJSON(w, `1`)
	}), oneRoute(func(r *httpcache.Route) { r.TTL = time.Hour; r.StaleIfError = 30 * time.Second }), func(c *folio.Config, hc *httpcache.Config) {
		c.Now, hc.Now = clock, clock
	})
	ask(h, "GET", "/x")
	tags, err := h.Tags(httptest.NewRequest("GET", "/x", nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := cache.Soften(context.Background(), tags...); err != nil {
		t.Fatal(err)
	}
	fail.Store(true)
	mu.Lock()
	now = now.Add(50 * time.Minute)
	mu.Unlock()
	w := ask(h, "GET", "/x")
	if w.Code == 200 {
		t.Errorf("stale_if_error is 30 s; 50 min after it was softened it is served: %s", w.Header().Get("Cache-Status"))
	}
}

// TestOfOneSecondAreTwoPages: Date has no fractions.
func TestOfOneSecondAreTwoPages(t *testing.T) {
	h := caching(t, rows(func(w http.ResponseWriter, r *http.Request, n int32) {
		w.Header().Set("Date", "Mon, 23 Nov 2026 10:00:00 GMT")
		writeJSON(w, `%d`, n)
	}), oneRoute(func(r *httpcache.Route) { r.TTL = 100 * 365 * 24 * time.Hour }), func(c *folio.Config, hc *httpcache.Config) {
		hc.Now = func() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 5e8, time.UTC) }
	})
	first := ask(h, "GET", "/x")
	ask(h, "POST", "/x")
	ask(h, "GET", "/x")
	w := ask(h, "GET", "/x", "If-Modified-Since", first.Header().Get("Date"))
	if w.Code == 304 {
		t.Errorf("304 for a page that a write has changed since")
	}
}

// TestExplainWantsAHost: it is part of the key.
func TestExplainWantsAHost(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeJSON(w, `1`) }),
		append(oneRoute(nil), httpcache.Route{Name: "p", Pattern: "/plain/", Plain: true}))
	ask(h, "GET", "/x")
	q, _ := http.NewRequest("GET", "/x", nil)
	if x, err := h.Explain(q); err == nil {
		t.Errorf("without one: %+v", x)
	}
	if x, err := h.Explain(httptest.NewRequest("GET", "/x", nil)); err != nil || !x.Stored {
		t.Errorf("with one: %+v, %v", x, err)
	}
	q, _ = http.NewRequest("GET", "/plain/a", nil)
	if tags, err := h.Tags(q); err == nil {
		t.Errorf("tags without one: %q", tags)
	}
}

// TestMarkersAreNoHits: that say what a page varies by.
func TestMarkersAreNoHits(t *testing.T) {
	h, cache := cachingIn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Language")
		writeJSON(w, `1`)
	}), oneRoute(nil))
	for i := range 100 {
		ask(h, "GET", "/x", "Accept-Language", fmt.Sprintf("l%d", i))
	}
	s := cache.Stats()
	if s.Hits > 0 || s.Misses != 100 {
		t.Errorf("of 100 requests, none answered from the cache: %d hits, %d misses", s.Hits, s.Misses)
	}
}

// TestWhatOverridesItsMethodIsPrivateToo: as a write it passes by.
func TestWhatOverridesItsMethodIsPrivateToo(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		writeJSON(w, `%q`, r.Header.Get("X-User"))
	}), oneRoute(func(r *httpcache.Route) { r.Scope = byHeader }))
	w := ask(h, "GET", "/x", "X-User", "a", "X-Http-Method-Override", "GET")
	if strings.Contains(w.Header().Get("Cache-Control"), "public") {
		t.Error("a principal's page leaves as public")
	}
}

// TestAuthorityIsNoPath: net/http does not look at that of HTTP/2.
func TestAuthorityIsNoPath(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprintf(w, "content of %s", r.URL)
	}))
	defer origin.Close()
	u, _ := url.Parse(origin.URL)
	h := caching(t, httpcache.Proxy(httpcache.Upstream{URL: u}), []httpcache.Route{{Name: "p", Pattern: "/", Plain: true}})
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	conn, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(conn, http2.ClientPreface)
	fr := http2.NewFramer(conn, conn)
	_ = fr.WriteSettings()
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "example.com/account?next="}, {":path", "/evil"}} {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b.Bytes(), EndStream: true, EndHeaders: true})
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if _, answered := f.(*http2.DataFrame); answered {
			break
		}
	}
	q := httptest.NewRequest("GET", "/account?next=/evil", nil)
	q.Host = "example.com"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	if w.Body.String() != "content of /account?next=/evil" {
		t.Errorf("victim gets %q %s", w.Body, w.Header().Get("Cache-Status"))
	}
}

// TestLoadsOutliveTheirRequests: for the race detector: the requests are used again.
func TestLoadsOutliveTheirRequests(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(2 * time.Millisecond)
		w.Header().Set("Etag", fmt.Sprint(time.Now().UnixNano()))
		w.Header().Set("Cache-Control", "max-age=0, stale-while-revalidate=60")
		writeJSON(w, `1`)
	}), []httpcache.Route{{Name: "x", Pattern: "/x", Params: httpcache.Params{Page: "page", Limit: "limit"}, NoWarm: true}})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 50 {
				ask(h, "GET", fmt.Sprintf("/x?limit=%d", i+1))
			}
		})
	}
	wg.Wait()
	time.Sleep(20 * time.Millisecond)
}

// TestAWriteThatCannotBeToldEmptiesTheCache: more depends on the list than one invalidation may reach.
func TestAWriteThatCannotBeToldEmptiesTheCache(t *testing.T) {
	h, cache := cachingIn(t, rows(func(w http.ResponseWriter, r *http.Request, n int32) {
		writeJSON(w, `%d`, n)
	}), oneRoute(nil))
	for i := range 10_050 {
		_ = cache.Depend(folio.Tag(fmt.Sprint("t", i)), "x:public")
	}
	ask(h, "GET", "/x")
	if w := ask(h, "POST", "/x"); w.Code != 204 {
		t.Fatal(w.Code)
	}
	if w := ask(h, "GET", "/x"); w.Body.String() != "1" {
		t.Errorf("after the write: %s %s", w.Body, w.Header().Get("Cache-Status"))
	}
}

// TestAWriteToAnotherSpelling: some origins take them for the same.
func TestAWriteToAnotherSpelling(t *testing.T) {
	for _, alias := range []string{"/%78", "//x", "/a/../x"} {
		h := caching(t, rows(func(w http.ResponseWriter, r *http.Request, n int32) {
			w.Header().Set("Cache-Control", "max-age=60")
			writeJSON(w, `%d`, n)
		}), []httpcache.Route{{Name: "p", Pattern: "/", Plain: true}})
		ask(h, "GET", "/x")
		ask(h, "POST", "http://example.com"+alias)
		if w := ask(h, "GET", "/x"); w.Body.String() != "1" {
			t.Errorf("after POST %s: %s", alias, w.Body)
		}
	}
}

// TestNobodyAboveMayKeepWhatIsPrivate: whatever the origin tells them, and whichever field is ours.
func TestNobodyAboveMayKeepWhatIsPrivate(t *testing.T) {
	for _, one := range [][2]string{{"Cache-Control", "no-store, must-understand, public, max-age=600"}, {"Cdn-Cache-Control", "max-age=600"}, {"X-Accel-Expires", "600"}, {"Cache-Control", `public, max-age=60, x="no-store"`}} {
		h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(one[0], one[1])
			writeJSON(w, `%q`, r.Header.Get("X-User"))
		}), oneRoute(func(r *httpcache.Route) { r.Scope = byHeader }), func(_ *folio.Config, hc *httpcache.Config) { hc.Targeted = []string{"Mine-Cache-Control"} })
		w := ask(h, "GET", "/x", "X-User", "a")
		if got := w.Header().Get(one[0]); strings.Contains(got, "00") || strings.Contains(got, "public") {
			t.Errorf("a principal's page leaves with %s: %s; %s", one[0], got, w.Header().Get("Cache-Status"))
		}
	}
}

// TestSoftPagesAreLoadedOnce: as those that are outdated.
func TestSoftPagesAreLoadedOnce(t *testing.T) {
	for _, soft := range []bool{false, true} {
		var n atomic.Int32
		h, cache := cachingIn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			time.Sleep(100 * time.Millisecond)
			writeJSON(w, `1`)
		}), oneRoute(nil))
		ask(h, "GET", "/x")
		tags, _ := h.Tags(httptest.NewRequest("GET", "/x", nil))
		if soft {
			_ = cache.Soften(context.Background(), tags...)
		} else {
			_ = cache.InvalidateTags(context.Background(), tags...)
		}
		n.Store(0)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { ask(h, "GET", "/x") })
		}
		wg.Wait()
		if n.Load() > 1 {
			t.Errorf("soft %t: %d questions to the origin for 50 requests", soft, n.Load())
		}
	}
}

// TestPlainPagesAreOutdatedForEverybody: where the route says so.
func TestPlainPagesAreOutdatedForEverybody(t *testing.T) {
	h := caching(t, rows(func(w http.ResponseWriter, r *http.Request, n int32) {
		w.Header().Set("Cache-Control", "max-age=60")
		writeJSON(w, `%d`, n)
	}), []httpcache.Route{{Name: "p", Pattern: "/", Plain: true, Invalidates: []string{"p"}, Everybody: true}})
	ask(h, "GET", "/x")
	ask(h, "POST", "/y")
	if w := ask(h, "GET", "/x"); w.Body.String() != "1" {
		t.Errorf("everybody on a plain route does nothing: %s", w.Body)
	}
}

// TestNoStoreIsKept: on whichever line.
func TestNoStoreIsKept(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Cache-Control", "private")
		w.Header().Add("Cache-Control", "no-store")
		writeJSON(w, `1`)
	}), oneRoute(func(r *httpcache.Route) { r.Scope = byHeader }))
	w := ask(h, "GET", "/x", "X-User", "a")
	if control := w.Header()["Cache-Control"]; !strings.Contains(strings.Join(control, ","), "no-store") {
		t.Errorf("no-store is lost: %q", control)
	}
}
