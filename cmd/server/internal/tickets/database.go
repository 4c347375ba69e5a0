package tickets

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite
)

// Database has the rows. Safe for concurrent use.
type Database struct {
	*sql.DB
	Kind  string // sqlite or postgres
	ID    string // of these very tables: others that are at the same place one day have another
	clean func()
}

// ErrURL says that a database's URL is none that can be opened.
var ErrURL = errors.New("tickets: want sqlite:PATH or postgres://…")

// Open opens a database, makes its tables if there are none, and fills them if they are empty. An empty url is a SQLite
// database in a temporary folder that Close removes. open is sql.Open, or like it.
func Open(ctx context.Context, dsn string, sizes Sizes, seed uint64, open func(driver, source string) (*sql.DB, error)) (*Database, error) {
	d := &Database{Kind: "sqlite", clean: func() {}}
	driver, source := "sqlite", strings.TrimPrefix(dsn, "sqlite:")
	switch {
	case dsn == "":
		dir, err := os.MkdirTemp("", "folio-tickets")
		if err != nil {
			return nil, err
		}
		d.clean = func() { _ = os.RemoveAll(dir) }
		source = filepath.Join(dir, "tickets.db")
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		d.Kind, driver, source = "postgres", "pgx", dsn
	case CheckURL(dsn) != nil:
		return nil, CheckURL(dsn)
	}
	if d.Kind == "sqlite" {
		source = "file:" + (&url.URL{Path: source}).EscapedPath() + "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(2000)&_pragma=foreign_keys(1)"
	}
	var err error
	if d.DB, err = open(driver, source); err == nil {
		d.SetMaxOpenConns(8)
		d.SetMaxIdleConns(8)
		d.SetConnMaxIdleTime(time.Minute)
		if err = d.prepare(ctx, sizes, seed); err != nil {
			err = errors.Join(err, d.Close())
		}
	}
	if err != nil {
		d.clean()
		return nil, fmt.Errorf("tickets: database %s: %w", redacted(dsn), err)
	}
	return d, nil
}

// CheckURL says whether a URL is one that Open knows.
func CheckURL(dsn string) error {
	path, isFile := strings.CutPrefix(dsn, "sqlite:")
	switch {
	case dsn == "", strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return nil
	case isFile && path != "" && !strings.Contains(path, ":memory:"): // each connection would have one of its own
		return nil
	}
	return fmt.Errorf("%w: %q", ErrURL, redacted(dsn))
}

// redacted leaves out what must not be logged.
func redacted(dsn string) string {
	if dsn == "" {
		return "in a temporary folder"
	}
	if u, err := url.Parse(dsn); err == nil {
		return u.Redacted()
	}
	return strings.SplitN(dsn, ":", 2)[0]
}

// Close closes the database, and removes it if it was temporary.
func (d *Database) Close() error {
	defer d.clean()
	return d.DB.Close()
}

// answered reports whether it is known by an error, or its lack, what became of a write. SQLite is in this process.
func (d *Database) answered(err error) bool {
	var said *pgconn.PgError
	return err == nil || d.Kind == "sqlite" || errors.Is(err, sql.ErrNoRows) || errors.As(err, &said)
}

// prepare makes and fills the tables.
func (d *Database) prepare(ctx context.Context, sizes Sizes, seed uint64) error {
	id, when := "INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER"
	if d.Kind == "postgres" {
		id, when = "BIGSERIAL PRIMARY KEY", "BIGINT"
	}
	for _, statement := range []string{
		"CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL)",
		"CREATE TABLE IF NOT EXISTS users (id " + id + ", name TEXT NOT NULL)",
		"CREATE TABLE IF NOT EXISTS events (id " + id + ", title TEXT NOT NULL, city TEXT NOT NULL, starts_at " + when + " NOT NULL)",
		"CREATE TABLE IF NOT EXISTS tickets (id " + id + ", user_id BIGINT NOT NULL REFERENCES users(id), event_id BIGINT NOT NULL REFERENCES events(id), title TEXT NOT NULL, status TEXT NOT NULL, cents BIGINT NOT NULL, created_at " + when + " NOT NULL, updated_at " + when + " NOT NULL)",
		"CREATE INDEX IF NOT EXISTS tickets_by_user ON tickets (user_id, created_at, id)",
		"CREATE INDEX IF NOT EXISTS tickets_by_event ON tickets (event_id, created_at, id)",
		"CREATE INDEX IF NOT EXISTS events_by_city ON events (city, starts_at, id)",
	} {
		if _, err := d.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	err := d.QueryRowContext(ctx, "SELECT id FROM identity").Scan(&d.ID)
	if errors.Is(err, sql.ErrNoRows) {
		d.ID = crand.Text()
		_, err = d.ExecContext(ctx, "INSERT INTO identity VALUES ($1)", d.ID)
	}
	if err != nil {
		return err
	}
	var one int
	err = d.QueryRowContext(ctx, "SELECT 1 FROM users LIMIT 1").Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return d.fill(ctx, sizes, seed)
	}
	return err
}

var (
	names  = []string{"Ada", "Brian", "Chen", "Dana", "Edsger", "Frida", "Grace", "Hedy", "Imre", "Joan", "Karl", "Lin"}
	cities = []string{"Aachen", "Berlin", "Cork", "Delft", "Evora", "Fes", "Ghent", "Haifa"}
	acts   = []string{"Quartet", "Orchestra", "Derby", "Recital", "Musical", "Lecture", "Marathon", "Opera"}
)

// epoch is when the first made-up ticket was bought: the same for every run, so that a seed gives the same rows.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// fill makes up rows: some users have many tickets, most few.
func (d *Database) fill(ctx context.Context, sizes Sizes, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 7))
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	many := func(table string, columns, n int, row func(i int) []any) error {
		const batch = 100
		for from := 0; from < n; from += batch {
			var values []string
			var args []any
			for i := from; i < min(from+batch, n); i++ {
				var marks []string
				for range columns {
					marks = append(marks, "$"+strconv.Itoa(len(args)+len(marks)+1))
				}
				values, args = append(values, "("+strings.Join(marks, ",")+")"), append(args, row(i)...)
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO "+table+" VALUES "+strings.Join(values, ","), args...); err != nil {
				return err
			}
		}
		return nil
	}
	err = many("users (name)", 1, sizes.Users, func(i int) []any { return []any{names[i%len(names)] + " " + strconv.Itoa(i+1)} })
	if err == nil {
		err = many("events (title, city, starts_at)", 3, sizes.Events, func(i int) []any {
			return []any{fmt.Sprintf("%s %s %d", cities[i%len(cities)], acts[random.IntN(len(acts))], i+1), cities[i%len(cities)], epoch.Add(time.Duration(i) * 36 * time.Hour).UnixMilli()}
		})
	}
	if err == nil {
		popular := rand.NewZipf(random, 1.1, 8, uint64(sizes.Users-1))
		err = many("tickets (user_id, event_id, title, status, cents, created_at, updated_at)", 7, sizes.Tickets, func(i int) []any {
			event, at := random.IntN(sizes.Events), epoch.Add(time.Duration(i)*10*time.Minute).UnixMilli()
			return []any{int(popular.Uint64()) + 1, event + 1, fmt.Sprintf("%s, row %d seat %d", acts[event%len(acts)], 1+random.IntN(40), 1+random.IntN(60)),
				Statuses[min(random.IntN(6), len(Statuses)-1)], 1500 + 100*random.IntN(90), at, at}
		})
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}
