package httpcache_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

// TestAnswersToAuthorizationAreNotForOthers: by RFC 9111 alone, unless the response says so.
func TestAnswersToAuthorizationAreNotForOthers(t *testing.T) {
	for control, shared := range map[string]bool{"max-age=60": false, "max-age=60, public": true, "s-maxage=60": true, "max-age=60, must-revalidate": true} {
		s := setUp(t, httpcache.Route{Plain: true})
		s.says(200, "1", "Cache-Control", control)
		ask(s, "GET", "/x", "Authorization", "Bearer one")
		ask(s, "GET", "/x")
		if asked := s.count(); (asked == 1) != shared {
			t.Errorf("%s: the origin was asked %d times", control, asked)
		}
	}
	s := setUp(t, httpcache.Route{Plain: true})
	s.says(200, "1", "Cache-Control", "max-age=60")
	ask(s, "GET", "/x")
	ask(s, "GET", "/x", "Authorization", "Bearer one")
	if s.count() != 2 {
		t.Error("a request with Authorization got what was loaded without")
	}
}

// TestABodyThatIsShortIsNotStored: one that said how long it would be.
func TestABodyThatIsShortIsNotStored(t *testing.T) {
	length := "10"
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", length)
		_, _ = io.WriteString(w, "[1,2]")
	}), oneRoute(nil))
	if w := ask(h, "GET", "/x"); w.Code != http.StatusBadGateway {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	length = "5"
	if w := ask(h, "GET", "/x"); w.Code != 200 || w.Body.String() != "[1,2]" || strings.Contains(w.Header().Get("Cache-Status"), "; hit") {
		t.Errorf("%d %s %s", w.Code, w.Body, w.Header())
	}
}

// TestStaleIfErrorEnds: also of what is kept longer, to be validated.
func TestStaleIfErrorEnds(t *testing.T) {
	s := setUp(t, httpcache.Route{})
	s.says(200, "1", "Cache-Control", "max-age=10, stale-if-error=20", "Etag", `"1"`)
	ask(s, "GET", "/x")
	s.says(503, "down")
	for _, want := range []int{200, 503} {
		s.pass(20 * time.Second)
		if w := ask(s, "GET", "/x"); w.Code != want {
			t.Errorf("%d, want %d: %s", w.Code, want, w.Header())
		}
	}
}

// TestFieldsNamedInConnectionDoNotPoisonAScope: of several who see the same.
func TestFieldsNamedInConnectionDoNotPoisonAScope(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Language")
		writeJSON(w, "%q", r.Header.Get("Accept-Language"))
	}))
	defer up.Close()
	u, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := caching(t, httpcache.Proxy(httpcache.Upstream{URL: u}), oneRoute(func(r *httpcache.Route) {
		r.Scope = func(*http.Request) (folio.Scope, error) { return folio.Scope{Kind: "tenant", ID: "1"}, nil }
	}))
	ask(h, "GET", "/x", "Accept-Language", "de", "Connection", "Accept-Language")
	if w := ask(h, "GET", "/x", "Accept-Language", "de"); w.Body.String() != `"de"` {
		t.Errorf("de is answered with %s", w.Body)
	}
}

// TestHostsHaveKeysOfTheirOwn: however they are written.
func TestHostsHaveKeysOfTheirOwn(t *testing.T) {
	for _, plain := range []bool{false, true} {
		h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			writeJSON(w, "%q", strings.ToLower(r.Host))
		}), oneRoute(func(r *httpcache.Route) { r.Plain = plain }))
		for _, host := range []string{"a.example", "b.example", "A.example", "a.example:8080"} {
			q := httptest.NewRequest("GET", "/x", nil)
			q.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, q)
			if want := `"` + strings.ToLower(host) + `"`; w.Body.String() != want {
				t.Errorf("plain %v: %s gets %s", plain, host, w.Body)
			}
			if hit := strings.Contains(w.Header().Get("Cache-Status"), "; hit"); hit != (host == "A.example") {
				t.Errorf("plain %v: %s: hit %v", plain, host, hit)
			}
		}
	}
}

// TestHitForMiss: once it is known that nothing can be stored, requests do not wait for each other.
func TestHitForMiss(t *testing.T) {
	slow, gate := false, make(chan struct{})
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slow && r.Header.Get("Accept") == "slow" {
			<-gate
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, "1")
	}), oneRoute(nil))
	ask(h, "GET", "/x")
	slow = true
	first := make(chan struct{})
	go func() { defer close(first); ask(h, "GET", "/x", "Accept", "slow") }()
	time.Sleep(20 * time.Millisecond) // for it to come
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/x", nil).WithContext(ctx))
	if w.Code != 200 {
		t.Errorf("the second waits for the first: %d", w.Code)
	}
	close(gate)
	<-first
}

// TestABodyOnAGETPassesBy: what it says is in no key.
func TestABodyOnAGETPassesBy(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		writeJSON(w, "%q", b)
	}), oneRoute(nil))
	q := httptest.NewRequest("GET", "/x", strings.NewReader("evil"))
	own := httptest.NewRecorder()
	if h.ServeHTTP(own, q); own.Body.String() != `"evil"` {
		t.Errorf("its own: %s", own.Body)
	}
	if w := ask(h, "GET", "/x"); w.Body.String() != `""` {
		t.Errorf("%s", w.Body)
	}
}

// TestPathsThatAreNotCleanPassBy: the origin may take them for others than the route does.
func TestPathsThatAreNotCleanPassBy(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		writeJSON(w, "1")
	}), []httpcache.Route{{Name: "static", Pattern: "/static/", Types: []string{"*"}, NoWarm: true}})
	for target, cached := range map[string]bool{"/static/a": true, "/static/": true, "/static/x%2f..%2faccount": false, "/static/x%2fy": false, "/static//a": false, "/static/./a": false, "/static/b/../a": false} {
		for n := range 2 {
			q := httptest.NewRequest("GET", target, nil)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, q)
			if hit := strings.Contains(w.Header().Get("Cache-Status"), "; hit"); hit != (cached && n == 1) {
				t.Errorf("%s: %s", target, w.Header().Get("Cache-Status"))
			}
		}
	}
}

// TestAWriteThatIsCutShortOutdates: nobody knows what it did.
func TestAWriteThatIsCutShortOutdates(t *testing.T) {
	n := 0
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			n++
			panic(http.ErrAbortHandler)
		}
		writeJSON(w, "%d", n)
	}), oneRoute(nil))
	ask(h, "GET", "/x")
	func() {
		defer func() { _ = recover() }()
		ask(h, "POST", "/x")
	}()
	if w := ask(h, "GET", "/x"); w.Body.String() != "1" {
		t.Errorf("%s %s", w.Body, w.Header())
	}
}
