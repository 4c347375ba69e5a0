package tickets

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/foliocache/folio"
)

// column is what a sort orders by.
func column(sort string) (name, direction string) {
	direction = "ASC"
	if strings.HasPrefix(sort, "-") {
		direction = "DESC"
	}
	switch strings.TrimPrefix(sort, "-") {
	case "price_cents":
		return "cents", direction
	case "starts_at":
		return "starts_at", direction
	}
	return "created_at", direction
}

// owners are the columns that a list's scope is looked up by.
var owners = map[string]string{"user": "user_id", "event": "event_id"}

// where writes the conditions of a query, of its scope first.
func where(q folio.Query, filters map[string]string) (text string, args []any) {
	var all []string
	if owner := owners[q.Scope.Kind]; owner != "" {
		n, _ := strconv.ParseInt(q.Scope.ID, 10, 64) // it is known to be one
		args = append(args, n)
		all = append(all, owner+" = $1")
	}
	for _, name := range []string{"city", "event", "status"} { // in one order
		values := q.FilterValues(name)
		if column := filters[name]; column != "" && len(values) > 0 {
			var marks []string
			for _, v := range values {
				var arg any = v
				if name == "event" {
					arg, _ = strconv.ParseInt(v, 10, 64)
				}
				args = append(args, arg)
				marks = append(marks, "$"+strconv.Itoa(len(args)))
			}
			all = append(all, column+" IN ("+strings.Join(marks, ",")+")")
		}
	}
	if len(all) == 0 {
		return "1 = 1", nil
	}
	return strings.Join(all, " AND "), args
}

var ticketFilters = map[string]string{"status": "status", "event": "event_id"}

// tickets returns a range of a user's or an event's.
func (d *Database) tickets(ctx context.Context, q folio.Query, r folio.Range) (rows []Ticket, err error) {
	conditions, args := where(q, ticketFilters)
	by, direction := column(q.Sort)
	if r.Cursor != "" {
		at, id, err := readCursor(r.Cursor)
		if err != nil {
			return nil, err
		}
		sign := ">"
		if direction == "DESC" {
			sign = "<"
		}
		args = append(args, at, id)
		conditions += fmt.Sprintf(" AND (%s, id) %s ($%d, $%d)", by, sign, len(args)-1, len(args))
	}
	args = append(args, r.Limit, r.Offset)
	text := fmt.Sprintf("SELECT id, user_id, event_id, title, status, cents, created_at, updated_at FROM tickets WHERE %s ORDER BY %s %s, id %s LIMIT $%d OFFSET $%d",
		conditions, by, direction, direction, len(args)-1, len(args))
	return collect(d, ctx, text, args, func(s *sql.Rows) (t Ticket, err error) {
		var created, updated int64
		err = s.Scan(&t.ID, &t.User, &t.Event, &t.Title, &t.Status, &t.Cents, &created, &updated)
		t.CreatedAt, t.UpdatedAt = time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC()
		return t, err
	})
}

// seats are tickets as everybody may see them.
func (d *Database) seats(ctx context.Context, q folio.Query, r folio.Range) ([]Seat, error) {
	rows, err := d.tickets(ctx, q, r)
	seats := make([]Seat, len(rows))
	for i, t := range rows {
		seats[i] = Seat{t.ID, t.Title, t.Status}
	}
	return seats, err
}

// foreignKey reports whether an error says that a row names another that is not there.
func foreignKey(err error) bool {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	return errors.As(err, &pg) && pg.Code == "23503" || errors.As(err, &lite) && lite.Code() == 787 // SQLITE_CONSTRAINT_FOREIGNKEY
}

// count returns how many tickets a query has.
func (d *Database) count(ctx context.Context, q folio.Query) (n int64, err error) {
	conditions, args := where(q, ticketFilters)
	err = d.QueryRowContext(ctx, "SELECT count(*) FROM tickets WHERE "+conditions, args...).Scan(&n)
	return n, err
}

// events returns a range of all events.
func (d *Database) events(ctx context.Context, q folio.Query, r folio.Range) ([]Event, error) {
	conditions, args := where(q, map[string]string{"city": "city"})
	by, direction := column(q.Sort)
	args = append(args, r.Limit, r.Offset)
	text := fmt.Sprintf("SELECT id, title, city, starts_at FROM events WHERE %s ORDER BY %s %s, id %s LIMIT $%d OFFSET $%d", conditions, by, direction, direction, len(args)-1, len(args))
	return collect(d, ctx, text, args, func(s *sql.Rows) (e Event, err error) {
		var at int64
		err = s.Scan(&e.ID, &e.Title, &e.City, &at)
		e.StartsAt = time.UnixMilli(at).UTC()
		return e, err
	})
}

// collect reads all rows of a query.
func collect[T any](d *Database, ctx context.Context, text string, args []any, read func(*sql.Rows) (T, error)) (all []T, err error) {
	rows, err := d.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := read(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// cursorOf says where the page behind a ticket begins.
func cursorOf(t Ticket) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", t.CreatedAt.UnixMilli(), t.ID))
}

func readCursor(text string) (at, id int64, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	first, second, ok := strings.Cut(string(raw), ".")
	at, atErr := strconv.ParseInt(first, 10, 64)
	id, idErr := strconv.ParseInt(second, 10, 64)
	if err = errors.Join(err, atErr, idErr); err != nil || !ok {
		return 0, 0, folio.ErrCursor
	}
	return at, id, nil
}

// create stores a new ticket and returns its id.
func (d *Database) create(ctx context.Context, t *Ticket, now time.Time) error {
	t.CreatedAt, t.UpdatedAt = now.UTC().Truncate(time.Millisecond), now.UTC().Truncate(time.Millisecond)
	return d.QueryRowContext(ctx, "INSERT INTO tickets (user_id, event_id, title, status, cents, created_at, updated_at) VALUES ($1,$2,$3,$4,$5,$6,$6) RETURNING id",
		t.User, t.Event, t.Title, t.Status, t.Cents, t.CreatedAt.UnixMilli()).Scan(&t.ID)
}

// owner returns whose a ticket is, and for which event; sql.ErrNoRows if there is none.
func (d *Database) owner(ctx context.Context, id int64) (user, event int64, err error) {
	err = d.QueryRowContext(ctx, "SELECT user_id, event_id FROM tickets WHERE id = $1", id).Scan(&user, &event)
	return user, event, err
}

// change updates what is not nil of a ticket.
func (d *Database) change(ctx context.Context, id int64, p patch, now time.Time) error {
	args, sets := []any{now.UnixMilli()}, []string{"updated_at = $1"}
	set := func(column string, value any) {
		args = append(args, value)
		sets = append(sets, column+" = $"+strconv.Itoa(len(args)))
	}
	if p.Title != nil {
		set("title", *p.Title)
	}
	if p.Status != nil {
		set("status", *p.Status)
	}
	if p.Cents != nil {
		set("cents", *p.Cents)
	}
	args = append(args, id)
	return d.affect(ctx, "UPDATE tickets SET "+strings.Join(sets, ", ")+" WHERE id = $"+strconv.Itoa(len(args)), args...)
}

// remove deletes a ticket.
func (d *Database) remove(ctx context.Context, id int64) error {
	return d.affect(ctx, "DELETE FROM tickets WHERE id = $1", id)
}

// affect runs a statement that is to change a row.
func (d *Database) affect(ctx context.Context, text string, args ...any) error {
	result, err := d.ExecContext(ctx, text, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err == nil && n == 0 {
		return sql.ErrNoRows
	}
	return nil
}
