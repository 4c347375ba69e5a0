// Sqlite is a list endpoint over a real database: tickets of users, filtered and paged, and a
// write that outdates them. It makes its database in a temporary folder and asks itself.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite"

	"github.com/foliocache/folio"
)

// Ticket is a row.
type Ticket struct {
	ID        int64     `json:"id"`
	Title     string    `json:"title"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
}

// shop has the database and the cache over it.
type shop struct {
	db      *sql.DB
	tickets *folio.List[Ticket]
	queries atomic.Int64
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "folio-sqlite")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &shop{}
	if s.db, err = open(ctx, filepath.Join(dir, "tickets.db")); err != nil {
		return err
	}
	defer s.db.Close()

	cache, err := folio.New(folio.Config{MaxBytes: 16 << 20, OnHeap: true})
	if err != nil {
		return err
	}
	defer cache.Close(ctx)
	s.tickets, err = folio.NewList(cache, folio.ListConfig[Ticket]{
		Name: "tickets", Sorts: []string{"-created_at"}, Filters: []string{"status"}, TTL: 5 * time.Minute,
		Load: s.list, Count: s.count,
	})
	if err != nil {
		return err
	}
	server := httptest.NewServer(s.routes())
	defer server.Close()

	for _, step := range []string{
		"GET /tickets?user=7&limit=3&total=true", "GET /tickets?user=7&limit=3&total=true", // a miss and a hit
		"GET /tickets?user=8&limit=3", "GET /tickets?user=7&status=open&page=2",
		"POST /tickets?user=7&title=New", // outdates all of user 7's, and nobody else's
		"GET /tickets?user=7&limit=3&total=true", "GET /tickets?user=8&limit=3",
		"GET /tickets?limit=3", // of nobody: refused
	} {
		if err := s.ask(server.URL, step); err != nil {
			return err
		}
	}
	return nil
}

// routes are the endpoints. A real program takes the user from the session.
func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tickets", func(w http.ResponseWriter, r *http.Request) {
		v := r.URL.Query()
		scope := folio.Scope{Kind: "user", ID: v.Get("user")}
		v.Del("user")
		q, err := s.tickets.Parse(v, scope)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.tickets.Serve(w, r, q)
	})
	mux.HandleFunc("POST /tickets", func(w http.ResponseWriter, r *http.Request) {
		if err := s.create(r.Context(), r.FormValue("user"), r.FormValue("title")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}

// list is the query that the cache spares.
func (s *shop) list(ctx context.Context, q folio.Query, r folio.Range) ([]Ticket, error) {
	s.queries.Add(1)
	rows, err := s.db.QueryContext(ctx, `SELECT id, title, status, created_at FROM tickets
		WHERE user_id = ?1 AND (?2 = '' OR status = ?2) ORDER BY created_at DESC, id LIMIT ?3 OFFSET ?4`,
		q.Scope.ID, q.Filter("status"), r.Limit, r.Offset)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Ticket
	for rows.Next() {
		var t Ticket
		if err := rows.Scan(&t.ID, &t.Title, &t.Status, &t.CreatedAt); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}

func (s *shop) count(ctx context.Context, q folio.Query) (n int64, err error) {
	s.queries.Add(1)
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM tickets WHERE user_id = ?1 AND (?2 = '' OR status = ?2)`,
		q.Scope.ID, q.Filter("status")).Scan(&n)
	return n, err
}

// create writes, commits, and only then invalidates.
func (s *shop) create(ctx context.Context, user, title string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `INSERT INTO tickets (user_id, title, status, created_at) VALUES (?, ?, 'open', ?)`, user, title, time.Now().UTC()); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	_, err = s.tickets.Invalidate(ctx, folio.Scope{Kind: "user", ID: user})
	return err
}

// ask makes a request and prints what came of it.
func (s *shop) ask(base, step string) error {
	var method, path string
	if _, err := fmt.Sscan(step, &method, &path); err != nil {
		return err
	}
	r, err := http.NewRequest(method, base+path, nil)
	if err != nil {
		return err
	}
	before := s.queries.Load()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	fmt.Printf("%-45s %d %4d bytes, %d queries  %s %s\n", step, response.StatusCode, len(body), s.queries.Load()-before,
		response.Header.Get("Cache-Status"), total(response))
	return nil
}

func total(r *http.Response) string {
	if n := r.Header.Get("X-Total-Count"); n != "" {
		return "of " + n
	}
	return ""
}

// open makes a database of 2,000 tickets of 20 users.
func open(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, `
		CREATE TABLE tickets (id INTEGER PRIMARY KEY, user_id TEXT, title TEXT, status TEXT, created_at TIMESTAMP);
		CREATE INDEX by_user ON tickets (user_id, created_at);
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
		INSERT INTO tickets (user_id, title, status, created_at)
		SELECT CAST(i % 20 AS TEXT), 'Ticket ' || i, CASE i % 3 WHEN 0 THEN 'open' ELSE 'used' END, datetime('2026-01-01', '+' || i || ' minutes') FROM n`)
	return db, err
}
