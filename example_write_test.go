package folio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/foliocache/folio"
)

var ann = folio.Scope{Kind: "user", ID: "ann"}

// sources reads the first three pages of two rows and tells where they came from.
func sources(tickets *folio.List[Ticket]) (all []folio.Source) {
	for page := 1; page <= 3; page++ {
		q, err := tickets.Query(folio.Params{Scope: ann, Page: page, Limit: 2})
		if err != nil {
			panic(err)
		}
		p, err := tickets.Page(context.Background(), q)
		if err != nil {
			panic(err)
		}
		all = append(all, p.Source)
	}
	return all
}

// quiet makes a list whose database says nothing.
func quiet(change func(*folio.ListConfig[Ticket])) (*folio.Cache, *folio.List[Ticket]) {
	cache, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true})
	if err != nil {
		panic(err)
	}
	config := folio.ListConfig[Ticket]{Name: "tickets", MaxAhead: -1, Load: func(_ context.Context, q folio.Query, r folio.Range) (rows []Ticket, _ error) {
		for id := r.Offset + 1; id <= min(5, r.Offset+r.Limit); id++ {
			rows = append(rows, Ticket{ID: id})
		}
		return rows, nil
	}}
	if change != nil {
		change(&config)
	}
	tickets, err := folio.NewList(cache, config)
	if err != nil {
		panic(err)
	}
	return cache, tickets
}

// After the commit: every page of the scope is outdated.
func ExampleList_Invalidate() {
	cache, tickets := quiet(nil)
	defer cache.Close(context.Background())
	fmt.Println(sources(tickets), sources(tickets))
	if _, err := tickets.Invalidate(context.Background(), ann); err != nil {
		panic(err)
	}
	fmt.Println(sources(tickets))
	// Output:
	// [miss miss miss] [hit hit hit]
	// [miss miss miss]
}

// A row was appended: only the page that was not full is outdated.
func ExampleList_InvalidateTail() {
	cache, tickets := quiet(func(c *folio.ListConfig[Ticket]) { c.Finer = true })
	defer cache.Close(context.Background())
	sources(tickets)
	if err := tickets.InvalidateTail(context.Background(), ann); err != nil {
		panic(err)
	}
	fmt.Println(sources(tickets))
	// Output: [hit hit miss]
}

// A row changed in place: the pages that show it are outdated, in whatever list.
func ExampleCache_InvalidateTags() {
	cache, tickets := quiet(func(c *folio.ListConfig[Ticket]) {
		c.RowTags = func(t Ticket) []folio.Tag { return []folio.Tag{folio.Tag(fmt.Sprint("ticket:", t.ID))} }
	})
	defer cache.Close(context.Background())
	sources(tickets)
	if err := cache.InvalidateTags(context.Background(), "ticket:3"); err != nil {
		panic(err)
	}
	fmt.Println(sources(tickets))
	// Output: [hit miss hit]
}

// Many writes within a short time are one invalidation, a little late.
func ExampleList_InvalidateWithin() {
	cache, tickets := quiet(nil)
	defer cache.Close(context.Background())
	for range 1000 {
		if err := tickets.InvalidateWithin(context.Background(), ann, time.Millisecond); err != nil {
			panic(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	fmt.Println(cache.Stats().Invalidations < 500)
	// Output: true
}

// A write that is announced: nobody is served from the cache until it is done.
func ExampleList_Intend() {
	cache, tickets := quiet(nil)
	defer cache.Close(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	sources(tickets)
	write, err := tickets.Intend(ctx, ann)
	if err != nil {
		panic(err)
	}
	fmt.Println(sources(tickets), sources(tickets)) // the transaction goes here
	if err := write.Done(); err != nil {
		panic(err)
	}
	fmt.Println(sources(tickets), sources(tickets))
	// Output:
	// [miss miss miss] [miss miss miss]
	// [miss miss miss] [hit hit hit]
}

// What a change of an event outdates is said once, as data.
func ExampleCache_Changed() {
	cache, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true, Rules: folio.Rules{
		"event": {"event:{id}", "events:city:{city}", "key:analytics:{id}"},
	}})
	if err != nil {
		panic(err)
	}
	defer cache.Close(context.Background())
	before, after := map[string]string{"id": "7", "city": "Bern"}, map[string]string{"id": "7", "city": "Rome"}
	fmt.Println(cache.Reach("event", before, after))
	fmt.Println(cache.Changed(context.Background(), "event", before, after))
	// Output:
	// [event:7 events:city:Bern key:analytics:7 events:city:Rome] <nil>
	// <nil>
}

func ExampleCache_Set() {
	cache, _ := quiet(nil)
	defer cache.Close(context.Background())
	fmt.Println(cache.SetMany(map[string][]byte{"a": []byte("1"), "b": []byte("2")}), cache.Set("a", []byte("3")))
	fmt.Println(cache.DeleteMany("b"))
	a, _ := cache.GetIfPresent(nil, "a")
	_, b := cache.GetIfPresent(nil, "b")
	fmt.Println(string(a), b)
	// Output:
	// <nil> <nil>
	// <nil>
	// 3 false
}

// Why a page is, or is not, served from the cache.
func ExampleList_Explain() {
	cache, tickets := quiet(nil)
	defer cache.Close(context.Background())
	q, err := tickets.Query(folio.Params{Scope: ann})
	if err != nil {
		panic(err)
	}
	explain := func() {
		x, err := tickets.Explain(q)
		fmt.Println(x.Key, "is", x.Why, err)
	}
	explain()
	_, _ = tickets.Page(context.Background(), q)
	explain()
	_, _ = tickets.Invalidate(context.Background(), ann)
	explain()
	// Output:
	// tickets:user:ann:offset=0:limit=20:sort= is never seen, or long forgotten <nil>
	// tickets:user:ann:offset=0:limit=20:sort= is stored and valid <nil>
	// tickets:user:ann:offset=0:limit=20:sort= is stored, but a tag was invalidated since <nil>
}

func ExampleCache_Entries() {
	cache, tickets := quiet(nil)
	defer cache.Close(context.Background())
	sources(tickets)
	for key, e := range cache.Entries() {
		if e.Rows == 1 {
			fmt.Println(key, e.List, e.Ring)
		}
	}
	// Output: tickets:user:ann:offset=4:limit=2:sort= tickets probation
}

// A hook that counts: what is behind metrics, traces and logs.
func ExampleEvent() {
	var loads, hits int
	cache, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true, Observe: func(e folio.Event) { // one reader here: no lock
		switch {
		case e.Op == folio.Read && e.Source == folio.Hit && e.Err == nil:
			hits++
		case e.Op == folio.Read:
			loads++
		}
	}})
	if err != nil {
		panic(err)
	}
	defer cache.Close(context.Background())
	for range 3 {
		_, _ = cache.Get(context.Background(), "a", func(context.Context) ([]byte, error) { return []byte("1"), nil })
	}
	fmt.Println(loads, hits)
	// Output: 1 2
}

func ExampleList_Serve() {
	cache, tickets := quiet(nil)
	defer cache.Close(context.Background())
	for range 2 {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/tickets?limit=2&page=2", nil)
		q, err := tickets.Parse(r.URL.Query(), ann)
		if err != nil {
			panic(err)
		}
		tickets.Serve(w, r, q)
		fmt.Println(w.Code, w.Header().Get("Cache-Status"), w.Header().Get("Link"))
	}
	_, err := tickets.Parse(nil, folio.Scope{})
	fmt.Println(errors.Is(err, folio.ErrQuery), err)
	// Output:
	// 200 folio; fwd=miss <?limit=2&page=1>; rel="first", <?limit=2&page=1>; rel="prev", <?limit=2&page=3>; rel="next"
	// 200 folio; hit <?limit=2&page=1>; rel="first", <?limit=2&page=1>; rel="prev", <?limit=2&page=3>; rel="next"
	// true folio: bad query: scope="": has no kind
}

// Before a cache is trusted: does it save what it should, and is every write told?
func ExampleCache_SetMode() {
	cache, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true, Mode: folio.Observe, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	defer cache.Close(context.Background())
	price := 10
	get := func() string {
		v, _ := cache.Get(context.Background(), "price", func(context.Context) ([]byte, error) { return []byte(strconv.Itoa(price)), nil })
		return string(v)
	}
	fmt.Print(get(), " ", get(), " ")
	price = 11 // and cache.Delete("price") is forgotten
	fmt.Println(get())
	s := cache.Stats()
	fmt.Printf("%d loads would have been saved, %d answers stale\n", s.Hits+s.Joined, s.Differed)

	_ = cache.Delete("price")
	_ = cache.SetMode(folio.On)
	price = 12
	fmt.Println(get(), get())
	// Output:
	// 10 10 11
	// 2 loads would have been saved, 1 answers stale
	// 12 12
}
