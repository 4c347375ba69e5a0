package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

// flood asks for n distinct pages, or variants of one page, and for ten hot pages all along.
func flood(t *testing.T, n int, variants bool) {
	const memory = 16 << 20
	cache, err := folio.New(folio.Config{MaxBytes: memory, OnHeap: true, MeanBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close(context.Background())
	body := strings.Repeat("x", 500)
	h, err := httpcache.New(httpcache.Config{Cache: cache, Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if variants {
			w.Header().Set("Vary", "Accept-Language")
		}
		_, _ = w.Write([]byte(body))
	}), Routes: []httpcache.Route{{Name: "list", Pattern: "/list", TTL: 1 << 50, NoWarm: true, Params: httpcache.Params{Filters: []string{"f"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	get := func(f, language string) string {
		w, q := httptest.NewRecorder(), httptest.NewRequest("GET", "/list?f="+f, nil)
		q.Header.Set("Accept-Language", language)
		h.ServeHTTP(w, q)
		return w.Header().Get("Cache-Status")
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	hot := func() (hits int) {
		for i := range 10 {
			if strings.Contains(get(fmt.Sprint("hot", i), "en"), "hit") {
				hits++
			}
		}
		return hits
	}
	before, hits, rounds := heap(), 0, 0
	for i := range n {
		if variants {
			get("cold", fmt.Sprint("x-cold", i))
		} else {
			get(fmt.Sprint("cold", i), "en")
		}
		if i%200 == 0 {
			hits += hot()
			rounds++
		}
	}
	if share := float64(hits) / float64(10*rounds); share < .95 {
		t.Errorf("hot pages were hit %.3f of the time", share)
	}
	if grown := heap() - before; grown > memory+memory/4 {
		t.Errorf("the heap has grown by %d bytes, for a cache of %d", grown, int64(memory))
	}
}
