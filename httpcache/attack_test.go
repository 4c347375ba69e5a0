package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

// turnPages has 300 users read pages one after the other, the first two twice.
func turnPages(read func(user, page int)) {
	for user := range 300 {
		for _, page := range []int{1, 2, 1, 2, 3, 4, 5, 6, 7, 8} {
			read(user, page)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func TestPagesLoadedAheadHaveNoFormOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := folio.New(folio.Config{MaxBytes: 8 << 20, OnHeap: true, WarmBudget: .5, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		h, err := httpcache.New(httpcache.Config{Cache: c, Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Millisecond)
			var at int
			fmt.Sscan(r.FormValue("after"), &at)
			w.Header().Set("Link", fmt.Sprintf("</x?after=%d>; rel=\"next\"", at+1))
			writeJSON(w, "%d", at)
		}), Routes: []httpcache.Route{{Name: "x", Pattern: "/x", TTL: time.Hour, Params: httpcache.Params{Cursor: "after"},
			Scope: func(q *http.Request) (folio.Scope, error) {
				_ = q.FormValue("tenant") // or any middleware before
				return folio.Scope{Kind: "user", ID: q.Header.Get("X-User")}, nil
			}}}})
		if err != nil {
			t.Fatal(err)
		}
		turnPages(func(user, page int) {
			w := ask(h, "GET", fmt.Sprintf("/x?after=%d", page), "X-User", fmt.Sprint(user))
			if want := fmt.Sprint(page); w.Body.String() != want {
				t.Errorf("user %d asked for page %d and got %s: %s (%+v)", user, page, w.Body, w.Header().Get("Cache-Status"), c.Stats().Warmed)
			}
		})
	})
}

func TestNextPagesAreLoadedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := folio.New(folio.Config{MaxBytes: 8 << 20, OnHeap: true, WarmBudget: .5, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		h, err := httpcache.New(httpcache.Config{Cache: c, Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Millisecond)
			writeJSON(w, "%q", r.URL.RawQuery)
		}), Routes: []httpcache.Route{{Name: "x", Pattern: "/x", TTL: time.Hour, Params: httpcache.Params{Page: "page", Limit: "limit", DefaultLimit: 5},
			Scope: func(q *http.Request) (folio.Scope, error) {
				return folio.Scope{Kind: "user", ID: q.Header.Get("X-User")}, nil
			}}}})
		if err != nil {
			t.Fatal(err)
		}
		turnPages(func(user, page int) {
			ask(h, "GET", fmt.Sprintf("/x?page=%d", page), "X-User", fmt.Sprint(user))
		})
		if s := c.Stats(); s.Warmed.Loads == 0 {
			t.Errorf("%d loads, none of them ahead", s.Loads)
		}
	})
}

func TestWhatPassesByIsPrivateToo(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		writeJSON(w, `%q`, r.Header.Get("X-User"))
	}), oneRoute(func(r *httpcache.Route) { r.Scope, r.Params.Unknown = byHeader, httpcache.Pass }))
	for _, q := range [][]string{{"GET", "/x"}, {"GET", "/x?utm=1"}, {"HEAD", "/x?page=1"}, {"GET", "/x", "Cache-Control", "no-store"}, {"GET", "/x", "If-Match", "*"}} {
		w := ask(h, q[0], q[1], append([]string{"X-User", "1"}, q[2:]...)...)
		if !strings.Contains(w.Header().Get("Cache-Control"), "private") {
			t.Errorf("%v: %s", q, w.Header())
		}
	}
}

func TestDistinctQueriesTakeNoMemoryOfTheirOwn(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }), oneRoute(func(r *httpcache.Route) { r.Scope = byHeader }))
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	a := heap()
	const n = 100000
	for i := range n {
		ask(h, "POST", "/x", "X-User", fmt.Sprint(i))
	}
	b := heap()
	t.Logf("%d bytes a scope", (int64(b)-int64(a))/n)
	runtime.KeepAlive(h)
}

func TestAPageThatBeginsToVary(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		if r.Header.Get("Origin") != "" {
			w.Header().Set("Vary", "Origin")
			w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		}
		w.Header().Set("Cache-Control", "max-age=0, stale-while-revalidate=0")
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(304)
			return
		}
		writeJSON(w, `{}`)
	}), oneRoute(nil))
	for _, o := range []string{"", "http://a", "http://b", "http://a", "http://b", ""} {
		var set []string
		if o != "" {
			set = []string{"Origin", o}
		}
		w := ask(h, "GET", "/x", set...)
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != o {
			t.Errorf("%q got %q: %v", o, got, w.Header())
		}
	}
}

func TestOffsetsAreTurnedToPages(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeJSON(w, "%q", r.URL.RawQuery) }), oneRoute(func(r *httpcache.Route) {
		r.Params = httpcache.Params{Page: "page", Offset: "offset", Limit: "limit"}
	}))
	t.Log(ask(h, "GET", "/x?page=3&offset=5&limit=10").Body)
	t.Log(ask(h, "GET", "/x?page=1&offset=50&limit=10").Body)
	t.Log(ask(h, "GET", "/x?page=5&offset=0&limit=10").Body)
}

func TestAVariantWithoutAKeyIsAskedFor(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		w.Header().Set("Vary", "Accept-Language")
		writeJSON(w, `{}`)
	}), oneRoute(nil))
	ask(h, "GET", "/x", "Accept-Language", "de")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		defer func() { recover(); done <- 0 }()
		q := httptest.NewRequest("GET", "/x", nil).WithContext(ctx)
		q.Header.Set("Accept-Language", strings.Repeat("de,", 2000))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		done <- w.Code
	}()
	select {
	case code := <-done:
		if code != 200 {
			t.Fatal(code)
		}
	case <-time.After(3 * time.Second):
		t.Errorf("spins without end; origin asked %d times", n.Load())
	}
	cancel()
	<-done
}

func TestFieldsSetTooLateAreNotStored(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, `[]`)
		w.Header().Set("Set-Cookie", "sid=of-the-first") // too late: net/http ignores it
		w.Header().Set("Cache-Control", "private")
	}), oneRoute(nil))
	first := ask(h, "GET", "/x").Result()
	second := ask(h, "GET", "/x").Result()
	t.Log(first.Header, second.Header)
	if second.Header.Get("Set-Cookie") != "" {
		t.Errorf("a cookie is served to everybody: %v", second.Header)
	}
}

func TestOtherQueriesHaveOtherKeys(t *testing.T) {
	for _, tt := range [][2]string{{"/x?cursor=", "/x"}, {"/x?sort=", "/x"}, {"/x?sort=a%00b", "/x?sort=a&sort=b"}, {"/x?cursor=a%00b", "/x?cursor=a&cursor=b"}, {"/x?limit=", "/x"}, {"/x?f=", "/x"}, {"/x?f=a&f=b", "/x?f=b&f=a"}, {"/x?page=3&offset=5&limit=10", "/x?offset=5&limit=10"}} {
		h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `%q`, r.URL.RawQuery)
		}), oneRoute(func(r *httpcache.Route) {
			r.Params = httpcache.Params{Page: "page", Offset: "offset", Limit: "limit", Cursor: "cursor", Sort: "sort", Filters: []string{"f"}}
		}))
		a := ask(h, "GET", tt[0])
		b := ask(h, "GET", tt[1])
		if strings.Contains(b.Header().Get("Cache-Status"), "; hit") {
			t.Errorf("%s is answered with what the origin said to %s: %s", tt[1], tt[0], b.Body)
		}
		t.Log(tt, a.Code, a.Body, b.Body)
	}
}

func TestFormsReadBeforeDoNotReachTheOrigin(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, `{"admin":%q,"limit":%q}`, r.FormValue("admin"), r.FormValue("limit"))
	}), oneRoute(func(r *httpcache.Route) { r.Params = httpcache.Params{Limit: "limit", MaxLimit: 100} }))
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.FormValue("trace") // a logger, a CSRF check, a Scope
		h.ServeHTTP(w, r)
	})
	ask(outer, "GET", "/x?admin=1&limit=100000")
	if got := ask(outer, "GET", "/x?limit=100"); strings.Contains(got.Body.String(), `"1"`) {
		t.Errorf("what no key has reached the origin, and what it answered is stored: %s %s", got.Body, got.Header())
	}
}

func TestPagesLoadedAheadAreTheirOwn(t *testing.T) {
	var wrong atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.FormValue("page")
		if want := r.URL.Query().Get("page"); want != p {
			wrong.Add(1)
		}
		writeJSON(w, `{"page":%q}`, p)
	}), oneRoute(func(r *httpcache.Route) {
		r.NoWarm = false
		r.Params = httpcache.Params{Page: "page", Limit: "limit", DefaultLimit: 10}
		r.Scope = func(q *http.Request) (folio.Scope, error) {
			return folio.Scope{Kind: "u", ID: q.FormValue("u") + "1"}, nil
		}
	}), func(c *folio.Config, _ *httpcache.Config) { c.WarmBudget = 1 })
	for range 20 {
		for p := 1; p < 30; p++ {
			w := ask(h, "GET", fmt.Sprintf("/x?page=%d", p))
			if want := fmt.Sprintf(`{"page":"%d"}`, p); p > 1 && w.Body.String() != want {
				t.Fatalf("page %d: %s %s", p, w.Body, w.Header().Get("Cache-Status"))
			}
			time.Sleep(time.Millisecond)
		}
		ask(h, "POST", "/x")
	}
	t.Log("loads ahead with another page's form:", wrong.Load())
}

func TestTheOrderOfLanguagesCounts(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
		w.Header().Set("Vary", "Accept-Language")
		writeJSON(w, `%q`, first)
	}), oneRoute(nil))
	ask(h, "GET", "/x", "Accept-Language", "de, en")
	if got := ask(h, "GET", "/x", "Accept-Language", "en, de"); got.Body.String() != `"en"` {
		t.Errorf("en, de is answered in %s: %s", got.Body, got.Header())
	}
}

func TestUnkeyedFieldsDoNotReachTheOrigin(t *testing.T) {
	for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Original-Host", "X-Forwarded-Uri", "X-Forwarded-Path", "Front-End-Https", "X-Url-Scheme", "X-Forwarded-For", "X-Real-Ip", "True-Client-Ip", "Cf-Visitor", "X-Tenant"} {
		h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"next":"%s://%s/x?page=2"}`, r.Header.Get(name), r.Host)
		}), oneRoute(nil))
		ask(h, "GET", "/x", name, "evil")
		if got := ask(h, "GET", "/x"); strings.Contains(got.Body.String(), "evil") {
			t.Errorf("%s: %s", name, got.Body)
		}
	}
}

func TestFieldsNamedInConnectionDoNotPoison(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Language")
		writeJSON(w, `%q`, r.Header.Get("Accept-Language"))
	}))
	defer up.Close()
	u, _ := url.Parse(up.URL)
	s := httptest.NewServer(caching(t, httpcache.Proxy(httpcache.Upstream{URL: u}), oneRoute(nil)))
	defer s.Close()
	get := func(set ...string) (string, http.Header) {
		q, _ := http.NewRequest("GET", s.URL+"/x", nil)
		for i := 0; i < len(set); i += 2 {
			q.Header.Set(set[i], set[i+1])
		}
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b), res.Header
	}
	get("Accept-Language", "de", "Connection", "Accept-Language")
	if got, h := get("Accept-Language", "de"); got != `"de"` {
		t.Errorf("de is answered with %s: %s", got, h)
	}
}

func TestCachesAboveAreToldNothingOfScopes(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cdn-Cache-Control", "max-age=600")
		w.Header().Set("Surrogate-Control", "max-age=600")
		writeJSON(w, `{}`)
	}), oneRoute(func(r *httpcache.Route) {
		r.Scope = func(*http.Request) (folio.Scope, error) { return folio.Scope{Kind: "u", ID: "1"}, nil }
	}))
	for range 2 {
		w := ask(h, "GET", "/x")
		if w.Header().Get("Cdn-Cache-Control") != "" || w.Header().Get("Surrogate-Control") != "" {
			t.Errorf("%s", w.Header())
		}
	}
}

func TestErrorsAreNotForLongAbove(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=1")
		w.WriteHeader(404)
		fmt.Fprint(w, `{}`)
	}), oneRoute(func(r *httpcache.Route) { r.CDN = time.Hour }))
	for range 2 {
		w := ask(h, "GET", "/x")
		if strings.Contains(w.Header().Get("Cdn-Cache-Control"), "3600") {
			t.Errorf("%d %s", w.Code, w.Header())
		}
	}
}

func TestAPageThatVariesByMoreIsHitAgain(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		w.Header().Set("Vary", "Accept-Encoding")
		if r.Header.Get("Origin") != "" {
			w.Header().Add("Vary", "Origin")
		}
		if r.Header.Get("Accept-Encoding") == "gzip" {
			w.Header().Add("Vary", "Accept-Language")
		}
		writeJSON(w, `{}`)
	}), oneRoute(nil))
	ask(h, "GET", "/x")
	ask(h, "GET", "/x", "Accept-Encoding", "gzip")
	n.Store(0)
	for range 10 {
		w := ask(h, "GET", "/x", "Accept-Encoding", "gzip")
		t.Log(w.Header().Get("Cache-Status"))
	}
	if n.Load() > 1 {
		t.Errorf("the origin is asked %d times of 10", n.Load())
	}
}

func TestFieldNamesInAnyCaseAreKnown(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["set-cookie"] = []string{"sid=1"}
		w.Header()["ETag"] = []string{`"1"`}
		writeJSON(w, `{}`)
	}), oneRoute(func(r *httpcache.Route) { r.ETag = true }))
	s := httptest.NewServer(h)
	defer s.Close()
	for range 2 {
		res, err := http.Get(s.URL + "/x")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if strings.Contains(res.Header.Get("Cache-Status"), "; hit") {
			t.Errorf("%s", res.Header)
		}
	}
}
