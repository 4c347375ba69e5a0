package folio_test

import (
	"context"
	"fmt"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/foliocache/folio"
)

// Ticket is a row.
type Ticket struct {
	ID     int    `json:"id"`
	Title  string `json:"title"`
	Status string `json:"status"`
}

// selectTickets stands for a query of the database: five tickets for everybody.
func selectTickets(_ context.Context, q folio.Query, r folio.Range) ([]Ticket, error) {
	fmt.Printf("(the database is asked for %d rows from %d on)\n", r.Limit, r.Offset)
	var rows []Ticket
	for id := r.Offset + 1; id <= min(5, r.Offset+r.Limit); id++ {
		rows = append(rows, Ticket{id, fmt.Sprintf("%s's ticket %d", q.Scope.ID, id), q.Filter("status")})
	}
	return rows, nil
}

// newTickets makes a cache with one list. Programs that are not examples want more than a
// megabyte: see Config.MaxBytes.
func newTickets() (*folio.Cache, *folio.List[Ticket]) {
	cache, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true})
	if err != nil {
		log.Fatal(err)
	}
	tickets, err := folio.NewList(cache, folio.ListConfig[Ticket]{
		Name:    "tickets",
		Sorts:   []string{"-created_at", "title"},
		Filters: []string{"status"},
		Load:    selectTickets,
		Count:   func(context.Context, folio.Query) (int64, error) { return 5, nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	return cache, tickets
}

// A list endpoint: what it takes, all in all.
func Example() {
	cache, tickets := newTickets()
	defer cache.Close(context.Background())
	user := folio.Scope{Kind: "user", ID: "ann"} // of the request's session

	mux := http.NewServeMux()
	mux.HandleFunc("GET /tickets", func(w http.ResponseWriter, r *http.Request) {
		q, err := tickets.Parse(r.URL.Query(), user)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		tickets.Serve(w, r, q)
	})
	get := func(url string) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
		fmt.Println(w.Code, w.Header().Get("Cache-Status"), w.Body)
		time.Sleep(50 * time.Millisecond) // what a load brings along is there soon after its own page
	}
	get("/tickets?limit=2")
	get("/tickets?page=02&limit=2&utm_source=mail") // the next page: it was brought along
	get("/tickets?page=0")

	// A write: commit it, then
	if _, err := tickets.Invalidate(context.Background(), user); err != nil {
		log.Fatal(err)
	}
	get("/tickets?limit=2&page=3")
	// Output:
	// (the database is asked for 4 rows from 0 on)
	// 200 folio; fwd=miss {"items":[{"id":1,"title":"ann's ticket 1","status":""},{"id":2,"title":"ann's ticket 2","status":""}]}
	// 200 folio; hit {"items":[{"id":3,"title":"ann's ticket 3","status":""},{"id":4,"title":"ann's ticket 4","status":""}]}
	// 400  folio: bad query: page="0": want a whole number from 1
	//
	// (the database is asked for 4 rows from 4 on)
	// 200 folio; fwd=miss {"items":[{"id":5,"title":"ann's ticket 5","status":""}]}
}

func ExampleNew() {
	_, err := folio.New(folio.Config{MaxBytes: 10 << 20, MaxLoads: -1})
	fmt.Println(err)
	// Output:
	// folio: bad config: MaxBytes 10485760: want at least 100663296, at most 1099511627776 (OnHeap false)
	// folio: bad config: MaxLoads -1: want at least 0
}

func ExampleList_Page() {
	cache, tickets := newTickets()
	defer cache.Close(context.Background())
	q, err := tickets.Query(folio.Params{Scope: folio.Scope{Kind: "user", ID: "bob"}, Limit: 3, Page: 2,
		Filters: map[string][]string{"status": {"open"}}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(q)
	for range 2 {
		p, err := tickets.Page(context.Background(), q)
		fmt.Println(p.Items, p.Source, err)
	}
	// Output:
	// tickets:user:bob:offset=3:limit=3:sort=-created_at:status=open
	// (the database is asked for 6 rows from 3 on)
	// [{4 bob's ticket 4 open} {5 bob's ticket 5 open}] miss <nil>
	// [{4 bob's ticket 4 open} {5 bob's ticket 5 open}] hit <nil>
}

func ExampleList_Total() {
	cache, tickets := newTickets()
	defer cache.Close(context.Background())
	q, err := tickets.Query(folio.Params{Scope: folio.Public})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tickets.Total(context.Background(), q))
	// Output: 5 <nil>
}

func ExampleList_Parse() {
	cache, tickets := newTickets()
	defer cache.Close(context.Background())
	_, err := tickets.Parse(map[string][]string{"limit": {"ten"}, "colour": {"red"}}, folio.Scope{Kind: "user"})
	fmt.Println(err)
	// Output:
	// folio: bad query: scope="user": has no id
	// folio: bad query: colour="red": no such parameter
	// folio: bad query: limit="ten": want a whole number from 1
}

func ExampleCache_Get() {
	cache, _ := newTickets()
	defer cache.Close(context.Background())
	for range 2 {
		v, err := cache.Get(context.Background(), "profile:ann", func(context.Context) ([]byte, error) {
			fmt.Println("(loading)")
			return []byte("Ann"), nil
		})
		fmt.Println(string(v), err)
	}
	// Output:
	// (loading)
	// Ann <nil>
	// Ann <nil>
}

// Cache-aside: the program asks, loads and stores by itself.
func ExampleCache_GetIfPresent() {
	cache, _ := newTickets()
	defer cache.Close(context.Background())
	var buf []byte // used again and again
	for range 2 {
		v, ok := cache.GetIfPresent(buf[:0], "profile:ann")
		fmt.Printf("%q %v\n", v, ok)
		if !ok {
			if err := cache.Set("profile:ann", []byte("Ann")); err != nil {
				log.Fatal(err)
			}
		}
		buf = v
	}
	// Output:
	// "" false
	// "Ann" true
}

func ExampleCache_GetMany() {
	cache, _ := newTickets()
	defer cache.Close(context.Background())
	if err := cache.Set("user:1", []byte("Ann")); err != nil {
		log.Fatal(err)
	}
	names, err := cache.GetMany(context.Background(), []string{"user:1", "user:2", "user:3"},
		func(_ context.Context, missing []string) (map[string][]byte, error) {
			fmt.Println("(loading", len(missing), "users)")
			return map[string][]byte{"user:2": []byte("Bob")}, nil // there is no third one
		})
	fmt.Printf("%s %v\n", names, err)
	// Output:
	// (loading 2 users)
	// map[user:1:Ann user:2:Bob] <nil>
}

func ExampleCache_Warm() {
	cache, _ := newTickets()
	defer cache.Close(context.Background())
	fmt.Println(cache.Warm(context.Background(), maps.All(map[string][]byte{"a": []byte("1"), "b": []byte("2")})))
	// Output: 2 <nil>
}

func ExampleMemoize() {
	cache, _ := newTickets()
	defer cache.Close(context.Background())
	path := folio.Memoize(cache, "path", func(_ context.Context, trip string) ([]string, error) {
		fmt.Println("(resolving)")
		return []string{"Bern", trip}, nil
	})
	for range 2 {
		fmt.Println(path(context.Background(), "Wien"))
	}
	// Output:
	// (resolving)
	// [Bern Wien] <nil>
	// [Bern Wien] <nil>
}

// An event's change outdates the event and the lists that show it.
func ExampleCache_Cascade() {
	cache, tickets := newTickets()
	defer cache.Close(context.Background())
	for _, dependent := range []folio.Tag{folio.KeyTag("event:42"), tickets.Tag(folio.Scope{Kind: "event", ID: "42"})} {
		if err := cache.Depend(dependent, "event:42"); err != nil {
			log.Fatal(err)
		}
	}
	reached, err := cache.Cascade("event:42")
	fmt.Println(slices.Sorted(slices.Values(reached)), err)
	fmt.Println(cache.InvalidateTags(context.Background(), "event:42"))
	// Output:
	// [event:42 key:event:42 tickets:event:42] <nil>
	// <nil>
}

func ExampleCache_Stats() {
	cache, _ := newTickets()
	defer cache.Close(context.Background())
	for range 3 {
		if _, err := cache.Get(context.Background(), "a", func(context.Context) ([]byte, error) { return []byte("1"), nil }); err != nil {
			log.Fatal(err)
		}
	}
	s := cache.Stats()
	fmt.Println(s.Hits, s.Misses, s.Loads, s.Entries, s.Ruling)
	// Output: 2 1 1 1 conservative
}
