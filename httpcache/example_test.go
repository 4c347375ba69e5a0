package httpcache_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

// A list endpoint of a program's own, cached for each of its users.
func Example() {
	cache, err := folio.New(folio.Config{MaxBytes: 32 << 20, OnHeap: true})
	if err != nil {
		log.Fatal(err)
	}
	tickets := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"user":%q,"query":%q}`, r.Header.Get("X-User-Id"), r.URL.RawQuery)
	})
	cached, err := httpcache.New(httpcache.Config{Cache: cache, Next: tickets, Routes: []httpcache.Route{{
		Name:    "tickets",
		Pattern: "/api/tickets",
		Params:  httpcache.Params{Page: "page", Limit: "limit", Filters: []string{"status"}, DefaultLimit: 20, MaxLimit: 100},
		TTL:     time.Minute,
		Scope: func(r *http.Request) (folio.Scope, error) { // of whom the middleware in front has verified
			user := r.Header.Get("X-User-Id")
			if user == "" {
				return folio.Scope{}, errors.New("nobody knows whose page this is") // it passes by
			}
			return folio.Scope{Kind: "user", ID: user}, nil
		},
	}}})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(cached) // http.ListenAndServe(address, cached)
	defer server.Close()
	for _, query := range []string{"page=1&status=open", "status=open", "page=2&status=open&q=late"} {
		q, _ := http.NewRequest(http.MethodGet, server.URL+"/api/tickets?"+query, nil)
		q.Header.Set("X-User-Id", "7")
		p, err := http.DefaultClient.Do(q)
		if err != nil {
			log.Fatal(err)
		}
		_ = p.Body.Close()
		fmt.Println(query, "->", p.Header.Get("Cache-Status"))
	}
	// Output:
	// page=1&status=open -> folio; fwd=uri-miss; fwd-status=200; stored
	// status=open -> folio; hit; ttl=59
	// page=2&status=open&q=late -> folio; fwd=bypass
}
