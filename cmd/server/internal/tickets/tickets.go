// Package tickets is the list API that the server shows Folio with: tickets of users to events, in SQLite or
// PostgreSQL, filled with made-up rows.
package tickets

import (
	"time"
)

// Ticket is one user's to one event.
type Ticket struct {
	ID        int64     `json:"id"`
	User      int64     `json:"user"`
	Event     int64     `json:"event"`
	Title     string    `json:"title"`
	Status    string    `json:"status"`
	Cents     int64     `json:"price_cents"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Seat is what everybody may know of a ticket: not whose it is.
type Seat struct {
	ID     int64  `json:"id"`
	Title  string `json:"title"`
	Status string `json:"status"`
}

// Event is something that tickets are for.
type Event struct {
	ID       int64     `json:"id"`
	Title    string    `json:"title"`
	City     string    `json:"city"`
	StartsAt time.Time `json:"starts_at"`
}

// Statuses are what a ticket may be.
var Statuses = []string{"open", "paid", "used", "cancelled"}

// Sizes are how many rows of each kind a database is filled with.
type Sizes struct{ Users, Events, Tickets int }

// DefaultSizes fill a database within a second or two.
var DefaultSizes = Sizes{Users: 500, Events: 200, Tickets: 25_000}
