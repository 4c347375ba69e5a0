// Orders is a whole list endpoint: two sorts paged by keyset, a filter of several values, a total,
// writes that invalidate, metrics, and a test that holds the handler to it (main_test.go). It asks itself.
package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "modernc.org/sqlite"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/folioprom"
)

// Order is a row.
type Order struct {
	ID      int64  `json:"id"`
	Status  string `json:"status"`
	Cents   int64  `json:"cents"`
	Created int64  `json:"created"`
}

// app is the program.
type app struct {
	db     *sql.DB
	cache  *folio.Cache
	orders *folio.List[Order]
}

// newApp makes the program over a database and a cache.
func newApp(db *sql.DB, cache *folio.Cache) (*app, error) {
	a := &app{db: db, cache: cache}
	var err error
	a.orders, err = folio.NewList(cache, folio.ListConfig[Order]{
		Name: "orders", Sorts: []string{"-created", "cents"}, Filters: []string{"status"}, TTL: 5 * time.Minute,
		Load: a.load, Count: a.count, Cursor: cursor,
		RowTags: func(o Order) []folio.Tag { return []folio.Tag{orderTag(o.ID)} }, // a change in place outdates the pages that show it
	})
	return a, err
}

func orderTag(id int64) folio.Tag { return folio.Tag(fmt.Sprint("order:", id)) }

// cursor is where the page behind a row begins, in either sort: all that a row is sorted by.
func cursor(o Order) string {
	text, _ := json.Marshal([3]int64{o.Created, o.Cents, o.ID})
	return base64.RawURLEncoding.EncodeToString(text)
}

// where returns the conditions of a query and their arguments.
func where(q folio.Query) (text string, args []any) {
	text, args = "shop = ?", []any{q.Scope.ID}
	if values := q.FilterValues("status"); len(values) > 0 {
		text += " AND status IN (?" + strings.Repeat(", ?", len(values)-1) + ")"
		for _, v := range values {
			args = append(args, v)
		}
	}
	return text, args
}

// load is the query that the cache spares.
func (a *app) load(ctx context.Context, q folio.Query, r folio.Range) ([]Order, error) {
	text, args := where(q)
	var at [3]int64
	if r.Cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(r.Cursor)
		if err != nil || json.Unmarshal(raw, &at) != nil {
			return nil, folio.ErrCursor // answered with 400
		}
	}
	order := "created DESC, id DESC"
	switch {
	case q.Sort == "cents":
		order = "cents, id"
		if r.Cursor != "" {
			text, args = text+" AND (cents, id) > (?, ?)", append(args, at[1], at[2])
		}
	case r.Cursor != "":
		text, args = text+" AND (created, id) < (?, ?)", append(args, at[0], at[2])
	}
	rows, err := a.db.QueryContext(ctx, "SELECT id, status, cents, created FROM orders WHERE "+text+" ORDER BY "+order+" LIMIT ?", append(args, r.Limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Order
	for rows.Next() {
		var o Order
		if err := rows.Scan(&o.ID, &o.Status, &o.Cents, &o.Created); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, rows.Err()
}

func (a *app) count(ctx context.Context, q folio.Query) (n int64, err error) {
	text, args := where(q)
	err = a.db.QueryRowContext(ctx, "SELECT count(*) FROM orders WHERE "+text, args...).Scan(&n)
	return n, err
}

// routes are the endpoints. The shop is that of the caller's session; here, of a header.
func (a *app) routes() *http.ServeMux {
	mux := http.NewServeMux()
	shop := func(r *http.Request) folio.Scope { return folio.Scope{Kind: "shop", ID: r.Header.Get("Shop")} }
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		q, err := a.orders.Parse(r.URL.Query(), shop(r))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.orders.Serve(w, r, q)
	})
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		_, err := a.db.ExecContext(r.Context(), "INSERT INTO orders (shop, status, cents, created) VALUES (?, 'open', ?, ?)", shop(r).ID, r.FormValue("cents"), time.Now().Unix())
		if err == nil {
			_, err = a.orders.Invalidate(r.Context(), shop(r)) // a new row may be on any page
		}
		answer(w, err)
	})
	mux.HandleFunc("PATCH /orders/{id}/note", func(w http.ResponseWriter, r *http.Request) {
		// No sort or filter knows the note: only the pages that show the order are outdated.
		_, err := a.db.ExecContext(r.Context(), "UPDATE orders SET note = ? WHERE id = ? AND shop = ?", r.FormValue("note"), r.PathValue("id"), shop(r).ID)
		if err == nil {
			err = a.cache.InvalidateTags(r.Context(), folio.Tag("order:"+r.PathValue("id")))
		}
		answer(w, err)
	})
	return mux
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		log.Print(err)
		http.Error(w, "sorry", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// open makes a database of 300 orders of three shops.
func open(dir string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", filepath.Join(dir, "orders.db"))
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(`
		CREATE TABLE orders (id INTEGER PRIMARY KEY, shop TEXT, status TEXT, cents INTEGER, created INTEGER, note TEXT);
		CREATE INDEX by_created ON orders (shop, created, id);
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
		INSERT INTO orders (shop, status, cents, created)
		SELECT 'shop' || (i % 3), CASE i % 4 WHEN 0 THEN 'open' WHEN 1 THEN 'paid' ELSE 'sent' END, i * 37 % 1000, 1700000000 + i FROM n`)
	return db, err
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "folio-orders")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := open(dir)
	if err != nil {
		return err
	}
	defer db.Close()
	metrics := folioprom.New(nil)
	cache, err := folio.New(folio.Config{MaxBytes: 16 << 20, OnHeap: true, Observe: metrics.Observe})
	if err != nil {
		return err
	}
	defer cache.Close(ctx)
	metrics.Watch(cache)
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	a, err := newApp(db, cache)
	if err != nil {
		return err
	}
	mux := a.routes()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := httptest.NewServer(mux)
	defer server.Close()

	var next string // a cursor
	for _, step := range []string{
		"GET /orders?limit=3&total=true", "GET /orders?limit=3&total=true", "GET /orders?limit=3&cursor=NEXT",
		"GET /orders?limit=3&sort=cents&status=open&status=paid", "GET /orders?cursor=rubbish",
		"PATCH /orders/300/note?note=fragile", "GET /orders?limit=3&total=true", "GET /orders?limit=3&cursor=NEXT",
		"POST /orders?cents=500", "GET /orders?limit=3&total=true",
	} {
		if next, err = ask(server.URL, strings.ReplaceAll(step, "NEXT", url.QueryEscape(next)), next); err != nil {
			return err
		}
	}
	return grep(server.URL+"/metrics", "folio_hits_total", "folio_loads_total")
}

// ask makes a request for shop0, prints what came of it, and returns the next page's cursor, or the one
// before where there is none.
func ask(base, step, before string) (next string, err error) {
	method, path, _ := strings.Cut(step, " ")
	r, err := http.NewRequest(method, base+path, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Shop", "shop0")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	fmt.Printf("%-62s %d %4d bytes %-24s %s\n", step, response.StatusCode, len(body), response.Header.Get("Cache-Status"), response.Header.Get("X-Total-Count"))
	var page folio.Page[Order]
	if json.Unmarshal(body, &page) == nil && page.Next != "" {
		return page.Next, nil
	}
	return before, nil
}

// grep prints the metrics of some names.
func grep(url string, names ...string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(body)) {
		for _, name := range names {
			if strings.HasPrefix(line, name+" ") {
				fmt.Print(line)
			}
		}
	}
	return nil
}
