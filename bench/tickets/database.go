package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite

	"github.com/foliocache/folio/workloads"
)

// database has the rows of all feeds. Every write makes a new version of its feed, which rows say that are read
// after it: an outside judge of staleness.
type database struct {
	*sql.DB
	workload *workload
	select_  map[int]*sql.Stmt // by sort
	update   *sql.Stmt
	insert   *sql.Stmt
	remove   *sql.Stmt
	stop     func()
	turns    chan struct{} // connections: who waits for one is not in the database

	inserted atomic.Int64
	versions []atomic.Uint64
	counting atomic.Bool
	queries  atomic.Int64
	rows     atomic.Int64
	nanos    atomic.Int64
}

// sorts are the columns that lists may be sorted by.
var sorts = []string{"pos", "k1", "k2"}

func openDatabase(kind string, w *workload) (*database, error) {
	dir, err := os.MkdirTemp("", "tickets")
	if err != nil {
		return nil, err
	}
	d := &database{workload: w, select_: map[int]*sql.Stmt{}, versions: make([]atomic.Uint64, len(w.rows)), stop: func() { _ = os.RemoveAll(dir) }}
	var settle []string // a table that is filled
	switch kind {
	case "sqlite":
		settle = []string{"ANALYZE"}
		d.DB, err = sql.Open("sqlite", filepath.Join(dir, "db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=cache_size(-400000)&_pragma=busy_timeout(10000)")
	case "postgres":
		settle = []string{"VACUUM ANALYZE tickets", "CHECKPOINT"}
		url, stop, e := postgres()
		if e != nil {
			return nil, e
		}
		d.stop = func() { stop(); _ = os.RemoveAll(dir) }
		d.DB, err = sql.Open("pgx", url)
	default:
		err = fmt.Errorf("no database %q", kind)
	}
	if err == nil {
		connections := 8
		if kind == "sqlite" {
			connections = 1 // a write through one drops all pages that another has in memory
		}
		d.SetMaxOpenConns(connections)
		d.SetMaxIdleConns(connections)
		d.turns = make(chan struct{}, connections)
		err = d.fill(settle)
	}
	if err != nil {
		d.stop()
		return nil, err
	}
	return d, d.prepare()
}

// fill makes the table, its rows and its indexes, and has the database settle.
func (d *database) fill(settle []string) error {
	ctx := context.Background()
	if _, err := d.ExecContext(ctx, "CREATE TABLE tickets (feed INTEGER, pos INTEGER, k1 INTEGER, k2 INTEGER, body TEXT)"); err != nil {
		return err
	}
	tx, err := d.Begin()
	if err != nil {
		return err
	}
	const batch = 20 // the time to parse numbered parameters grows with their square
	var values []string
	var args []any
	flush := func() error {
		if len(values) == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO tickets VALUES "+strings.Join(values, ","), args...)
		values, args = values[:0], args[:0]
		return err
	}
	for feed, n := range d.workload.rows {
		body := strings.Repeat("x", d.workload.bytes[feed])
		for pos := range n {
			k := len(args)
			values = append(values, fmt.Sprintf("($%d,$%d,$%d,$%d,$%d)", k+1, k+2, k+3, k+4, k+5))
			args = append(args, feed, pos, pos*7919%100003, pos*104729%100003, body)
			if len(values) == batch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	for _, q := range append([]string{"CREATE INDEX by_pos ON tickets (feed, pos)", "CREATE INDEX by_k1 ON tickets (feed, k1)", "CREATE INDEX by_k2 ON tickets (feed, k2)"}, settle...) {
		if _, err := d.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (d *database) prepare() (err error) {
	for i, column := range sorts {
		if d.select_[i], err = d.Prepare("SELECT pos, body FROM tickets WHERE feed = $1 AND pos < $2 ORDER BY " + column + " LIMIT $3 OFFSET $4"); err != nil {
			return err
		}
	}
	if d.update, err = d.Prepare("UPDATE tickets SET k1 = k1 + 1 WHERE feed = $1 AND pos = $2"); err != nil {
		return err
	}
	if d.insert, err = d.Prepare("INSERT INTO tickets VALUES ($1, $2, $3, $4, $5)"); err != nil {
		return err
	}
	d.remove, err = d.Prepare("DELETE FROM tickets WHERE feed = $1 AND pos = $2")
	return err
}

func (d *database) close() {
	_ = d.Close() // the process ends
	d.stop()
}

func (d *database) version(feed int) uint64 { return d.versions[feed].Load() }

// begin starts the counters anew, and end returns them.
func (d *database) begin() {
	d.queries.Store(0)
	d.rows.Store(0)
	d.nanos.Store(0)
	d.counting.Store(true)
}

func (d *database) end() (queries, rows int64, in time.Duration) {
	return d.queries.Load(), d.rows.Load(), time.Duration(d.nanos.Load())
}

// ticket is a row as it is served: Version is its feed's when it was read.
type ticket struct {
	Version uint64 `json:"v"`
	Pos     int    `json:"pos"`
	Body    string `json:"body"`
}

// page is one query.
func (d *database) page(ctx context.Context, feed int, variant string, limit, offset int) ([]ticket, error) {
	d.turns <- struct{}{}
	defer func() { <-d.turns }()
	began, version := time.Now(), d.version(feed)
	order := 0
	for _, b := range []byte(variant) {
		order = (order*31 + int(b)) % len(sorts)
	}
	rows, err := d.select_[order].QueryContext(ctx, feed, d.workload.bounds[bound(feed, variant)], limit, offset)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []ticket
	for rows.Next() {
		t := ticket{Version: version}
		if err := rows.Scan(&t.Pos, &t.Body); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	d.nanos.Add(int64(time.Since(began)))
	d.queries.Add(1)
	d.rows.Add(int64(len(all)))
	return all, rows.Err()
}

func (d *database) write(ctx context.Context, q *request) (err error) {
	d.turns <- struct{}{}
	defer func() { <-d.turns }()
	feed, pos := q.feed, int(q.Position)
	switch q.Op {
	case workloads.Insert:
		n := -d.inserted.Add(1) // by all columns before all others, and no two of them alike: a page's order is one
		_, err = d.insert.ExecContext(ctx, feed, n, n, n, strings.Repeat("x", d.workload.bytes[feed]))
	case workloads.Update:
		_, err = d.update.ExecContext(ctx, feed, pos)
	case workloads.Delete:
		_, err = d.remove.ExecContext(ctx, feed, pos)
	}
	d.versions[feed].Add(1)
	return err
}

func sortDurations(all []time.Duration) { slices.Sort(all) }
