package folio

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Parse reads a query from a URL's parameters: page, offset, limit, sort, cursor, total, and the
// list's filters by their names. The scope is whose rows the caller may see, never a parameter.
// Limits above MaxLimit are cut to it; what trackers add is dropped; all that is wrong is told in
// [QueryError]s, joined.
func (l *List[T]) Parse(v url.Values, s Scope) (Query, error) {
	q, err := l.shape.parse(v, s)
	return l.know(q), err
}

// buffers are for pages on their way to a client.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Serve answers a GET or HEAD with a page as JSON: its stored bytes, with ETag and 304,
// Cache-Status (RFC 9211), Link to the neighbours of an offset page (RFC 8288), and X-Total-Count
// where the query wants it. Browsers may keep it, but must ask again: private unless the scope is
// [Public]. Errors: 400 for another list's query and for [ErrCursor]; 404 for ErrNotFound, 503 for ErrClosed,
// 504 for a deadline, else 500. What the origin said goes to the logger only.
func (l *List[T]) Serve(w http.ResponseWriter, r *http.Request, q Query) {
	if err := l.own(q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	a, err := l.get(r.Context(), (*buffer)[:0], q)
	if err == nil && a.source == Hit {
		*buffer = a.body[:0]
	}
	total := int64(0)
	if err == nil && q.Total {
		total, err = l.Total(r.Context(), q)
	}
	if err != nil {
		l.fail(w, r, err)
		return
	}
	h := fields{w.Header(), make([]string, 0, 8)}
	h.set("Content-Type", "application/json")
	h.set("Cache-Control", "private, no-cache")
	if q.Scope == Public {
		h.set("Cache-Control", "public, no-cache")
	}
	h.set("Etag", etag(a.sum))
	h.set("Cache-Status", l.cache.status(&a))
	if q.Total {
		h.set("X-Total-Count", strconv.FormatInt(total, 10))
	}
	if link := l.shape.links(r.URL.RawQuery, q, a.rows); link != "" {
		h.set("Link", link)
	}
	h.write(w, r, a.body)
}

// fields sets a response's header, by canonical names, with one allocation for all its values.
type fields struct {
	http.Header
	values []string
}

func (f *fields) set(name, value string) {
	n := len(f.values)
	f.values = append(f.values, value)
	f.Header[name] = f.values[n : n+1 : n+1]
}

// conditions are what makes a response one that net/http should write.
var conditions = []string{"Range", "If-None-Match", "If-Match", "If-Range", "If-Modified-Since", "If-Unmodified-Since"}

// write answers as http.ServeContent does, which most requests do not need: they have no conditions.
func (f *fields) write(w http.ResponseWriter, r *http.Request, body []byte) {
	plain := len(f.Header["Content-Encoding"]) == 0
	for _, name := range conditions {
		plain = plain && len(r.Header[name]) == 0
	}
	if !plain {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
		return
	}
	f.set("Accept-Ranges", "bytes")
	f.set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // who is gone needs no answer
	}
}

// fail answers with an error's status.
func (l *List[T]) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrCursor):
		http.Error(w, ErrCursor.Error(), http.StatusBadRequest)
		return
	case errors.Is(err, ErrNotFound):
		code = http.StatusNotFound
	case errors.Is(err, ErrClosed):
		code = http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded), r.Context().Err() != nil:
		code = http.StatusGatewayTimeout
	}
	level := slog.LevelError
	if errors.Is(r.Context().Err(), context.Canceled) {
		level = slog.LevelDebug // nobody is there any more
	}
	l.cache.config.Logger.Log(r.Context(), level, "folio: a page cannot be served", "list", l.config.Name, "status", code, "error", err)
	http.Error(w, http.StatusText(code), code)
}

// status tells an answer's way as RFC 9211 has it.
func (c *Cache) status(a *answer) string {
	switch {
	case a.source == Miss:
		return "folio; fwd=miss"
	case a.source == Bypass:
		return "folio; fwd=bypass"
	case a.source == Joined:
		return "folio; fwd=miss; collapsed"
	case a.source == Stale:
		return "folio; fwd=stale; detail=stale-if-error"
	case a.expires > 0:
		return "folio; hit; ttl=" + strconv.FormatInt((a.expires-c.now())/int64(time.Second), 10)
	}
	return "folio; hit"
}

// etag returns a strong validator of a body by its hash.
func etag(sum uint64) string {
	return `"` + strconv.FormatUint(sum, 16) + `"`
}

// links names the neighbours of an offset page, in the words of the request's query: references
// relative to its URL, wherever the handler is mounted.
func (s *shape) links(raw string, q Query, rows int) string {
	if s.keyset || q.Offset == 0 && rows < q.Limit {
		return ""
	}
	if strings.ContainsFunc(raw, odd) {
		v, _ := url.ParseQuery(raw) // what cannot be read was no parameter of the query's, either
		raw = v.Encode()
	}
	base, place := placeless(raw)
	dst := make([]byte, 0, 256)
	link := func(rel string, offset int) {
		if len(dst) > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(append(dst, "<?"...), base...), place...)
		if place == "offset=" {
			dst = strconv.AppendInt(dst, int64(offset), 10)
		} else {
			dst = strconv.AppendInt(dst, int64(offset/q.Limit+1), 10)
		}
		dst = append(append(append(dst, `>; rel="`...), rel...), '"')
	}
	if q.Offset > 0 {
		link("first", 0)
		link("prev", max(0, q.Offset-q.Limit))
	}
	if rows == q.Limit && q.Offset <= s.maxOffset-q.Limit {
		link("next", q.Offset+q.Limit)
	}
	return string(dst)
}

// odd reports whether a character of a URL's query may hide a parameter's name or end a link.
func odd(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("=&-_.~,:@!*()", c)
}

// placeless returns a URL's query without the parameter that says where the page begins, ready
// for another, and what that parameter is.
func placeless(raw string) (base, place string) {
	place = "page="
	for part := range strings.SplitSeq(raw, "&") {
		switch name, _, _ := strings.Cut(part, "="); {
		case name == "offset":
			place = "offset="
		case name == "page", part == "":
		default:
			base += part + "&"
		}
	}
	return base, place
}
