package tickets_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/cmd/server/internal/tickets"
)

// served is an API over a database.
type served struct {
	*tickets.API
	db    *tickets.Database
	cache *folio.Cache
}

func open(t *testing.T, url string, change ...func(*tickets.Config)) *served {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := tickets.Open(t.Context(), url, tickets.Sizes{Users: 20, Events: 10, Tickets: 400}, 1, sql.Open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	cache, err := folio.New(folio.Config{MaxBytes: 8 << 20, OnHeap: true, LoadTimeout: 3 * time.Second, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close(context.Background()) })
	config := tickets.Config{Database: db, Cache: cache, User: tickets.UserParameter, Logger: log}
	for _, f := range change {
		f(&config)
	}
	api, err := tickets.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &served{api, db, cache}
}

func (s *served) ask(method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

// firstOf returns the first ticket of a user's list.
func (s *served) firstOf(t *testing.T, target string) (id int64, title string) {
	t.Helper()
	w := s.ask("GET", target, "")
	var l struct {
		Items []struct {
			ID    int64
			Title string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || len(l.Items) == 0 {
		t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	return l.Items[0].ID, l.Items[0].Title
}

// TestAllListsShowAWrite: of the user, by page and by cursor, in all sorts and filters, and of the event.
func TestAllListsShowAWrite(t *testing.T) {
	for name, url := range map[string]func() string{"sqlite": func() string { return "" }, "postgres": func() string { return startPostgres(t).url() }} {
		t.Run(name, func(t *testing.T) {
			s := open(t, url())
			id, _ := s.firstOf(t, "/api/tickets?user=1")
			var event int64
			if err := s.db.QueryRow("SELECT event_id FROM tickets WHERE id = $1", id).Scan(&event); err != nil {
				t.Fatal(err)
			}
			targets := []string{"/api/tickets?user=1&limit=100", "/api/tickets?user=1&limit=100&sort=price_cents", "/api/tickets?user=1&limit=100&event=" + strconv.FormatInt(event, 10),
				"/api/feed?user=1&limit=100", fmt.Sprintf("/api/events/%d/tickets?limit=100", event)}
			shown := func(title string) (n int) {
				for _, target := range targets {
					if strings.Contains(s.ask("GET", target, "").Body.String(), title) {
						n++
					}
				}
				return n
			}
			shown("") // they are all stored now
			if w := s.ask("PATCH", fmt.Sprintf("/api/tickets/%d", id), `{"title":"quite another title"}`); w.Code != http.StatusNoContent {
				t.Fatal(w.Code, w.Body)
			}
			if n := shown("quite another title"); n != len(targets) {
				t.Errorf("%d of %d lists show the change", n, len(targets))
			}
			w := s.ask("POST", "/api/tickets", fmt.Sprintf(`{"user":1,"event":%d,"title":"made just now"}`, event))
			if w.Code != http.StatusCreated {
				t.Fatal(w.Code, w.Body)
			}
			if n := shown("made just now"); n != len(targets) {
				t.Errorf("%d of %d lists show what is new", n, len(targets))
			}
			if w := s.ask("DELETE", w.Header().Get("Location"), ""); w.Code != http.StatusNoContent {
				t.Fatal(w.Code, w.Body)
			}
			if n := shown("made just now"); n != 0 {
				t.Errorf("%d lists show what is gone", n)
			}
		})
	}
}

// TestSQLiteLocked: reads go on, a write is refused in bounded time and changes nothing, and all is well once the lock
// is gone.
func TestSQLiteLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	s := open(t, "sqlite:"+path)
	id, before := s.firstOf(t, "/api/tickets?user=1")
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	target := fmt.Sprintf("/api/tickets/%d", id)
	if w := s.ask("PATCH", target, `{"title":"while it is locked"}`); w.Code != http.StatusServiceUnavailable || time.Since(began) > 8*time.Second {
		t.Errorf("a write while it is locked: %d after %s", w.Code, time.Since(began))
	}
	if _, title := s.firstOf(t, "/api/tickets?user=1"); title != before {
		t.Errorf("it shows %q", title)
	}
	if _, err := c.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if w := s.ask("PATCH", target, `{"title":"after it"}`); w.Code != http.StatusNoContent {
		t.Errorf("a write after it: %d %s", w.Code, w.Body)
	}
	if _, title := s.firstOf(t, "/api/tickets?user=1"); title != "after it" {
		t.Errorf("it shows %q", title)
	}
}

// TestPostgresKilledAndBack: what is stored is served meanwhile, what is not fails in bounded time, nothing of it is
// kept, and all is well once it is back.
func TestPostgresKilledAndBack(t *testing.T) {
	p := startPostgres(t)
	s := open(t, p.url())
	id, _ := s.firstOf(t, "/api/tickets?user=1&limit=5")
	p.kill(t)
	if w := s.ask("GET", "/api/tickets?user=1&limit=5", ""); w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Status"), "hit") {
		t.Errorf("what is stored: %d %s", w.Code, w.Header())
	}
	began := time.Now()
	if w := s.ask("GET", "/api/tickets?user=2", ""); w.Code < 500 || strings.Contains(w.Body.String(), "127.0.0.1") {
		t.Errorf("what is not: %d %s", w.Code, w.Body)
	}
	if w := s.ask("PATCH", fmt.Sprintf("/api/tickets/%d", id), `{"title":"lost"}`); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a write: %d %s", w.Code, w.Body)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("two requests took %s", took)
	}
	p.start(t)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		w := s.ask("GET", "/api/tickets?user=2", "")
		if w.Code == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is back and this is what comes: %d %s", w.Code, w.Body)
		}
	}
	if w := s.ask("PATCH", fmt.Sprintf("/api/tickets/%d", id), `{"title":"kept"}`); w.Code != http.StatusNoContent {
		t.Errorf("a write once it is back: %d %s", w.Code, w.Body)
	}
	if _, title := s.firstOf(t, "/api/tickets?user=1&limit=5"); title != "kept" {
		t.Errorf("it shows %q", title)
	}
}

// TestBadDatabasesAreRefused: without a password in the message.
func TestBadDatabasesAreRefused(t *testing.T) {
	for _, url := range []string{"mysql://root:secret@x/y", "nonsense", "postgres://folio:secret@127.0.0.1:1/x?connect_timeout=1", "sqlite:/no/such/folder/x.db"} {
		_, err := tickets.Open(t.Context(), url, tickets.DefaultSizes, 1, sql.Open)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := tickets.Open(t.Context(), "nonsense", tickets.DefaultSizes, 1, sql.Open); !errors.Is(err, tickets.ErrURL) {
		t.Error(err)
	}
}
