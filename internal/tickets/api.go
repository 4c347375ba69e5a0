package tickets

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/foliocache/folio"
)

// Config says what an API is made of. Database, Cache and User are needed.
type Config struct {
	Database *Database
	Cache    *folio.Cache
	// User returns the user that a request is from. An error is a 401, unless it is a folio.QueryError, which is a 400.
	User   func(*http.Request) (string, error)
	TTL    time.Duration // of pages; default 5 min
	Logger *slog.Logger
}

// API answers requests for lists of tickets and events, and for writes to them. Safe for concurrent use.
type API struct {
	config  Config
	mux     *http.ServeMux
	mine    *folio.List[Ticket] // of a user, by page
	feed    *folio.List[Ticket] // of a user, by cursor
	byEvent *folio.List[Ticket]
	events  *folio.List[Event]
}

// New makes an API, and its lists in the cache.
func New(config Config) (*API, error) {
	if config.TTL == 0 {
		config.TTL = 5 * time.Minute
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	a := &API{config: config, mux: http.NewServeMux()}
	d, sorts := config.Database, []string{"-created_at", "created_at", "-price_cents", "price_cents"}
	var faults [4]error
	a.mine, faults[0] = folio.NewList(config.Cache, folio.ListConfig[Ticket]{Name: "tickets", Sorts: sorts, Filters: []string{"status", "event"},
		TTL: config.TTL, Load: d.tickets, Count: d.count, Numbered: true})
	a.feed, faults[1] = folio.NewList(config.Cache, folio.ListConfig[Ticket]{Name: "feed", Sorts: sorts[:2], Filters: []string{"status"},
		TTL: config.TTL, Load: d.tickets, Cursor: cursorOf, Numbered: true})
	a.byEvent, faults[2] = folio.NewList(config.Cache, folio.ListConfig[Ticket]{Name: "event-tickets", Sorts: sorts, Filters: []string{"status"},
		TTL: config.TTL, Load: d.tickets, Count: d.count, Numbered: true})
	a.events, faults[3] = folio.NewList(config.Cache, folio.ListConfig[Event]{Name: "events", Sorts: []string{"starts_at", "-starts_at"}, Filters: []string{"city"},
		TTL: config.TTL, Load: d.events, Numbered: true})
	if err := errors.Join(faults[:]...); err != nil {
		return nil, err
	}
	a.mux.HandleFunc("GET /api/tickets", a.ofUser(func(w http.ResponseWriter, r *http.Request, v url.Values, s folio.Scope) { serve(w, r, a.mine, v, s) }))
	a.mux.HandleFunc("GET /api/feed", a.ofUser(func(w http.ResponseWriter, r *http.Request, v url.Values, s folio.Scope) { serve(w, r, a.feed, v, s) }))
	a.mux.HandleFunc("GET /api/events/{id}/tickets", func(w http.ResponseWriter, r *http.Request) {
		if v, ok := query(w, r); ok {
			serve(w, r, a.byEvent, v, eventScope(r.PathValue("id")))
		}
	})
	a.mux.HandleFunc("GET /api/events", func(w http.ResponseWriter, r *http.Request) {
		if v, ok := query(w, r); ok {
			serve(w, r, a.events, v, folio.Public)
		}
	})
	a.mux.HandleFunc("POST /api/tickets", a.post)
	a.mux.HandleFunc("PATCH /api/tickets/{id}", a.patch)
	a.mux.HandleFunc("DELETE /api/tickets/{id}", a.delete)
	return a, nil
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

func userScope(id string) folio.Scope  { return folio.Scope{Kind: "user", ID: id} }
func eventScope(id string) folio.Scope { return folio.Scope{Kind: "event", ID: id} }

// query reads a request's parameters strictly: what any two readers may read differently is an error.
func query(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return nil, false
	}
	return v, true
}

// ofUser answers for the user that a request is from. ?user= is dropped where User reads it, and must be the same where
// it does not.
func (a *API) ofUser(answer func(http.ResponseWriter, *http.Request, url.Values, folio.Scope)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, ok := query(w, r)
		if !ok {
			return
		}
		user, ok := a.user(w, r)
		if !ok {
			return
		}
		if said := v["user"]; len(said) > 0 && !slices.Equal(said, []string{user}) {
			problem(w, http.StatusForbidden, "user is not yours")
			return
		}
		delete(v, "user")
		answer(w, r, v, userScope(user))
	}
}

func (a *API) user(w http.ResponseWriter, r *http.Request) (string, bool) {
	user, err := a.config.User(r)
	switch {
	case errors.Is(err, folio.ErrQuery):
		problem(w, http.StatusBadRequest, err.Error())
	case err != nil:
		w.Header().Set("WWW-Authenticate", "Bearer")
		problem(w, http.StatusUnauthorized, "who are you?")
	}
	return user, err == nil
}

// UserParameter takes ?user= for the user: for demonstrations alone, anybody may be anybody.
func UserParameter(r *http.Request) (string, error) {
	v := r.URL.Query()["user"]
	if len(v) != 1 {
		return "", &folio.QueryError{Param: "user", Value: fmt.Sprint(v), Reason: "want one"}
	}
	n, err := strconv.ParseInt(v[0], 10, 64)
	if err != nil || n < 1 {
		return "", &folio.QueryError{Param: "user", Value: v[0], Reason: "want a whole number from 1"}
	}
	return strconv.FormatInt(n, 10), nil
}

// serve answers with a page of a list.
func serve[T any](w http.ResponseWriter, r *http.Request, l *folio.List[T], v url.Values, s folio.Scope) {
	q, err := l.Parse(v, s)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	if s.Kind == "event" {
		if n, err := strconv.ParseInt(s.ID, 10, 64); err != nil || strconv.FormatInt(n, 10) != s.ID {
			problem(w, http.StatusNotFound, "no such event")
			return
		}
	}
	l.Serve(w, r, q)
}

// Explain tells why the page that a URL asks for is, or is not, served from the cache now.
func (a *API) Explain(r *http.Request) (folio.Explanation, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return folio.Explanation{}, &folio.QueryError{Param: "query", Value: r.URL.RawQuery, Reason: err.Error()}
	}
	user := v.Get("user")
	delete(v, "user")
	_, pattern := a.mux.Handler(r)
	switch pattern {
	case "GET /api/tickets":
		return explain(a.mine, v, userScope(user))
	case "GET /api/feed":
		return explain(a.feed, v, userScope(user))
	case "GET /api/events/{id}/tickets":
		var id string
		_, _ = fmt.Sscanf(r.URL.Path, "/api/events/%s", &id)
		return explain(a.byEvent, v, eventScope(id[:len(id)-len("/tickets")]))
	case "GET /api/events":
		return explain(a.events, v, folio.Public)
	}
	return folio.Explanation{}, &folio.QueryError{Param: "url", Value: r.URL.Path, Reason: "no list is there"}
}

func explain[T any](l *folio.List[T], v url.Values, s folio.Scope) (folio.Explanation, error) {
	q, err := l.Parse(v, s)
	if err != nil {
		return folio.Explanation{}, err
	}
	return l.Explain(q)
}

// patch is what may be changed of a ticket.
type patch struct {
	Title  *string `json:"title"`
	Status *string `json:"status"`
	Cents  *int64  `json:"price_cents"`
}

func (p *patch) check() string {
	switch {
	case p.Title != nil && (*p.Title == "" || len(*p.Title) > 200):
		return "title: want 1 to 200 bytes"
	case p.Status != nil && !slices.Contains(Statuses, *p.Status):
		return fmt.Sprintf("status: want one of %v", Statuses)
	case p.Cents != nil && (*p.Cents < 0 || *p.Cents > 1_000_000_00):
		return "price_cents: want 0 to 100000000"
	}
	return ""
}

// post creates a ticket.
func (a *API) post(w http.ResponseWriter, r *http.Request) {
	var in struct {
		patch
		User  int64 `json:"user"`
		Event int64 `json:"event"`
	}
	if !read(w, r, &in) {
		return
	}
	if fault := in.check(); fault != "" || in.Title == nil || in.User < 1 || in.Event < 1 {
		problem(w, http.StatusBadRequest, "want user, event and title; "+fault)
		return
	}
	t := Ticket{User: in.User, Event: in.Event, Title: *in.Title, Status: Statuses[0]}
	if in.Status != nil {
		t.Status = *in.Status
	}
	if in.Cents != nil {
		t.Cents = *in.Cents
	}
	if !a.owns(w, r, t.User) {
		return
	}
	err := a.written(r.Context(), t.User, t.Event, func(ctx context.Context) error { return a.config.Database.create(ctx, &t, time.Now()) })
	if a.failed(w, err) {
		return
	}
	w.Header().Set("Location", "/api/tickets/"+strconv.FormatInt(t.ID, 10))
	answer(w, http.StatusCreated, t)
}

// owns reports whether a request is from a user; where ?user= says who that is, nobody else can be asked for.
func (a *API) owns(w http.ResponseWriter, r *http.Request, user int64) bool {
	if a.anybody(r) {
		return true
	}
	is, ok := a.user(w, r)
	if ok && is != strconv.FormatInt(user, 10) {
		problem(w, http.StatusForbidden, "not yours")
		return false
	}
	return ok
}

// anybody reports whether a write says nothing of who writes, where parameters say who reads.
func (a *API) anybody(r *http.Request) bool {
	var bad *folio.QueryError
	_, err := a.config.User(r)
	return errors.As(err, &bad)
}

func (a *API) patch(w http.ResponseWriter, r *http.Request) {
	var p patch
	if !read(w, r, &p) {
		return
	}
	if fault := p.check(); fault != "" {
		problem(w, http.StatusBadRequest, fault)
		return
	}
	a.write(w, r, func(ctx context.Context, id int64) error { return a.config.Database.change(ctx, id, p, time.Now()) })
}

func (a *API) delete(w http.ResponseWriter, r *http.Request) {
	a.write(w, r, func(ctx context.Context, id int64) error { return a.config.Database.remove(ctx, id) })
}

// write changes the ticket that a request names.
func (a *API) write(w http.ResponseWriter, r *http.Request, do func(context.Context, int64) error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		problem(w, http.StatusNotFound, "no such ticket")
		return
	}
	user, event, err := a.config.Database.owner(r.Context(), id)
	if a.failed(w, err) || !a.owns(w, r, user) {
		return
	}
	err = a.written(r.Context(), user, event, func(ctx context.Context) error { return do(ctx, id) })
	if !a.failed(w, err) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// writeTimeout bounds a write, whether or not its client waits.
const writeTimeout = 10 * time.Second

// written does a write and tells the cache, whatever comes of it: who got no answer may have written all the same.
func (a *API) written(ctx context.Context, user, event int64, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	err := do(ctx)
	u, e := strconv.FormatInt(user, 10), strconv.FormatInt(event, 10)
	told := a.config.Cache.InvalidateTags(ctx, a.mine.Tag(userScope(u)), a.feed.Tag(userScope(u)), a.byEvent.Tag(eventScope(e)))
	return errors.Join(err, told)
}

// failed answers with what went wrong, if something did.
func (a *API) failed(w http.ResponseWriter, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, sql.ErrNoRows):
		problem(w, http.StatusNotFound, "no such ticket")
	case errors.Is(err, context.DeadlineExceeded):
		problem(w, http.StatusGatewayTimeout, "the database is late")
	default:
		a.config.Logger.Error("tickets: a write failed", "error", err)
		problem(w, http.StatusServiceUnavailable, "the database does not answer")
	}
	return true
}

const maxBody = 64 << 10

// read decodes a request's body strictly.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		problem(w, http.StatusBadRequest, "body: "+err.Error())
	}
	return err == nil
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // who is gone needs no answer
}

// problem answers with an error (RFC 9457).
func problem(w http.ResponseWriter, code int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(code), "status": code, "detail": detail})
}
