package httpcache_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

// sink is a ResponseWriter that keeps nothing.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}

// BenchmarkHit is a hit of a 3 KB page, beside the handler that makes it: per scope, and for everybody.
func BenchmarkHit(b *testing.B) {
	body := []byte(strings.Repeat("x", 3072))
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header().Set("Etag", `"abcdef"`)
		_, _ = w.Write(body)
	})
	params := httpcache.Params{Page: "page", Limit: "limit", Sort: "sort", DefaultLimit: 20, MaxLimit: 100}
	scope := func(r *http.Request) (folio.Scope, error) { return folio.Scope{Kind: "user", ID: "17"}, nil }
	for name, route := range map[string]*httpcache.Route{"bare": nil, "public": {}, "scoped": {Scope: scope}} {
		h := http.Handler(next)
		if route != nil {
			cache, err := folio.New(folio.Config{MaxBytes: 128 << 20})
			if err != nil {
				b.Fatal(err)
			}
			defer cache.Close(b.Context())
			route.Name, route.Pattern, route.Params, route.NoWarm = "events", "/api/events", params, true
			if h, err = httpcache.New(httpcache.Config{Cache: cache, Next: next, Routes: []httpcache.Route{*route}}); err != nil {
				b.Fatal(err)
			}
		}
		b.Run("handler="+name, func(b *testing.B) {
			q, err := http.NewRequest("GET", "/api/events?page=1&limit=20&sort=-created_at", nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(&sink{http.Header{}}, q)
			}
		})
	}
}
