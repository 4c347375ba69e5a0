package tickets

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/foliocache/folio"
)

// Config says what an API is made of. Database, Cache and User are needed.
type Config struct {
	Database *Database
	Cache    *folio.Cache
	// User returns the user that a request is from. An error is a 401, unless it is a folio.QueryError, which is a 400.
	User func(*http.Request) (string, error)
	TTL  time.Duration // of pages; default 5 min
	// WriteTimeout bounds a write, whether or not its client waits; default 8 s.
	WriteTimeout time.Duration
	Logger       *slog.Logger
}

// API answers requests for lists of tickets and events, and for writes to them. Safe for concurrent use.
type API struct {
	config  Config
	mux     *http.ServeMux
	mine    *folio.List[Ticket] // of a user, by page
	feed    *folio.List[Ticket] // of a user, by cursor
	byEvent *folio.List[Seat]
	events  *folio.List[Event]
}

// New makes an API, and its lists in the cache.
func New(config Config) (*API, error) {
	if config.TTL == 0 {
		config.TTL = 5 * time.Minute
	}
	if config.WriteTimeout == 0 {
		config.WriteTimeout = 8 * time.Second
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
	a.byEvent, faults[2] = folio.NewList(config.Cache, folio.ListConfig[Seat]{Name: "event-tickets", Sorts: sorts, Filters: []string{"status"},
		TTL: config.TTL, Load: d.seats, Count: d.count, Numbered: true})
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
		if v.Has("user") {
			if said, err := UserParameter(r); err != nil || said != user {
				problem(w, http.StatusForbidden, "user is not yours")
				return
			}
		}
		delete(v, "user")
		answer(w, r, v, userScope(user))
	}
}

func (a *API) user(w http.ResponseWriter, r *http.Request) (string, bool) {
	user, err := a.config.User(r)
	if err == nil && !isID(user) {
		err = errors.New("no user's number") // two names of one user would be two scopes
	}
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

// isID reports whether a text is a number from 1, as it is written.
func isID(text string) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && n >= 1 && strconv.FormatInt(n, 10) == text
}

// check says what is wrong with the filters of a query.
func check(v url.Values) error {
	for name, values := range v {
		for _, value := range values {
			reason := ""
			switch {
			case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
				reason = "want text"
			case name == "status" && value != "" && !slices.Contains(Statuses, value):
				reason = fmt.Sprintf("want one of %v", Statuses)
			case name == "event" && value != "" && !isID(value):
				reason = "want a whole number from 1"
			}
			if reason != "" {
				return &folio.QueryError{Param: name, Value: value, Reason: reason}
			}
		}
	}
	return nil
}

// serve answers with a page of a list.
func serve[T any](w http.ResponseWriter, r *http.Request, l *folio.List[T], v url.Values, s folio.Scope) {
	if s.Kind == "event" && !isID(s.ID) {
		problem(w, http.StatusNotFound, "no such event")
		return
	}
	q, err := l.Parse(v, s)
	if err := errors.Join(err, check(v)); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	l.Serve(w, r, q)
}

// Explain tells why the page that a URL asks for is, or is not, served from the cache now.
func (a *API) Explain(r *http.Request) (folio.Explanation, error) {
	v, scope, err := a.asked(r)
	if err != nil {
		return folio.Explanation{}, err
	}
	switch r.URL.Path {
	case "/api/tickets":
		return explain(a.mine, v, scope)
	case "/api/feed":
		return explain(a.feed, v, scope)
	case "/api/events":
		return explain(a.events, v, scope)
	}
	return explain(a.byEvent, v, scope)
}

// Tags returns what the page that a URL asks for depends on.
func (a *API) Tags(r *http.Request) ([]folio.Tag, error) {
	_, scope, err := a.asked(r)
	if err != nil {
		return nil, err
	}
	switch r.URL.Path {
	case "/api/tickets", "/api/feed":
		return []folio.Tag{a.mine.Tag(scope), a.feed.Tag(scope)}, nil
	case "/api/events":
		return []folio.Tag{a.events.Tag(scope)}, nil
	}
	return []folio.Tag{a.byEvent.Tag(scope)}, nil
}

// asked reads a URL as an operator writes it: with the user as a parameter, however users are known.
func (a *API) asked(r *http.Request) (url.Values, folio.Scope, error) {
	bad := func(param, value, reason string) (url.Values, folio.Scope, error) {
		return nil, folio.Scope{}, &folio.QueryError{Param: param, Value: value, Reason: reason}
	}
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return bad("query", r.URL.RawQuery, err.Error())
	}
	event, isEvent := strings.CutPrefix(r.URL.Path, "/api/events/")
	event, isList := strings.CutSuffix(event, "/tickets")
	switch {
	case r.URL.Path == "/api/events":
		return v, folio.Public, nil
	case isEvent && isList && isID(event):
		return v, eventScope(event), nil
	case r.URL.Path != "/api/tickets" && r.URL.Path != "/api/feed":
		return bad("url", r.URL.Path, "no list is there")
	}
	user, err := UserParameter(r)
	delete(v, "user")
	return v, userScope(user), err
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
	case p.Title != nil && (*p.Title == "" || len(*p.Title) > 200 || strings.ContainsRune(*p.Title, 0)):
		return "title: want text of 1 to 200 bytes"
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
		problem(w, http.StatusBadRequest, strings.TrimSuffix("want user, event and title: "+fault, ": "))
		return
	}
	t := Ticket{User: in.User, Event: in.Event, Title: *in.Title, Status: Statuses[0]}
	if in.Status != nil {
		t.Status = *in.Status
	}
	if in.Cents != nil {
		t.Cents = *in.Cents
	}
	writer, ok := a.writer(w, r)
	if !ok {
		return
	}
	if !owns(writer, t.User) {
		problem(w, http.StatusForbidden, "not yours")
		return
	}
	err := a.written(r.Context(), t.User, t.Event, func(ctx context.Context) error { return a.config.Database.create(ctx, &t, time.Now()) })
	if a.failed(w, err) {
		return
	}
	w.Header().Set("Location", "/api/tickets/"+strconv.FormatInt(t.ID, 10))
	answer(w, http.StatusCreated, t)
}

// writer returns who sends a write; empty: where ?user= says who reads, writes may leave it out and are anybody's.
func (a *API) writer(w http.ResponseWriter, r *http.Request) (user string, ok bool) {
	var bad *folio.QueryError
	if _, err := a.config.User(r); errors.As(err, &bad) && !r.URL.Query().Has("user") {
		return "", true
	}
	return a.user(w, r)
}

// owns reports whether a writer may change what is a user's.
func owns(writer string, user int64) bool {
	return writer == "" || writer == strconv.FormatInt(user, 10)
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
	writer, ok := a.writer(w, r) // first: nobody else is told which tickets there are
	if !ok {
		return
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		problem(w, http.StatusNotFound, "no such ticket")
		return
	}
	user, event, err := a.config.Database.owner(r.Context(), id)
	if err == nil && !owns(writer, user) {
		err = sql.ErrNoRows
	}
	if a.failed(w, err) {
		return
	}
	err = a.written(r.Context(), user, event, func(ctx context.Context) error { return do(ctx, id) })
	if !a.failed(w, err) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// lateWrites is how many WriteTimeouts a database may take beyond one for a write that it has not answered.
const lateWrites = 4

// written does a write and tells the cache, whatever comes of it. A database that did not answer may write yet: nothing
// that shows the row is served or stored for a while.
func (a *API) written(ctx context.Context, user, event int64, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.config.WriteTimeout)
	defer cancel()
	err := do(ctx)
	u, e := strconv.FormatInt(user, 10), strconv.FormatInt(event, 10)
	tags := []folio.Tag{a.mine.Tag(userScope(u)), a.feed.Tag(userScope(u)), a.byEvent.Tag(eventScope(e))}
	if a.config.Database.answered(err) {
		return errors.Join(err, a.here(a.config.Cache.InvalidateTags(ctx, tags...)))
	}
	held, told := a.config.Cache.Intend(context.WithoutCancel(ctx), tags...)
	if told = a.here(told); told == nil {
		time.AfterFunc(lateWrites*a.config.WriteTimeout, func() {
			if err := a.here(held.Done()); err != nil {
				a.config.Logger.Warn("tickets: pages of a write that may have come late are not outdated", "error", err)
			}
		})
	}
	return errors.Join(err, told)
}

// here is what went wrong in this process: other servers that do not know yet are told later.
func (a *API) here(err error) error {
	if errors.Is(err, folio.ErrPending) {
		a.config.Logger.Warn("tickets: other servers may answer with what was before a write", "error", err)
		return nil
	}
	return err
}

// failed answers with what went wrong, if something did.
func (a *API) failed(w http.ResponseWriter, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, sql.ErrNoRows):
		problem(w, http.StatusNotFound, "no such ticket")
	case foreignKey(err):
		problem(w, http.StatusUnprocessableEntity, "no such user or event")
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
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/json" && (err == nil || r.Header.Get("Content-Type") != "") {
		problem(w, http.StatusUnsupportedMediaType, "want application/json")
		return false
	}
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
