package redis_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier/redis"
)

// reading reads 500 scopes for a while, eight at once.
func reading(t *testing.T, rows *folio.List[int], lasts time.Duration) (p99 time.Duration, reads int) {
	var mu sync.Mutex
	var all []time.Duration
	var readers sync.WaitGroup
	for g := range 8 {
		readers.Go(func() {
			for began, n := time.Now(), g; time.Since(began) < lasts; n += 8 {
				q, err := rows.Query(folio.Params{Scope: folio.Scope{Kind: "user", ID: fmt.Sprint(n % 500)}})
				if err != nil {
					t.Error(err)
					return
				}
				at := time.Now()
				if _, err := rows.Page(t.Context(), q); err != nil {
					t.Errorf("a read failed: %v", err)
					return
				}
				mu.Lock()
				all = append(all, time.Since(at))
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		})
	}
	readers.Wait()
	slices.Sort(all)
	return all[len(all)*99/100], len(all)
}

// TestReadsGoOnWithoutTheServer: dead, stopped, and up and down by turns: no read fails, none in a hundred takes longer than
// the tier's timeout allows, goroutines stay as many as they were, and when the server is back it is used again within five
// seconds.
func TestReadsGoOnWithoutTheServer(t *testing.T) {
	s := start(t)
	const timeout = 150 * time.Millisecond
	cache, err := folio.New(folio.Config{MaxBytes: 4 << 20, OnHeap: true, Tier: open(t, redis.Config{Addrs: []string{s.Address}}), TierTimeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cache.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	rows, err := folio.NewList(cache, folio.ListConfig[int]{Name: "rows", NoWarm: true, TTL: 50 * time.Millisecond, Load: func(context.Context, folio.Query, folio.Range) ([]int, error) {
		return []int{1}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	read := func(lasts time.Duration) (p99 time.Duration, reads int) { return reading(t, rows, lasts) }
	well, _ := read(time.Second)
	goroutines := runtime.NumGoroutine()
	for _, c := range []struct {
		name       string
		begin, end func()
	}{
		{"dead", s.Kill, func() { s.Again(t) }},
		{"stopped", func() { s.Signal(t, syscall.SIGSTOP) }, func() { s.Signal(t, syscall.SIGCONT) }},
		{"up and down", func() {
			go func() {
				for range 6 {
					s.Signal(t, syscall.SIGSTOP)
					time.Sleep(200 * time.Millisecond)
					s.Signal(t, syscall.SIGCONT)
					time.Sleep(200 * time.Millisecond)
				}
			}()
		}, func() { time.Sleep(time.Second) }},
	} {
		c.begin()
		p99, n := read(2 * time.Second)
		c.end()
		t.Logf("%s: %d reads, p99 %s; without a fault %s", c.name, n, p99, well)
		if p99 > well+2*timeout { // twice: the machine may be busy
			t.Errorf("%s: p99 %s", c.name, p99)
		}
		asked := func() int64 { return cache.Stats().Tier.Hits + cache.Stats().Tier.Misses } // with an answer
		before := asked()
		for began := time.Now(); asked() == before; read(100 * time.Millisecond) {
			if time.Since(began) > 5*time.Second {
				t.Fatalf("%s: it is back, and not used", c.name)
			}
		}
		for began := time.Now(); runtime.NumGoroutine() > goroutines+20; time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("%s: %d goroutines, %d before", c.name, runtime.NumGoroutine(), goroutines)
			}
		}
	}
}
