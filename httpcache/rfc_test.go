package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

// stage is a handler with an origin that answers as it is told, and a clock that stands.
type stage struct {
	*httpcache.Handler
	cache  *folio.Cache
	mu     sync.Mutex
	now    time.Time
	status int
	header http.Header
	body   string
	asked  []*http.Request
}

func (s *stage) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stage) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// says sets what the origin answers from now on; fields has names and values by turns.
func (s *stage) says(status int, body string, fields ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body, s.header = status, body, http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(fields); i += 2 {
		s.header.Add(fields[i], fields[i+1])
	}
}

// ServeOrigin is the origin's handler.
func (s *stage) ServeOrigin(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r)
	header, status, body := s.header.Clone(), s.status, s.body
	header.Set("Date", s.now.UTC().Format(http.TimeFormat))
	s.mu.Unlock()
	maps.Copy(w.Header(), header)
	if tag := header.Get("Etag"); tag != "" && r.Header.Get("If-None-Match") == tag && status == 200 {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (s *stage) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func setUp(t *testing.T, route httpcache.Route) *stage {
	t.Helper()
	s := &stage{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cache, err := folio.New(folio.Config{MaxBytes: 8 << 20, OnHeap: true, Now: s.clock, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close(context.Background()) })
	s.cache, route.Name, route.Pattern, route.NoWarm = cache, "x", "/x", true
	s.Handler, err = httpcache.New(httpcache.Config{Cache: cache, Next: http.HandlerFunc(s.ServeOrigin), Routes: []httpcache.Route{route}, Now: s.clock, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kept are responses, and for how many seconds a second request is answered without the origin; 0: not at all.
var kept = []struct {
	fields string // name: value | name: value; {s} is a date so many seconds from now
	status int
	list   int // seconds on a route of a list, whose TTL is 7 s
	plain  int // seconds on one that is Plain
}{
	{"", 200, 7, 0},
	{"Cache-Control: max-age=60", 200, 60, 60},
	{"Cache-Control: max-age=60, s-maxage=30", 200, 30, 30},
	{"Cache-Control: MAX-AGE=60", 200, 60, 60},
	{"Cache-Control: max-age=60 | Age: 20", 200, 40, 40},
	{"Cache-Control: max-age=60 | Age: 20, 50", 200, 40, 40},
	{"Cache-Control: max-age=60 | Age: nonsense", 200, 60, 60},
	{"Cache-Control: no-store", 200, 0, 0},
	{"Cache-Control: max-age=60, no-store", 200, 0, 0},
	{"Cache-Control: private, max-age=60", 200, 0, 0},
	{"Cache-Control: private=\"x\", max-age=60", 200, 0, 0},
	{"Cache-Control: no-cache, max-age=60 | Etag: \"1\"", 200, 0, 0},
	{"Cache-Control: max-age=-5", 200, 0, 0},
	{"Cache-Control: max-age=\"", 200, 0, 0},
	{"Cache-Control: max-age=60, no-store, must-understand", 200, 60, 60},
	{"Cache-Control: max-age=60, no-store, must-understand", 299, 0, 0},
	{"Expires: {60}", 200, 60, 60},
	{"Expires: {-60}", 200, 0, 0},
	{"Expires: 0", 200, 0, 0},
	{"Expires: {60} | Cache-Control: max-age=10", 200, 10, 10},
	{"Cdn-Cache-Control: max-age=60 | Cache-Control: no-store", 200, 60, 60},
	{"Cdn-Cache-Control: no-store | Cache-Control: max-age=60", 200, 0, 0},
	{"Cdn-Cache-Control: &&& | Cache-Control: max-age=60", 200, 60, 60},
	{"Folio-Cache-Control: max-age=20 | Cdn-Cache-Control: max-age=60", 200, 20, 20},
	{"Last-Modified: {-1000}", 200, 7, 100},
	{"Vary: *", 200, 0, 0},
	{"Vary: Accept, * | Cache-Control: max-age=60", 200, 0, 0},
	{"Vary: X-Odd | Cache-Control: max-age=60", 200, 0, 60},
	{"Set-Cookie: a=b | Cache-Control: max-age=60", 200, 0, 60},
	{"Content-Type: text/html | Cache-Control: max-age=60", 200, 0, 60},
	{"Content-Type: application/problem+json | Cache-Control: max-age=60", 200, 60, 60},
	{"Trailer: X", 200, 0, 0},
	{"", 404, 0, 0},
	{"Cache-Control: max-age=60", 404, 5, 60},
	{"Cache-Control: max-age=60", 500, 5, 60},
	{"Cache-Control: max-age=60", 206, 0, 0},
	{"Cache-Control: max-age=60", 301, 60, 60},
}

// TestWhatMayBeStoredAndHowLong goes through all of them, on a route of a list and on one that is Plain.
func TestWhatMayBeStoredAndHowLong(t *testing.T) {
	stages := map[string]*stage{}
	for _, name := range []string{"list", "plain"} {
		stages[name] = setUp(t, httpcache.Route{TTL: 7 * time.Second, Plain: name == "plain", Params: httpcache.Params{Filters: []string{"f"}}})
	}
	for i, tt := range kept {
		for name, want := range map[string]int{"list": tt.list, "plain": tt.plain} {
			s := stages[name]
			s.says(tt.status, "{}", fieldsOf(tt.fields, s.clock())...)
			if strings.Contains(tt.fields, "Content-Type") {
				s.header["Content-Type"] = s.header["Content-Type"][1:]
			}
			target := fmt.Sprintf("/x?f=%d", i)
			fresh := func() bool {
				before := s.count()
				ask(s, "GET", target)
				return s.count() == before
			}
			ask(s, "GET", target)
			if want == 0 {
				if fresh() {
					t.Errorf("%s, %d %q: it is stored", name, tt.status, tt.fields)
				}
				continue
			}
			s.pass(time.Duration(want)*time.Second - time.Millisecond)
			if !fresh() {
				t.Errorf("%s, %d %q: it is not fresh for %d s", name, tt.status, tt.fields, want)
				continue
			}
			s.pass(time.Second) // dates have no parts of seconds
			if fresh() {
				t.Errorf("%s, %d %q: it is fresh after %d s", name, tt.status, tt.fields, want)
			}
			s.pass(time.Millisecond)
		}
	}
}

// fieldsOf reads fields as the table above writes them.
func fieldsOf(text string, now time.Time) (fields []string) {
	for f := range strings.SplitSeq(text, " | ") {
		name, value, ok := strings.Cut(f, ": ")
		if !ok {
			continue
		}
		if seconds, isDate := strings.CutPrefix(value, "{"); isDate {
			n, _ := strconv.Atoi(strings.TrimSuffix(seconds, "}"))
			value = now.Add(time.Duration(n) * time.Second).UTC().Format(http.TimeFormat)
		}
		fields = append(fields, name, value)
	}
	return fields
}

// TestValidation: a stale response is validated, its header taken over, and clients who have it are told so.
func TestValidation(t *testing.T) {
	s := setUp(t, httpcache.Route{})
	s.says(200, `{"n":1}`, "Etag", `"one"`, "Cache-Control", "max-age=10", "X-Other", "a")
	ask(s, "GET", "/x")
	s.pass(20 * time.Second)
	s.says(200, `{"n":2}`, "Etag", `"one"`, "Cache-Control", "max-age=30", "X-Other", "b")
	w := ask(s, "GET", "/x")
	if s.count() != 2 || s.asked[1].Header.Get("If-None-Match") != `"one"` || w.Code != 200 || w.Body.String() != `{"n":1}` || w.Header().Get("X-Other") != "b" {
		t.Errorf("%d %s %s", w.Code, w.Body, w.Header())
	}
	s.pass(29 * time.Second)
	w = ask(s, "GET", "/x", "If-None-Match", `"zero", W/"one"`)
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("Age") != "29" || s.count() != 2 {
		t.Errorf("to who has it: %d %s", w.Code, w.Header())
	}
	if w := ask(s, "GET", "/x", "If-None-Match", `"zero"`); w.Code != 200 {
		t.Errorf("to who has another: %d", w.Code)
	}
	if w := ask(s, "GET", "/x", "Range", "bytes=1-3"); w.Code != http.StatusPartialContent || w.Body.String() != `"n"` {
		t.Errorf("a range: %d %s", w.Code, w.Body)
	}
	if w := ask(s, "HEAD", "/x"); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "7" {
		t.Errorf("HEAD: %d %s", w.Code, w.Header())
	}
	s.pass(20 * time.Second)
	s.says(200, `{"n":3}`, "Etag", `"two"`, "Cache-Control", "max-age=30")
	if w := ask(s, "GET", "/x", "If-None-Match", `"two"`); w.Code != http.StatusNotModified || s.count() != 3 {
		t.Errorf("to who has what is new: %d", w.Code)
	}
	if w := ask(s, "GET", "/x"); w.Body.String() != `{"n":3}` || s.count() != 3 {
		t.Errorf("what is new: %s", w.Body)
	}
}

// TestStale: while a new one is loaded, and where that fails, within the windows and not beyond them.
func TestStale(t *testing.T) {
	s := setUp(t, httpcache.Route{})
	s.says(200, `1`, "Cache-Control", "max-age=10, stale-while-revalidate=5, stale-if-error=20")
	ask(s, "GET", "/x")
	s.pass(12 * time.Second)
	s.says(200, `2`, "Cache-Control", "max-age=10, stale-while-revalidate=5, stale-if-error=20")
	if w := ask(s, "GET", "/x"); w.Body.String() != "1" || !strings.Contains(w.Header().Get("Cache-Status"), "ttl=-2") {
		t.Errorf("while it is loaded: %s %s", w.Body, w.Header())
	}
	for deadline := time.Now().Add(5 * time.Second); ask(s, "GET", "/x").Body.String() != "2"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not loaded behind")
		}
	}
	s.says(503, `down`)
	for _, tt := range []struct {
		after time.Duration
		code  int
	}{{16 * time.Second, 200}, {13 * time.Second, 200}, {2 * time.Second, 503}} {
		s.pass(tt.after)
		if w := ask(s, "GET", "/x"); w.Code != tt.code {
			t.Errorf("%s after: %d %s, want %d", tt.after, w.Code, w.Header().Get("Cache-Status"), tt.code)
		}
	}
	s = setUp(t, httpcache.Route{StaleIfError: time.Minute, StaleWhileRevalidate: time.Minute})
	s.says(200, `1`, "Cache-Control", "max-age=10, must-revalidate")
	ask(s, "GET", "/x")
	s.pass(11 * time.Second)
	s.says(503, `down`)
	if w := ask(s, "GET", "/x"); w.Code != 503 {
		t.Errorf("must-revalidate: %d", w.Code)
	}
}

// TestCredentials: without a scope they pass by; with one, each principal has pages of his own, and another's never
// come, whatever they share.
func TestCredentials(t *testing.T) {
	s := setUp(t, httpcache.Route{TTL: time.Minute})
	s.says(200, `1`)
	for range 2 {
		for _, header := range [][]string{{"Authorization", "Bearer x"}, {"Cookie", "a=b"}} {
			if w := ask(s, "GET", "/x", header...); !strings.Contains(w.Header().Get("Cache-Status"), "fwd=bypass") {
				t.Errorf("%v: %s", header, w.Header().Get("Cache-Status"))
			}
		}
	}
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeJSON(w, "%q", r.Header.Get("X-User")) }),
		oneRoute(func(r *httpcache.Route) { r.Scope, r.Params.Page = byHeader, "page" }))
	for _, target := range []string{"/x", "/x?page=2", "/x?page=02", "/x?utm_source=a"} {
		for _, user := range []string{"1", "2", "1:offset=0", "1@x", "%31"} {
			for _, method := range []string{"GET", "GET", "HEAD", "GET"} {
				w := ask(h, method, target, "X-User", user)
				if method == "GET" && w.Body.String() != fmt.Sprintf("%q", user) {
					t.Errorf("%s of user %s: %s, %s", target, user, w.Body, w.Header().Get("Cache-Status"))
				}
				if got := w.Header().Get("Cache-Control"); got != "private, no-cache" {
					t.Errorf("%s %s leaves as %q", method, target, got)
				}
			}
		}
	}
	if w := ask(h, "GET", "/x"); !strings.Contains(w.Header().Get("Cache-Status"), "fwd=bypass") {
		t.Errorf("nobody: %s", w.Header().Get("Cache-Status"))
	}
}

// TestDeception: a page of one principal is not stored under a name that everybody may ask for.
func TestDeception(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Type", "text/css") // what the origin takes the name for
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	}), []httpcache.Route{{Name: "account", Pattern: "/account", TTL: time.Minute, NoWarm: true}, {Name: "static", Pattern: "/static/", TTL: time.Minute, NoWarm: true}})
	for _, target := range []string{"/account/x.css", "/account;x.css", "/account%2fx.css", "/account%00.css", "/static/..%2faccount", "/static/../account", "/account?x.css", "/account/", "/account/.css", "/static/x.css"} {
		q := httptest.NewRequest("GET", "/", nil)
		path, query, _ := strings.Cut(target, "?")
		q.URL.RawQuery = query
		if q.URL.RawPath = path; strings.Contains(path, "%") {
			q.URL.Path = strings.NewReplacer("%2f", "/", "%00", "\x00").Replace(path)
		} else {
			q.URL.Path, q.URL.RawPath = path, ""
		}
		q.RequestURI = target
		for _, cookie := range []string{"victim", ""} {
			q := q.Clone(t.Context())
			if cookie != "" {
				q.Header.Set("Cookie", cookie)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, q)
			if cookie == "" && (strings.Contains(w.Body.String(), "victim") || strings.Contains(w.Header().Get("Cache-Status"), "; hit")) {
				t.Errorf("%s: %s %s", target, w.Body, w.Header().Get("Cache-Status"))
			}
		}
	}
}

// TestRequestsForOneLoadTogether: waiters get what the first one's load brings; where that is not to be shared, each
// asks for himself, and all at once.
func TestRequestsForOneLoadTogether(t *testing.T) {
	for shared, want := range map[bool]int{true: 1, false: 8} {
		gate, arrived := make(chan struct{}), make(chan struct{}, 100)
		h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			arrived <- struct{}{}
			<-gate
			if !shared {
				w.Header().Set("Cache-Control", "no-store")
			}
			writeJSON(w, "1")
		}), oneRoute(nil))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if w := ask(h, "GET", "/x"); w.Code != 200 {
					t.Errorf("%d", w.Code)
				}
			})
		}
		<-arrived
		time.Sleep(50 * time.Millisecond) // for the others to come
		close(gate)
		wg.Wait()
		if n := 1 + len(arrived); n != want {
			t.Errorf("shared %v: the origin was asked %d times, want %d", shared, n, want)
		}
	}
}

// TestOnlyIfCached: what is not there is not asked for.
func TestOnlyIfCached(t *testing.T) {
	s := setUp(t, httpcache.Route{TTL: time.Minute})
	s.says(200, `1`)
	if w := ask(s, "GET", "/x", "Cache-Control", "only-if-cached"); w.Code != http.StatusGatewayTimeout || s.count() != 0 {
		t.Errorf("%d, asked %d times", w.Code, s.count())
	}
	ask(s, "GET", "/x")
	if w := ask(s, "GET", "/x", "Cache-Control", "only-if-cached"); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

// TestConfigsThatCannotWorkAreRefused: with all their faults.
func TestConfigsThatCannotWorkAreRefused(t *testing.T) {
	_, err := httpcache.New(httpcache.Config{MaxBody: -1, Routes: []httpcache.Route{{Name: "a", Pattern: "a", TTL: -1, KeepPrivate: true, Params: httpcache.Params{Page: "p", Limit: "p", DefaultLimit: 9, MaxLimit: 3}},
		{Name: "a", Pattern: "/b", Invalidates: []string{"z"}}, {Pattern: "/c"}, {Name: "d", Pattern: "/d", Plain: true, Scope: byHeader, CDN: 1}}})
	for _, want := range []string{"no Cache", "no Next", "MaxBody", "a path", "below 0", "KeepPrivate", "declared twice", "DefaultLimit", "of that name", `"z"`, "no name", "Plain with Scope", "CDN with Scope"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %q in %v", want, err)
		}
	}
}

// TestSoftened: what an operator has said is too old is validated, or served stale where that is allowed.
func TestSoftened(t *testing.T) {
	s := setUp(t, httpcache.Route{StaleIfError: time.Minute})
	s.says(200, `1`, "Cache-Control", "max-age=100", "Etag", `"1"`)
	ask(s, "GET", "/x")
	q := httptest.NewRequest("GET", "/x", nil)
	soften := func() {
		t.Helper()
		tags, err := s.Tags(q)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.cache.Soften(t.Context(), tags...); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Second)
	}
	soften()
	if w := ask(s, "GET", "/x"); s.count() != 2 || w.Code != 200 || s.asked[1].Header.Get("If-None-Match") != `"1"` {
		t.Errorf("it is not validated: %d %s", w.Code, w.Header())
	}
	if w := ask(s, "GET", "/x"); s.count() != 2 || !strings.Contains(w.Header().Get("Cache-Status"), "; hit; ttl=") {
		t.Errorf("once it is: %s", w.Header())
	}
	soften()
	s.says(503, `down`)
	if w := ask(s, "GET", "/x"); w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Status"), "stale-if-error") {
		t.Errorf("where that fails: %d %s", w.Code, w.Header())
	}
}

// TestQueriesAreAskedAsTheyAreMeant: whatever the origin takes for its first page and its limit, and whatever else it
// knows of. Each twice: what is stored answers the second.
func TestQueriesAreAskedAsTheyAreMeant(t *testing.T) {
	one := httpcache.Params{Page: "page", Limit: "limit", DefaultLimit: 10}
	zero := one
	zero.ZeroBased = true
	for _, tt := range []struct {
		params httpcache.Params
		query  string
		want   string
		stored bool
	}{
		{httpcache.Params{}, "page=2", "page=2", false},
		{httpcache.Params{}, "", "", true},
		{httpcache.Params{}, "utm_source=x", "", true},
		{one, "q=shoes&utm_source=x", "q=shoes&utm_source=x", false},
		{one, "", "limit=10", true},
		{one, "limit=10", "limit=10", true},
		{one, "limit=5&page=1", "limit=5", true},
		{one, "page=2", "limit=10&page=2", true},
		{zero, "page=0", "limit=10", true},
		{zero, "page=1", "limit=10&page=1", true},
	} {
		s := setUp(t, httpcache.Route{TTL: time.Minute, Params: tt.params, NoWarm: true})
		s.says(200, `1`)
		ask(s, "GET", "/x?"+tt.query)
		w := ask(s, "GET", "/x?"+tt.query)
		if got := s.asked[0].URL.RawQuery; got != tt.want || strings.Contains(w.Header().Get("Cache-Status"), "; hit") != tt.stored {
			t.Errorf("%+v, %q: the origin is asked %q, want %q; then %s", tt.params, tt.query, got, tt.want, w.Header().Get("Cache-Status"))
		}
	}
	s := setUp(t, httpcache.Route{TTL: time.Minute, Params: zero, NoWarm: true})
	if w := ask(s, "GET", "/x?page=-1"); w.Code != 400 {
		t.Errorf("page -1 of those from 0: %d", w.Code)
	}
}

// TestCloaking: what the key does not have, the origin does not see.
func TestCloaking(t *testing.T) {
	s := setUp(t, httpcache.Route{TTL: time.Minute, Params: httpcache.Params{Page: "page", Filters: []string{"f"}, Unknown: httpcache.Drop}})
	s.says(200, `1`)
	for query, want := range map[string]string{"f=1&utm_content=x&callback=evil": "f=1", "callback=evil&page=2": "page=2", "f=a%26callback=evil": "f=a%26callback%3Devil", "PAGE=3&f=2": "f=2", "page=1": "", "f=": "f="} {
		before := s.count()
		ask(s, "GET", "/x?"+query)
		if got := s.asked[len(s.asked)-1].URL.RawQuery; s.count() != before+1 || got != want {
			t.Errorf("%s: the origin is asked %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{"f=1;callback=evil", "f=%zz", "page=1&page=2", "page=0", "page=1.5", "f=" + strings.Repeat("x", 3000), strings.Repeat("f=1&", 70) + strings.Repeat("g", 10)} {
		w := ask(s, "GET", "/x?"+query)
		if stored := strings.Contains(ask(s, "GET", "/x?"+query).Header().Get("Cache-Status"), "; hit"); w.Code == 200 && stored && !strings.HasPrefix(query, "f=1&") {
			t.Errorf("%.40s: %d, stored", query, w.Code)
		}
	}
}
