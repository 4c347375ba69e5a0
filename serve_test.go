package folio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var linkField = regexp.MustCompile(`^<(\?[!-~]*)>; rel="first", <(\?[!-~]*)>; rel="prev", <(\?[!-~]*)>; rel="next"$`)

// FuzzLinksLeadToTheSameQuery: whatever a request's query is, its links are well formed, and lead to it
// but for the place.
func FuzzLinksLeadToTheSameQuery(f *testing.F) {
	for _, raw := range []string{"", "page=2", "x=1&x=2&page=2&y", "offset=20&limit=20", "p%61ge=2&q=a+b", "q=%3E;,<>\"\\", "c=d,e&&=", "a=%zz", "ü=ü", "#", " ", "?"} {
		f.Add(raw)
	}
	s := shape{maxOffset: 1000}
	f.Fuzz(func(t *testing.T, raw string) {
		before, err := url.ParseQuery(raw)
		if err != nil {
			return // such a request is refused before
		}
		link := s.links(raw, Query{Offset: 20, Limit: 20}, 20)
		parts := linkField.FindStringSubmatch(link)
		if parts == nil {
			t.Fatalf("%q: %q", raw, link)
		}
		for i, part := range parts[1:] {
			l, err := url.Parse(part)
			if err != nil {
				t.Fatalf("%q: %v", part, err)
			}
			after, err := url.ParseQuery(l.RawQuery)
			place, n := "page", []string{"1", "1", "3"}[i]
			if before.Has("offset") {
				place, n = "offset", []string{"0", "0", "40"}[i]
			}
			want := url.Values{place: {n}}
			for name, values := range before {
				if name != "page" && name != "offset" {
					want[name] = values
				}
			}
			if diff := cmp.Diff(want, after); err != nil || diff != "" || l.Path != "" || l.Host != "" || l.Fragment != "" {
				t.Fatalf("%q leads to %q: %v %s", raw, part, err, diff)
			}
		}
	})
}

func TestServeWritesTheStoredPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := tickets(t, open(t, small()), func(c *ListConfig[row]) { c.TTL = time.Hour })
		miss := serve(t, l, someone, "limit=2&page=2&total=true")
		want := http.Header{
			"Content-Type": {"application/json"}, "Cache-Status": {"folio; fwd=miss"}, "Cache-Control": {"private, no-cache"},
			"Accept-Ranges": {"bytes"}, "Content-Length": {"96"}, "Etag": miss.Header()["Etag"], "X-Total-Count": {"50"},
			"Link": {`<?limit=2&total=true&page=1>; rel="first", <?limit=2&total=true&page=1>; rel="prev", <?limit=2&total=true&page=3>; rel="next"`},
		}
		body := `{"items":[{"ID":2,"Owner":"user:1  -created_at"},{"ID":3,"Owner":"user:1  -created_at"}]}`
		want.Set("Content-Length", strconv.Itoa(len(body)))
		if diff := cmp.Diff(want, miss.Header()) + cmp.Diff(body, miss.Body.String()); diff != "" || miss.Code != 200 {
			t.Error(miss.Code, diff)
		}
		hit := serve(t, l, someone, "limit=2&page=2&total=true")
		want["Cache-Status"] = hit.Header()["Cache-Status"]
		if diff := cmp.Diff(want, hit.Header()) + cmp.Diff(body, hit.Body.String()); diff != "" || !strings.HasPrefix(hit.Header().Get("Cache-Status"), "folio; hit; ttl=3") {
			t.Error(hit.Header().Get("Cache-Status"), diff)
		}
		tag := hit.Header().Get("ETag")
		for query, code := range map[string]int{"limit=2&page=2": 304, "limit=2&page=3": 200} {
			if w := serve(t, l, someone, query, "If-None-Match", `"x", `+tag); w.Code != code || w.Code == 304 && w.Body.Len() > 0 {
				t.Errorf("%s: status %d, %d bytes", query, w.Code, w.Body.Len())
			}
		}
		public := serve(t, l, Public, "offset=20")
		if got := public.Header()["Link"]; public.Header().Get("Cache-Control") != "public, no-cache" || len(got) != 1 || strings.Contains(got[0], "next") {
			t.Errorf("%v", public.Header())
		}
	})
}

// TestLinksLeadToTheNeighbours: whatever else the URL says, and however.
// TestAnAnswerIsThatOfNetHTTP: the short way as the long one, header by header.
func TestAnAnswerIsThatOfNetHTTP(t *testing.T) {
	body := []byte(`{"items":[1,2,3]}`)
	for _, method := range []string{"GET", "HEAD"} {
		for _, header := range []http.Header{{}, {"Range": {"bytes=2-4"}}, {"If-None-Match": {`"7"`}}, {"If-Match": {`"8"`}}, {"If-Range": {`"7"`}, "Range": {"bytes=1-"}}} {
			answer := func(f func(http.ResponseWriter, *http.Request)) *http.Response {
				w, r := httptest.NewRecorder(), httptest.NewRequest(method, "/", nil)
				r.Header = header
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("ETag", `"7"`)
				f(w, r)
				return w.Result()
			}
			got := answer(func(w http.ResponseWriter, r *http.Request) { (&fields{Header: w.Header()}).write(w, r, body) })
			want := answer(func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
			})
			gotBody, _ := io.ReadAll(got.Body)
			wantBody, _ := io.ReadAll(want.Body)
			if diff := cmp.Diff(want.Header, got.Header); diff != "" || got.StatusCode != want.StatusCode || !bytes.Equal(gotBody, wantBody) {
				t.Errorf("%s %v: %d, want %d; %q, want %q; %s", method, header, got.StatusCode, want.StatusCode, gotBody, wantBody, diff)
			}
		}
	}
}

func TestLinksLeadToTheNeighbours(t *testing.T) {
	l, _ := tickets(t, open(t, small()), nil)
	for query, want := range map[string]string{
		"":                             `<?page=2>; rel="next"`,
		"offset=20":                    `<?offset=0>; rel="first", <?offset=0>; rel="prev", <?offset=40>; rel="next"`,
		"offset=5&limit=10":            `<?limit=10&offset=0>; rel="first", <?limit=10&offset=0>; rel="prev", <?limit=10&offset=15>; rel="next"`,
		"p%61ge=3&status=a+b":          `<?status=a+b&page=1>; rel="first", <?status=a+b&page=2>; rel="prev"`,
		`utm_x=1>;%20rel="next",<evil`: `<?utm_x=1%3E%3B+rel%3D%22next%22%2C%3Cevil&page=2>; rel="next"`,
		"page=9":                       `<?page=1>; rel="first", <?page=8>; rel="prev"`,
		"limit=50&page=2":              `<?limit=50&page=1>; rel="first", <?limit=50&page=1>; rel="prev"`,
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/tickets", nil)
		r.URL.RawQuery = strings.ReplaceAll(query, ";", "%3B")
		q, err := l.Parse(r.URL.Query(), someone)
		if err != nil {
			t.Fatal(err)
		}
		l.Serve(w, r, q)
		if got := w.Header().Get("Link"); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

// TestServeTellsWhereAnAnswerCameFrom, as RFC 9211 has it.
func TestServeTellsWhereAnAnswerCameFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.StaleIfError, config.Jitter = time.Hour, -1
		c := open(t, config)
		fault := error(nil)
		l, err := NewList(c, ListConfig[int]{Name: "rows", TTL: time.Minute, Load: func(context.Context, Query, Range) ([]int, error) { return []int{1}, fault }})
		if err != nil {
			t.Fatal(err)
		}
		q, err := l.Query(Params{Scope: someone})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"folio; fwd=miss", "folio; hit; ttl=40", "folio; fwd=stale; detail=stale-if-error", ""} {
			w := httptest.NewRecorder()
			if l.Serve(w, httptest.NewRequest("GET", "/", nil), q); w.Header().Get("Cache-Status") != want {
				t.Errorf("answer %d: %q, want %q", i, w.Header().Get("Cache-Status"), want)
			}
			time.Sleep([]time.Duration{20 * time.Second, time.Minute, 2 * time.Hour, 0}[i])
			fault = errors.New("down")
		}
	})
}

// TestACursorOfNobodysIsTheClientsFault: 400, nothing logged, nothing remembered.
func TestACursorOfNobodysIsTheClientsFault(t *testing.T) {
	var log bytes.Buffer
	config := small()
	config.Logger = logger(&log)
	c := open(t, config)
	loads := 0
	l, err := NewList(c, ListConfig[int]{Name: "rows", Cursor: strconv.Itoa, Load: func(_ context.Context, _ Query, r Range) ([]int, error) {
		loads++
		n, err := strconv.Atoi(r.Cursor)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCursor, err)
		}
		return []int{n}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for cursor, want := range map[string]int{"x": 400, "7": 200} {
		q, err := l.Query(Params{Scope: someone, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			w := httptest.NewRecorder()
			if l.Serve(w, httptest.NewRequest("GET", "/", nil), q); w.Code != want || strings.Contains(w.Body.String(), "Atoi") {
				t.Errorf("%s: %d %s", cursor, w.Code, w.Body)
			}
		}
	}
	if loads != 3 || log.Len() > 0 {
		t.Errorf("%d loads; %s", loads, &log)
	}
}

func TestServeAnswersErrorsWithTheirStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails error
		var log strings.Builder
		config := small()
		config.Logger = logger(&log)
		config.NegativeTTL = -1
		c := open(t, config)
		l, _ := tickets(t, c, func(c *ListConfig[row]) {
			c.Load = func(context.Context, Query, Range) ([]row, error) { return nil, fails }
		})
		for err, code := range map[error]int{errors.New("secret"): 500, fmt.Errorf("x: %w", ErrNotFound): 404, context.DeadlineExceeded: 504} {
			fails = err
			if w := serve(t, l, someone, ""); w.Code != code || strings.Contains(w.Body.String(), "secret") || w.Header().Get("ETag") != "" {
				t.Errorf("%v: status %d, %s", err, w.Code, w.Body)
			}
		}
		if !strings.Contains(log.String(), "secret") {
			t.Error("nobody hears of the origin's error")
		}
		w := httptest.NewRecorder()
		l.Serve(w, httptest.NewRequest("GET", "/", nil), Query{})
		if w.Code != 400 {
			t.Errorf("no query: status %d", w.Code)
		}
		if err := c.Close(background); err != nil {
			t.Fatal(err)
		}
		if w := serve(t, l, someone, ""); w.Code != 503 {
			t.Errorf("closed: status %d", w.Code)
		}
	})
}
