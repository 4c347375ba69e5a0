package httpcache_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foliocache/folio/httpcache"
)

func TestInterimResponsesLeaveNothingBehind(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(103)
		writeJSON(w, `{}`)
	}), oneRoute(nil))
	w := httptest.NewRecorder()
	w.Header().Set("Link", "</outer>; rel=preload")
	h.ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
	t.Log(w.Code, w.Header())
}

func TestFlusherAndHijackerAreThere(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Flusher); !ok {
			t.Errorf("%s: no http.Flusher", r.URL.Path)
		}
		if _, ok := w.(http.Hijacker); !ok {
			t.Errorf("%s: no http.Hijacker", r.URL.Path)
		}
	}), oneRoute(nil))
	s := httptest.NewServer(h)
	defer s.Close()
	res, err := http.Get(s.URL + "/unmapped")
	if err == nil {
		res.Body.Close()
	}
}

func TestFieldsOfOuterHandlersAreNotDoubled(t *testing.T) {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		writeJSON(w, `{}`)
	})
	h := caching(t, inner, oneRoute(nil))
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Access-Control-Allow-Origin", "*")
			next.ServeHTTP(w, r)
		})
	}
	for range 2 {
		w := ask(outer(h), "GET", "/x")
		if got := w.Result().Header; len(got["Content-Type"]) != 1 || len(got["Access-Control-Allow-Origin"]) != 1 {
			t.Errorf("%v", got)
		}
	}
}

func TestExpiresLongAgoIsStale(t *testing.T) {
	for _, field := range []string{"Expires", "Date"} {
		var n atomic.Int32
		h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(field, "Mon, 01 Jan 0001 00:00:00 GMT")
			w.Header().Set("Etag", `"a"`)
			writeJSON(w, `%d`, n.Add(1))
		}), oneRoute(func(r *httpcache.Route) { r.StaleIfError = time.Minute }))
		ask(h, "GET", "/x")
		time.Sleep(5 * time.Millisecond)
		w := ask(h, "GET", "/x")
		if w.Body.String() != "2" {
			t.Errorf("%s: %s %s", field, w.Body, w.Header())
		}
	}
}

func TestALongURIPassesBy(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeJSON(w, `{}`) }), oneRoute(func(r *httpcache.Route) { r.Plain = true }))
	if w := ask(h, "GET", "/x?q="+strings.Repeat("a", 5000)); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestTrailersArrive(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Trailer", "X-Sum")
		h.Set("Content-Type", "application/json")
		fmt.Fprint(w, `{}`)
		h.Set("X-Sum", "1")
	}), oneRoute(nil))
	s := httptest.NewServer(h)
	defer s.Close()
	res, err := http.Get(s.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	io.ReadAll(res.Body)
	res.Body.Close()
	if res.Trailer.Get("X-Sum") != "1" {
		t.Errorf("%v", res.Trailer)
	}
}

func TestAllLinesOfCacheStatusStay(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Cache-Status", "a; hit")
		w.Header().Add("Cache-Status", "b; hit")
		writeJSON(w, `{}`)
	}), oneRoute(nil))
	if got := ask(h, "GET", "/x").Header()["Cache-Status"]; !strings.HasPrefix(strings.Join(got, ", "), "a; hit, b; hit, ") {
		t.Error(got)
	}
}
