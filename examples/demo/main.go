// Demo tells what a list cache does: misses, hits, pages that a load warms ahead, what a write invalidates, and then
// how it fares under traffic: hit ratios by page depth, queries saved, latencies, and the strategies that compete.
// The database is a real one, SQLite in a temporary folder.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	_ "modernc.org/sqlite"

	"github.com/foliocache/folio"
)

const (
	users   = 2000
	tickets = 100_000
	limit   = 20
)

// Ticket is a row.
type Ticket struct {
	ID     int64  `json:"id"`
	Title  string `json:"title"`
	Status string `json:"status"`
	Note   string `json:"note"`
}

// demo is a list over a database, and what was seen of it.
type demo struct {
	db    *sql.DB
	cache *folio.Cache
	list  *folio.List[Ticket]
	asked []folio.Range // of the database, since it was last told
	took  map[folio.Source][]time.Duration
}

func main() {
	reads := flag.Int("reads", 60_000, "page `reads` of the traffic")
	seed := flag.Uint64("seed", 1, "of its random numbers")
	flag.Parse()
	if err := run(context.Background(), *reads, *seed); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, reads int, seed uint64) error {
	dir, err := os.MkdirTemp("", "folio-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{took: map[folio.Source][]time.Duration{}}
	if d.db, err = open(ctx, filepath.Join(dir, "tickets.db")); err != nil {
		return err
	}
	defer d.db.Close()
	if d.cache, err = folio.New(folio.Config{MaxBytes: 16 << 20, OnHeap: true, Seed: seed}); err != nil {
		return err
	}
	defer d.cache.Close(ctx)
	if d.list, err = folio.NewList(d.cache, folio.ListConfig[Ticket]{Name: "tickets", Sorts: []string{"-id"}, Filters: []string{"status"}, Load: d.load}); err != nil {
		return err
	}
	fmt.Printf("%d tickets of %d users in SQLite; a cache of 16 MiB.\n", tickets, users)
	if err := d.story(ctx); err != nil {
		return err
	}
	if err := d.traffic(ctx, reads, rand.New(rand.NewPCG(seed, 0))); err != nil {
		return err
	}
	d.report()
	return nil
}

func user(n int) folio.Scope { return folio.Scope{Kind: "user", ID: strconv.Itoa(n)} }

// story reads and writes step by step.
func (d *demo) story(ctx context.Context) error {
	steps := []struct {
		user, page int // page 0: a write
		status     string
		note       string
	}{
		{7, 1, "", "nothing is there yet, so the database is asked; for two pages, as the next one is often wanted"},
		{7, 1, "", "the same bytes, from memory"},
		{7, 2, "", "warmed ahead: it came with page 1"},
		{7, 1, "open", "another filter is another list of pages"},
		{8, 1, "", "another user's pages are his own"},
		{7, 0, "", "committed, then Invalidate: every page, filter and sort of user 7 is outdated in one step"},
		{7, 1, "", "loaded anew"},
		{7, 2, "", "and page 2 with it"},
		{8, 1, "", "user 8 lost nothing"},
	}
	for _, s := range steps {
		what, came := fmt.Sprintf("user %d, page %d %s", s.user, s.page, s.status), "invalidated"
		began := time.Now()
		if s.page == 0 {
			what = fmt.Sprintf("user %d buys a ticket", s.user)
			if err := d.buy(ctx, s.user); err != nil {
				return err
			}
		} else {
			p, err := d.read(ctx, s.user, s.page, s.status)
			if err != nil {
				return err
			}
			came = p.Source.String()
		}
		fmt.Printf("  %-22s %-11s %9s  %s%s\n", what, came, time.Since(began).Round(time.Microsecond), s.note, d.queries())
	}
	return nil
}

// queries tells what the database was asked since the last call.
func (d *demo) queries() (text string) {
	for _, r := range d.asked {
		text += fmt.Sprintf(" (query: %d rows from %d)", r.Limit, r.Offset)
	}
	d.asked = nil
	return text
}

// traffic has users walk through their lists, some far more often than others, and buy now and then.
func (d *demo) traffic(ctx context.Context, reads int, r *rand.Rand) error {
	fmt.Printf("\n%d page reads, one in a hundred followed by a write …\n", reads)
	d.took = map[folio.Source][]time.Duration{}
	popular := rand.NewZipf(r, 1.1, 50, users-1)
	for n := 0; n < reads; {
		who := int(popular.Uint64())
		for page := 1; n < reads; page++ {
			n++
			p, err := d.read(ctx, who, page, "")
			if err != nil {
				return err
			}
			if r.IntN(100) == 0 {
				if err := d.buy(ctx, who); err != nil {
					return err
				}
			}
			if len(p.Items) < limit || r.IntN(2) == 0 {
				break
			}
		}
	}
	return nil
}

// read reads a page and notes how long that took.
func (d *demo) read(ctx context.Context, who, page int, status string) (folio.Page[Ticket], error) {
	q, err := d.list.Query(folio.Params{Scope: user(who), Page: page, Limit: limit, Filters: map[string][]string{"status": {status}}})
	if err != nil {
		return folio.Page[Ticket]{}, err
	}
	began := time.Now()
	p, err := d.list.Page(ctx, q)
	d.took[p.Source] = append(d.took[p.Source], time.Since(began))
	return p, err
}

// report tells what the traffic came to.
func (d *demo) report() {
	s := d.cache.Stats()
	all := s.Hits + s.Misses + s.Joined
	fmt.Printf("\nqueries   %d for %d reads: %.0f %% saved; %d pages warmed ahead by them, %d used; %d invalidations\n",
		s.Loads, all, 100*(1-float64(s.Loads)/float64(all)), s.Brought, s.Used, s.Invalidations)
	fmt.Print("hits     ")
	for _, x := range s.Depths {
		if n := x.Hits + x.Misses; n > 0 {
			fmt.Printf(" %s %.0f %%,", x.Depth, 100*float64(x.Hits)/float64(n))
		}
	}
	fmt.Printf(" all %.0f %%\nmemory    %.1f MiB of values, %.1f of books, %d entries\n", 100*float64(s.Hits)/float64(all),
		float64(s.Memory.Rings)/(1<<20), float64(s.Memory.Books)/(1<<20), s.Entries)
	fmt.Println("\nlatency, decoded        p50        p95        p99")
	for _, source := range []folio.Source{folio.Hit, folio.Miss} {
		took := d.took[source]
		slices.Sort(took)
		fmt.Printf("  %-14s", source)
		for _, part := range []float64{.5, .95, .99} {
			fmt.Printf(" %10s", took[int(part*float64(len(took)-1))].Round(time.Microsecond/10))
		}
		fmt.Printf("   of %d\n", len(took))
	}
	fmt.Printf("\nstrategy        would hit  confidence  entries  ruled   (%d switches; ruling: %s)\n", s.Switches, s.Ruling)
	for _, x := range s.Strategies {
		fmt.Printf("  %-14s %6.1f %%  %10.2f  %7d  %5.0f %%\n", x.Name, 100*float64(x.Hits)/float64(max(1, x.Hits+x.Misses)), x.Confidence, x.Entries,
			100*float64(x.Ruled)/float64(all))
	}
}

// load is the query that the cache spares.
func (d *demo) load(ctx context.Context, q folio.Query, r folio.Range) ([]Ticket, error) {
	d.asked = append(d.asked, r) // one reader: no lock
	rows, err := d.db.QueryContext(ctx, `SELECT id, title, status, note FROM tickets
		WHERE user_id = ?1 AND (?2 = '' OR status = ?2) ORDER BY id DESC LIMIT ?3 OFFSET ?4`, q.Scope.ID, q.Filter("status"), r.Limit, r.Offset)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Ticket
	for rows.Next() {
		var t Ticket
		if err := rows.Scan(&t.ID, &t.Title, &t.Status, &t.Note); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}

// buy writes, and invalidates after the commit.
func (d *demo) buy(ctx context.Context, who int) error {
	if _, err := d.db.ExecContext(ctx, `INSERT INTO tickets (user_id, title, status, note) VALUES (?, 'One more', 'open', '')`, strconv.Itoa(who)); err != nil {
		return err
	}
	_, err := d.list.Invalidate(ctx, user(who))
	return err
}

// open makes the database.
func open(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf(`
		PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
		CREATE TABLE tickets (id INTEGER PRIMARY KEY, user_id TEXT, title TEXT, status TEXT, note TEXT);
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO tickets (user_id, title, status, note)
		SELECT CAST(i %% %d AS TEXT), 'Ticket ' || i, CASE i %% 3 WHEN 0 THEN 'open' ELSE 'used' END, hex(randomblob(40)) FROM n;
		CREATE INDEX by_user ON tickets (user_id, id)`, tickets, users))
	return db, err
}
