// Postgres is a list over PostgreSQL with pgx, and a hook that runs after each commit: what a
// transaction changed is invalidated once it is committed, and when nobody knows whether it was.
//
// It takes the database of DATABASE_URL, or starts a server of its own in a temporary folder, from
// the installed PostgreSQL (Debian: apt-get install postgresql).
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/foliocache/folio"
)

// Ticket is a row.
type Ticket struct {
	ID     int64  `json:"id"`
	Title  string `json:"title"`
	Status string `json:"status"`
}

// shop has the database and the cache over it.
type shop struct {
	pool    *pgxpool.Pool
	cache   *folio.Cache
	tickets *folio.List[Ticket]
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	url, stop, err := database()
	if err != nil {
		return err
	}
	defer stop()
	s := &shop{}
	if s.pool, err = pgxpool.New(ctx, url); err != nil {
		return err
	}
	defer s.pool.Close()
	if err := s.fill(ctx); err != nil {
		return err
	}
	if s.cache, err = folio.New(folio.Config{MaxBytes: 16 << 20, OnHeap: true}); err != nil {
		return err
	}
	defer s.cache.Close(ctx)
	s.tickets, err = folio.NewList(s.cache, folio.ListConfig[Ticket]{Name: "tickets", Sorts: []string{"-id"}, TTL: 5 * time.Minute, Load: s.list})
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.show, s.show, s.move, s.show, s.show, s.fail, s.show} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// list is the query that the cache spares.
func (s *shop) list(ctx context.Context, q folio.Query, r folio.Range) ([]Ticket, error) {
	rows, err := s.pool.Query(ctx, `SELECT id, title, status FROM folio_tickets WHERE user_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3`,
		q.Scope.ID, r.Limit, r.Offset)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Ticket])
}

// changes are what a transaction writes.
type changes struct{ tags []folio.Tag }

func (c *changes) of(tags ...folio.Tag) { c.tags = append(c.tags, tags...) }

// inTx runs a transaction and invalidates what it says it changed: after the commit, as a page that is
// loaded before may be of before the write. A rollback changes nothing. Where the commit itself fails,
// as by a broken connection, it may have happened all the same: then, too, it is invalidated.
func (s *shop) inTx(ctx context.Context, write func(tx pgx.Tx, changed *changes) error) error {
	var changed changes
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return err
	}
	if err := write(tx, &changed); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	err = tx.Commit(ctx)
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) || errors.Is(err, pgx.ErrTxCommitRollback) {
		return err // the server says that it did not
	}
	// An error of this call means that readers may get what was there before until its TTL ends; of a
	// cache in process there is one reason: it was closed, and then nobody reads from it.
	return errors.Join(err, s.cache.InvalidateTags(context.WithoutCancel(ctx), changed.tags...))
}

// move gives a ticket to another user: both their lists change.
func (s *shop) move(ctx context.Context) error {
	from, to := folio.Scope{Kind: "user", ID: "7"}, folio.Scope{Kind: "user", ID: "8"}
	fmt.Println("a ticket of user 7 goes to user 8")
	return s.inTx(ctx, func(tx pgx.Tx, changed *changes) error {
		_, err := tx.Exec(ctx, `UPDATE folio_tickets SET user_id = $1 WHERE id = (SELECT max(id) FROM folio_tickets WHERE user_id = $2)`, to.ID, from.ID)
		changed.of(s.tickets.Tag(from), s.tickets.Tag(to))
		return err
	})
}

// fail is a transaction that is rolled back: what is cached stays.
func (s *shop) fail(ctx context.Context) error {
	sold := errors.New("sold out")
	err := s.inTx(ctx, func(tx pgx.Tx, changed *changes) error {
		changed.of(s.tickets.Tag(folio.Scope{Kind: "user", ID: "7"}))
		return sold
	})
	fmt.Println("a transaction is rolled back:", err)
	if !errors.Is(err, sold) {
		return fmt.Errorf("want %w, got %w", sold, err)
	}
	return nil
}

// show reads the first page of two users.
func (s *shop) show(ctx context.Context) error {
	for _, user := range []string{"7", "8"} {
		q, err := s.tickets.Query(folio.Params{Scope: folio.Scope{Kind: "user", ID: user}, Limit: 3})
		if err != nil {
			return err
		}
		p, err := s.tickets.Page(ctx, q)
		if err != nil {
			return err
		}
		fmt.Printf("user %s: %-4s %v\n", user, p.Source, p.Items)
	}
	return nil
}

func (s *shop) fill(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `
		DROP TABLE IF EXISTS folio_tickets;
		CREATE TABLE folio_tickets (id BIGSERIAL PRIMARY KEY, user_id TEXT NOT NULL, title TEXT NOT NULL, status TEXT NOT NULL);
		CREATE INDEX ON folio_tickets (user_id, id);
		INSERT INTO folio_tickets (user_id, title, status) SELECT (i % 20)::text, 'Ticket ' || i, 'open' FROM generate_series(1, 2000) i`)
	return err
}
