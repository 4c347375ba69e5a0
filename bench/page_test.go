package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/foliocache/folio"
)

// ticket is a row; twenty of them are some 3 KB of JSON.
type ticket struct {
	ID      int    `json:"id"`
	Title   string `json:"title"`
	Status  string `json:"status"`
	Venue   string `json:"venue"`
	Created int64  `json:"created_at"`
}

func rowsOf(user int) []ticket {
	all := make([]ticket, 20)
	for i := range all {
		all[i] = ticket{user*20 + i, fmt.Sprintf("A ticket for the concert number %d of this year", i), "confirmed", "Great Hall, row 12", 1790000000}
	}
	return all
}

const users = 5000

// pager serves and returns the first page of a user, which is there.
type pager struct {
	serve func(w http.ResponseWriter, r *http.Request, user int)
	page  func(user int) (items int)
}

var pagers = []struct {
	name string
	open func(testing.TB) pager
}{
	{"folio", folioPages},
	{"otter-bytes", otterBytes},
	{"otter-values", otterValues},
}

// openTickets makes a list of the first pages of users, ruled by one strategy or by all in competition.
func openTickets(b testing.TB, strategy string) *folio.List[ticket] {
	c, err := folio.New(folio.Config{MaxBytes: capacity, MeanBytes: size, Seed: 1, Strategy: strategy})
	must(b, err)
	b.Cleanup(func() { must(b, c.Close(context.Background())) })
	l, err := folio.NewList(c, folio.ListConfig[ticket]{Name: "tickets", Sorts: []string{"-created_at"},
		Load: func(_ context.Context, q folio.Query, _ folio.Range) ([]ticket, error) {
			var user int
			_, err := fmt.Sscan(q.Scope.ID, &user)
			return rowsOf(user), err
		}})
	must(b, err)
	return l
}

func folioPages(b testing.TB) pager {
	l := openTickets(b, "")
	queries := make([]folio.Query, users)
	for i := range queries {
		var err error
		queries[i], err = l.Query(folio.Params{Scope: folio.Scope{Kind: "user", ID: fmt.Sprint(i)}})
		must(b, err)
	}
	return pager{
		func(w http.ResponseWriter, r *http.Request, user int) { l.Serve(w, r, queries[user]) },
		func(user int) int {
			p, err := l.Page(context.Background(), queries[user])
			must(b, err)
			return len(p.Items)
		},
	}
}

// stored is what a program keeps that caches bodies by hand.
type stored struct {
	body []byte
	etag string
}

func otterBytes(b testing.TB) pager {
	c := otter.Must(&otter.Options[string, stored]{MaximumSize: 2 * users})
	names := make([]string, users)
	for i := range users {
		names[i] = fmt.Sprintf("tickets:user:%d:offset=0:limit=20", i)
		body, err := json.Marshal(folio.Page[ticket]{Items: rowsOf(i)})
		must(b, err)
		c.Set(names[i], stored{body, fmt.Sprintf(`"%016x"`, i)})
	}
	return pager{
		func(w http.ResponseWriter, r *http.Request, user int) {
			v, _ := c.GetIfPresent(names[user])
			h := w.Header()
			h.Set("Content-Type", "application/json")
			h.Set("ETag", v.etag)
			h.Set("Cache-Control", "private, no-cache")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(v.body))
		},
		func(user int) int {
			v, _ := c.GetIfPresent(names[user])
			var p folio.Page[ticket]
			must(b, json.Unmarshal(v.body, &p))
			return len(p.Items)
		},
	}
}

func otterValues(b testing.TB) pager {
	c := otter.Must(&otter.Options[string, folio.Page[ticket]]{MaximumSize: 2 * users})
	names := make([]string, users)
	for i := range users {
		names[i] = fmt.Sprintf("tickets:user:%d:offset=0:limit=20", i)
		c.Set(names[i], folio.Page[ticket]{Items: rowsOf(i)})
	}
	return pager{
		func(w http.ResponseWriter, r *http.Request, user int) {
			v, _ := c.GetIfPresent(names[user])
			body, err := json.Marshal(v)
			must(b, err)
			h := w.Header()
			h.Set("Content-Type", "application/json")
			h.Set("Cache-Control", "private, no-cache")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
		},
		func(user int) int {
			v, _ := c.GetIfPresent(names[user])
			return len(v.Items)
		},
	}
}

// BenchmarkGetPage answers a request with a page that is there, or hands its rows to a program.
func BenchmarkGetPage(b *testing.B) {
	for _, path := range []string{"serve", "page"} {
		for _, p := range pagers {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("path=%s/cache=%s/threads=%d", path, p.name, threads), func(b *testing.B) {
					benchmarkPage(b, p.open(b), path, threads)
				})
			}
		}
	}
}

func benchmarkPage(b *testing.B, p pager, path string, threads int) {
	for i := range users {
		if n := p.page(i); n != 20 {
			b.Fatalf("%d rows", n)
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
	var began atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		at := int(began.Add(1)) * 7777
		r := httptest.NewRequest("GET", "/tickets", nil)
		for pb.Next() {
			at++
			user := at % users
			if path == "page" {
				p.page(user)
				continue
			}
			w := &discard{header: http.Header{}}
			if p.serve(w, r, user); w.n < 2000 {
				b.Fatalf("%d bytes", w.n)
			}
		}
	})
}

// discard is a response that nobody reads.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(b []byte) (int, error) {
	d.n += len(b)
	return len(b), nil
}
