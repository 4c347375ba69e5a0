package httpcache_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
	"github.com/foliocache/folio/tier"
)

// TestHandlersShareATier: responses, also of several variants, those of nobody else's principal, as long as they are
// fresh, until a write that another one has answered.
func TestHandlersShareATier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		origin := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			n := asked.Add(1)
			if q.Method == http.MethodPost {
				return
			}
			if q.URL.Query().Has("vary") {
				w.Header().Set("Vary", "Accept-Language")
			}
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Etag", `"1"`)
			if strings.Contains(q.Header.Get("If-None-Match"), `"1"`) {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			writeJSON(w, `{"n":%d,"to":%q,"in":%q}`, n, q.Header.Get("X-User"), q.Header.Get("Accept-Language"))
		})
		shared := tier.NewMemory(2)
		routes := oneRoute(func(r *httpcache.Route) {
			r.Params.Filters = []string{"vary"}
			r.Scope = func(q *http.Request) (folio.Scope, error) {
				return folio.Scope{Kind: "user", ID: q.Header.Get("X-User")}, nil
			}
			r.KeepPrivate = true
		})
		begin := func() *httpcache.Handler {
			defer time.Sleep(time.Second) // until it follows the log
			return caching(t, origin, routes, func(c *folio.Config, _ *httpcache.Config) { c.Tier = shared })
		}
		a, b := begin(), begin()
		get := func(h http.Handler, target, user, language string, want int64) string {
			t.Helper()
			before := asked.Load()
			w := ask(h, "GET", target, "X-User", user, "Accept-Language", language)
			time.Sleep(10 * time.Millisecond)
			if w.Code != 200 || asked.Load()-before != want {
				t.Errorf("%s of %s: %d, the origin was asked %d times, want %d: %s", target, user, w.Code, asked.Load()-before, want, w.Header()["Cache-Status"])
			}
			if !strings.Contains(w.Body.String(), fmt.Sprintf(`"to":%q`, user)) {
				t.Errorf("%s of %s: %s", target, user, w.Body)
			}
			return w.Body.String()
		}
		for _, target := range []string{"/x", "/x?vary=1"} {
			one := get(a, target, "1", "de", 1)
			if got := get(b, target, "1", "de", 0); got != one {
				t.Error(got, one)
			}
			get(b, target, "2", "de", 1)
			get(a, target, "2", "de", 0)
		}
		get(a, "/x?vary=1", "1", "fr", 1)
		get(begin(), "/x?vary=1", "1", "fr", 0)
		get(begin(), "/x?vary=1", "1", "it", 1)
		time.Sleep(61 * time.Second)
		get(a, "/x", "1", "de", 1) // anew, or its 304
		get(a, "/x", "1", "de", 0)
		if w := ask(b, "POST", "/x", "X-User", "1"); w.Code != 200 {
			t.Fatal(w.Code)
		}
		time.Sleep(10 * time.Millisecond)
		get(a, "/x", "1", "de", 1)
		get(a, "/x", "2", "de", 1) // stale by now
	})
}
