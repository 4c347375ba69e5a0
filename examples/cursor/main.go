// Cursor walks a list that is paged by cursors: each page tells where the next begins, so that rows
// which come or go meanwhile are neither shown twice nor left out.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"strconv"

	_ "modernc.org/sqlite"

	"github.com/foliocache/folio"
)

// Event is a row.
type Event struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	db, err := sql.Open("sqlite", "file:events?mode=memory&cache=shared")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT);
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70)
		INSERT INTO events SELECT i, 'Event ' || i FROM n`); err != nil {
		return err
	}
	cache, err := folio.New(folio.Config{MaxBytes: 16 << 20, OnHeap: true})
	if err != nil {
		return err
	}
	defer cache.Close(ctx)
	events, err := folio.NewList(cache, folio.ListConfig[Event]{
		Name:   "events",
		Cursor: func(e Event) string { return strconv.FormatInt(e.ID, 10) },
		Load: func(ctx context.Context, _ folio.Query, r folio.Range) ([]Event, error) {
			return after(ctx, db, r)
		},
	})
	if err != nil {
		return err
	}
	for round := range 2 {
		cursor, seen := "", 0
		for {
			q, err := events.Query(folio.Params{Scope: folio.Public, Limit: 20, Cursor: cursor})
			if err != nil {
				return err
			}
			p, err := events.Page(ctx, q)
			if err != nil {
				return err
			}
			seen += len(p.Items)
			fmt.Printf("round %d: %2d events, %s, next %q\n", round+1, len(p.Items), p.Source, p.Next)
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if seen != 70 {
			return fmt.Errorf("%d events seen, want 70", seen)
		}
	}
	return nil
}

// after selects the rows behind a cursor.
func after(ctx context.Context, db *sql.DB, r folio.Range) ([]Event, error) {
	id := int64(0)
	if r.Cursor != "" {
		var err error
		if id, err = strconv.ParseInt(r.Cursor, 10, 64); err != nil {
			return nil, fmt.Errorf("cursor %q: %w", r.Cursor, folio.ErrCursor)
		}
	}
	rows, err := db.QueryContext(ctx, `SELECT id, name FROM events WHERE id > ? ORDER BY id LIMIT ?`, id, r.Limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Event
	for rows.Next() {
		var e Event
		if err := rows.Scan(&e.ID, &e.Name); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}
