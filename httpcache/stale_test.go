package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

func TestTheWritersScopeIsThatOfBefore(t *testing.T) {
	var tenant sync.Map // session -> tenant
	tenant.Store("s", "t1")
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n.Add(1)
			tenant.Store("s", "t2") // e.g. the last thing it does: move on
			return
		}
		writeJSON(w, `%d`, n.Load())
	}), oneRoute(func(r *httpcache.Route) {
		r.Scope = func(q *http.Request) (folio.Scope, error) {
			v, _ := tenant.Load("s")
			return folio.Scope{Kind: "t", ID: v.(string)}, nil
		}
	}))
	ask(h, "GET", "/x")
	ask(h, "POST", "/x")
	tenant.Store("s", "t1")
	if got := ask(h, "GET", "/x").Body.String(); got != "1" {
		t.Errorf("%s", got)
	}
}

func TestReadersRaceAWriter(t *testing.T) {
	var committed, acked atomic.Int64
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			time.Sleep(time.Millisecond)
			committed.Add(1)
			w.WriteHeader(204)
			return
		}
		v := committed.Load()
		time.Sleep(time.Duration(v%3) * time.Millisecond)
		w.Header().Set("Etag", fmt.Sprintf(`"%d"`, v))
		w.Header().Set("Vary", "Accept-Encoding, Accept-Language")
		if r.Header.Get("If-None-Match") == fmt.Sprintf(`"%d"`, v) {
			w.WriteHeader(304)
			return
		}
		w.Header().Set("Cache-Control", "max-age=0, stale-while-revalidate=1")
		writeJSON(w, `%d`, v)
	}), oneRoute(func(r *httpcache.Route) { r.Params = httpcache.Params{Page: "page"}; r.NoWarm = false }))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var bad atomic.Int32
	for i := range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				low := acked.Load()
				enc := []string{"gzip", "br", "zstd"}[i%3]
				w := ask(h, "GET", fmt.Sprintf("/x?page=%d", 1+i%2), "Accept-Encoding", enc)
				var got int64 = -1
				fmt.Sscan(w.Body.String(), &got)
				if got < low && w.Code == 200 {
					if bad.Add(1) < 4 {
						t.Errorf("%d < %d: %s", got, low, w.Header())
					}
				}
				if w.Code != 200 {
					t.Errorf("%d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	for ctx.Err() == nil {
		ask(h, "POST", "/x")
		acked.Store(committed.Load())
		time.Sleep(3 * time.Millisecond)
	}
	wg.Wait()
	t.Log(acked.Load())
}

func TestGroupsArePurgedByTheKeysOfResponses(t *testing.T) {
	var purged []string
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			w.Header().Set("Cache-Group-Invalidation", `"g"`)
			return
		}
		w.Header().Set("Cache-Groups", `"g"`)
		writeJSON(w, `{}`)
	}), []httpcache.Route{{Name: "x", Pattern: "/x", TTL: time.Minute, CDN: time.Hour}, {Name: "y", Pattern: "/y"}},
		func(_ *folio.Config, c *httpcache.Config) {
			c.Purge = func(_ context.Context, keys []string) { purged = append(purged, keys...) }
		})
	keys := strings.Fields(ask(h, "GET", "/x").Header().Get("Surrogate-Key"))
	ask(h, "POST", "/y")
	if !slices.ContainsFunc(keys, func(k string) bool { return slices.Contains(purged, k) }) {
		t.Errorf("a page with keys %q is outdated here, and not by a purge of %q", keys, purged)
	}
}

func TestCachesAboveDoNotKeepWhatAWriteOvertook(t *testing.T) {
	reading, wrote := make(chan struct{}), make(chan struct{})
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n.Add(1)
			return
		}
		v := n.Load()
		if v == 0 {
			close(reading)
			<-wrote
		}
		writeJSON(w, `%d`, v)
	}), oneRoute(func(r *httpcache.Route) { r.CDN = time.Hour }))
	go func() {
		<-reading
		ask(h, "POST", "/x") // Purge is called in here
		close(wrote)
	}()
	w := ask(h, "GET", "/x")
	if cc := w.Header().Get("Cdn-Cache-Control"); w.Body.String() == "0" && strings.Contains(cc, "3600") {
		t.Errorf("%s was outdated, and purged, before this response: %s", w.Body, w.Header())
	}
}

func TestAWriteToAnotherSpellingOutdates(t *testing.T) {
	for _, path := range []string{"/x/", "//x", "/./x", "/%78"} {
		var n atomic.Int32
		h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				n.Add(1)
			}
			writeJSON(w, `%d`, n.Load())
		}), oneRoute(nil))
		ask(h, "GET", "/x")
		q := httptest.NewRequest("POST", "http://example.com"+path, nil)
		h.ServeHTTP(httptest.NewRecorder(), q)
		if got := ask(h, "GET", "/x").Body.String(); got != "1" {
			t.Errorf("POST %s: %s", path, got)
		}
	}
}

func TestA304ThatForbidsToStore(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") != "" {
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(304)
			return
		}
		n.Add(1)
		w.Header().Set("Cache-Control", "max-age=0")
		writeJSON(w, `{"a":1}`)
	}), oneRoute(nil))
	for range 6 {
		w := ask(h, "GET", "/x")
		t.Log(w.Code, w.Body, w.Header())
		if w.Body.String() != `{"a":1}` {
			t.Error("x")
		}
	}
}

func TestAWriteOutdatesAllVariants(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n.Add(1)
		}
		w.Header().Set("Vary", "Foo")
		w.Header().Set("Cache-Control", "max-age=60")
		writeJSON(w, `%d`, n.Load())
	}), oneRoute(func(r *httpcache.Route) { r.Plain = true }))
	for _, v := range []string{"1", "2", "1"} {
		ask(h, "GET", "/x", "Foo", v)
	}
	ask(h, "POST", "/x")
	for _, v := range []string{"1", "2"} {
		if got := ask(h, "GET", "/x", "Foo", v).Body.String(); got != "1" {
			t.Error(got)
		}
	}
	// host in another case, forced query
	ask(h, "POST", "http://EXAMPLE.com/x")
	if got := ask(h, "GET", "/x", "Foo", "1").Body.String(); got != "2" {
		t.Error("host case", got)
	}
}

func TestAMethodOverrideIsAWrite(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Http-Method-Override") == "DELETE" {
			n.Add(1)
		}
		writeJSON(w, `%d`, n.Load())
	}), oneRoute(nil))
	ask(h, "GET", "/x")
	ask(h, "GET", "/x", "X-Http-Method-Override", "DELETE", "Cache-Control", "no-store")
	if got := ask(h, "GET", "/x").Body.String(); got != "1" {
		t.Error(got)
	}
}

func TestWritesReachPlainRoutesAndBack(t *testing.T) {
	var n atomic.Int32
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n.Add(1)
		}
		w.Header().Set("Cache-Control", "max-age=60")
		writeJSON(w, `%d`, n.Load())
	})
	h := caching(t, origin, []httpcache.Route{{Name: "a", Pattern: "/a", TTL: time.Minute, Invalidates: []string{"a", "b"}}, {Name: "b", Pattern: "/b", Plain: true}})
	ask(h, "GET", "/b")
	ask(h, "POST", "/a")
	if got := ask(h, "GET", "/b").Body.String(); got != "1" {
		t.Errorf("list -> plain: b is %s after the write to a", got)
	}
	h = caching(t, origin, []httpcache.Route{{Name: "a", Pattern: "/a", TTL: time.Minute}, {Name: "b", Pattern: "/b", Plain: true, Invalidates: []string{"a"}}})
	before := ask(h, "GET", "/a").Body.String()
	ask(h, "POST", "/b")
	if got := ask(h, "GET", "/a").Body.String(); got == before {
		t.Errorf("plain -> list: a is %s after the write to b", got)
	}
}

func TestAWriteToAnEncodedPathOutdates(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" {
			n.Add(1)
		}
		writeJSON(w, `%d`, n.Load())
	}), []httpcache.Route{{Name: "list", Pattern: "/users", TTL: time.Minute}, {Name: "one", Pattern: "/users/{id}", TTL: time.Minute, Invalidates: []string{"list", "one"}}})
	ask(h, "GET", "/users")
	ask(h, "GET", "/users/a@b.c")
	ask(h, "DELETE", "/users/a%40b.c") // encodeURIComponent("a@b.c")
	if got := ask(h, "GET", "/users").Body.String(); got != "1" {
		t.Errorf("the list is %s after the write", got)
	}
	if got := ask(h, "GET", "/users/a@b.c").Body.String(); got != "1" {
		t.Errorf("the item is %s after the write", got)
	}
}

func TestAFlushedWriteOutdatesFirst(t *testing.T) {
	var n atomic.Int32
	hold := make(chan struct{})
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n.Add(1)
			http.NewResponseController(w).Flush()
			<-hold
			return
		}
		writeJSON(w, `%d`, n.Load())
	}), oneRoute(nil))
	s := httptest.NewServer(h)
	defer s.Close()
	defer close(hold)
	get := func() string {
		res, err := http.Get(s.URL + "/x")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	get()
	res, err := http.Post(s.URL+"/x", "", nil) // the response is there: 200
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := get(); got != "1" {
		t.Errorf("%d %s has come, and a read that began then gets %s", res.StatusCode, res.Header, got)
	}
}

func TestAWriteWhosePathTheHandlerChangesOutdates(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/api") // as chi's and many an own middleware do
		if r.Method == "POST" {
			n.Add(1)
		}
		w.Header().Set("Cache-Control", "max-age=60")
		writeJSON(w, `%d`, n.Load())
	}), []httpcache.Route{{Name: "p", Pattern: "/api/p", Plain: true}})
	ask(h, "GET", "/api/p")
	ask(h, "POST", "/api/p")
	if got := ask(h, "GET", "/api/p").Body.String(); got != "1" {
		t.Errorf("%s after the write", got)
	}
}

func TestAResponseInTooManyGroupsIsNotStored(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			w.Header().Set("Cache-Group-Invalidation", `"g39"`)
			n.Add(1)
			return
		}
		var all []string
		for i := range 40 {
			all = append(all, fmt.Sprintf("%q", fmt.Sprintf("g%d", i)))
		}
		w.Header().Set("Cache-Groups", strings.Join(all, ", "))
		writeJSON(w, `%d`, n.Load())
	}), []httpcache.Route{{Name: "x", Pattern: "/x", TTL: time.Minute}, {Name: "y", Pattern: "/y"}})
	ask(h, "GET", "/x")
	ask(h, "POST", "/y")
	if got := ask(h, "GET", "/x").Body.String(); got != "1" {
		t.Errorf("%s", got)
	}
}
