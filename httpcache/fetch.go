package httpcache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio"
)

// fetch is one question to the origin. Its answer is kept whole until it is known to be one that can be stored; if it
// is not, it goes to the client who asked, as it comes. It is the ResponseWriter that the origin's handler gets.
type fetch struct {
	a      asking // as it was
	out    *http.Request
	cancel context.CancelFunc
	asked  time.Time

	decided chan struct{} // closed once it is known whether it is kept
	done    chan struct{} // closed once the handler has returned

	mu      sync.Mutex // guards what both the handler's goroutine and the client's use
	w       http.ResponseWriter
	header  http.Header
	status  int
	state   state
	verdict verdict
	body    []byte
	err     error
	raw     folio.Raw // what became of it, if it is kept
	result  response  // and what the client gets of it
	ran     bool
}

// state is what becomes of an answer.
type state uint8

const (
	open    state = iota // not known yet
	keeping              // it is gathered
	passing              // it goes to the client as it comes
	waste                // nobody wants it
	over                 // it is there
)

// fetch prepares a question to the origin. w: the client's; nil: nobody waits for it.
func (a *asking) fetch(w http.ResponseWriter) *fetch {
	f := &fetch{a: *a, w: w, decided: make(chan struct{}), done: make(chan struct{}), header: http.Header{}}
	f.a.stored.body = slices.Clone(a.stored.body) // it lies in the client's buffer
	return f
}

// load asks the origin, as a load of the cache: it returns once there is something to store, or it is known that
// there is not.
func (f *fetch) load(ctx context.Context) (folio.Raw, error) {
	detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.mu.Lock()
	f.ran, f.cancel, f.out, f.asked = true, cancel, f.question(detached), f.a.h.config.Now()
	f.mu.Unlock()
	go f.run()
	select {
	case <-f.decided:
	case <-ctx.Done():
		f.leave()
		cancel()
		return folio.Raw{}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.state == over && f.err == nil:
		return f.raw, nil
	case f.state == over:
		return folio.Raw{}, f.err
	}
	if f.a.found.Body == nil && f.a.stored.kind == 0 && f.a.h.config.HitForMiss > 0 { // what is stored stays
		marker := response{kind: aMiss, came: f.a.now}
		return folio.Raw{Body: marker.append(nil), Keep: f.a.h.config.HitForMiss}, nil
	}
	return folio.Raw{}, folio.ErrAlone
}

// question is the request that the origin gets: for the whole response, in the words of the key.
func (f *fetch) question(ctx context.Context) *http.Request {
	out := f.a.q.Clone(ctx)
	out.Method, out.Body, out.ContentLength = http.MethodGet, http.NoBody, 0
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "If-Range", "Range"} {
		out.Header.Del(name)
	}
	if !f.a.Plain {
		out.URL.RawQuery = f.a.page.query
		out.RequestURI = out.URL.RequestURI()
		if v, there := normal("Accept-Encoding", out.Header); there {
			out.Header.Set("Accept-Encoding", v)
		}
		for _, name := range unkeyed {
			out.Header.Del(name)
		}
		if f.a.Route.Scope == nil {
			out.Header.Del("Cookie")
		}
	}
	if f.a.stored.kind == aResponse {
		h := f.a.stored.header()
		if tag := h.Get("Etag"); tag != "" {
			out.Header.Set("If-None-Match", tag)
		}
		if at := h.Get("Last-Modified"); at != "" {
			out.Header.Set("If-Modified-Since", at)
		}
	}
	return out
}

// unkeyed are fields that some origins answer differently by, and that no key has.
var unkeyed = []string{"X-Forwarded-Host", "X-Forwarded-Scheme", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Host", "X-Original-Url", "X-Rewrite-Url",
	"X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "Forwarded"}

// run has the origin's handler answer.
func (f *fetch) run() {
	defer close(f.done)
	defer f.cancel()
	defer func() {
		v := recover()
		f.finish(v)
	}()
	f.a.h.config.Next.ServeHTTP(f, f.out)
}

// leave is for the client's goroutine: from now on its ResponseWriter is not touched.
func (f *fetch) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.w = nil; f.state == open || f.state == passing {
		f.state = waste
	}
}

// Header returns the header that the handler fills in: the client's own once that gets the answer.
func (f *fetch) Header() http.Header {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == passing && f.w != nil {
		return f.w.Header()
	}
	return f.header
}

// WriteHeader decides what becomes of the answer. What is not final goes on to the client.
func (f *fetch) WriteHeader(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writeHeaderLocked(status)
}

func (f *fetch) writeHeaderLocked(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		f.interim(status)
		return
	}
	if f.status != 0 {
		return
	}
	f.status = status
	came := f.a.h.config.Now()
	if len(f.header["Date"]) == 0 {
		f.header.Set("Date", came.UTC().Format(http.TimeFormat))
	}
	stream := strings.HasPrefix(f.header.Get("Content-Type"), "text/event-stream")
	f.verdict = f.a.judge(f.a.q.Header, f.header, status, came)
	length, err := strconv.ParseInt(f.header.Get("Content-Length"), 10, 64)
	switch {
	case status == http.StatusNotModified && f.a.stored.kind == aResponse:
		f.state = keeping
	case status >= 500 && f.a.excusable():
		f.state, f.err = waste, fmt.Errorf("the origin answered %d", status)
	case f.state == waste:
	case f.verdict.keep && !stream && !(err == nil && length > f.a.h.config.MaxBody):
		f.state = keeping
	default:
		f.passLocked()
	}
}

// interim sends a 1xx on.
func (f *fetch) interim(status int) {
	if f.w == nil || f.state != open {
		return
	}
	h := f.w.Header()
	maps.Copy(h, f.header)
	f.w.WriteHeader(status)
	for name := range f.header {
		delete(h, name)
	}
}

// passLocked hands the answer over to the client, as far as it has come.
func (f *fetch) passLocked() {
	f.state = passing
	if f.w == nil {
		f.state = waste
		f.cancel()
	}
	defer close(f.decided)
	if f.w == nil {
		return
	}
	h := f.w.Header()
	maps.Copy(h, f.header)
	status := f.a.h.config.Name + "; fwd=" + f.a.fwd
	if f.status != http.StatusOK {
		status += "; fwd-status=" + strconv.Itoa(f.status)
	}
	if f.verdict.why != "" {
		status += "; detail=" + strconv.Quote(f.verdict.why)
	}
	h.Add("Cache-Status", status)
	f.a.downstreamPassing(h)
	f.w.WriteHeader(f.status)
	if len(f.body) > 0 {
		_, _ = f.w.Write(f.body)
	}
	f.body = nil
}

// downstreamPassing keeps what is of one principal from caches above, stored here or not.
func (r *route) downstreamPassing(h http.Header) {
	if !r.Plain && r.Route.Scope != nil && !strings.Contains(h.Get("Cache-Control"), "no-store") {
		h.Set("Cache-Control", "private, no-cache")
	}
}

// Write takes a part of the body.
func (f *fetch) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status == 0 {
		if f.header.Get("Content-Type") == "" && f.header.Get("Content-Encoding") == "" {
			f.header.Set("Content-Type", http.DetectContentType(b))
		}
		f.writeHeaderLocked(http.StatusOK)
	}
	switch f.state {
	case keeping:
		if int64(len(f.body)+len(b)) <= f.a.h.config.MaxBody {
			f.body = append(f.body, b...)
			return len(b), nil
		}
		f.verdict.why = "larger than MaxBody"
		f.passLocked()
	case waste:
		return len(b), nil
	}
	if f.w == nil {
		return 0, errGone
	}
	return f.w.Write(b)
}

var errGone = errors.New("httpcache: the client is gone")

// FlushError flushes what goes to the client. What is kept need not be.
func (f *fetch) FlushError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status == 0 {
		f.writeHeaderLocked(http.StatusOK)
	}
	if f.state != passing || f.w == nil {
		return nil
	}
	return http.NewResponseController(f.w).Flush()
}

// Flush is FlushError for who asks for a http.Flusher.
func (f *fetch) Flush() { _ = f.FlushError() }

// finish takes what came of an answer, once the handler has returned, or has panicked.
func (f *fetch) finish(panicked any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status == 0 && panicked == nil {
		f.writeHeaderLocked(http.StatusOK)
	}
	switch {
	case f.state == passing:
		if panicked != nil {
			f.err = &aborted{panicked, debug.Stack()}
		}
		return
	case isClosed(f.decided):
		return
	case panicked != nil:
		f.err = &aborted{panicked, debug.Stack()}
	case f.state == keeping:
		f.err = f.keep()
	case f.err == nil:
		f.err = errGone
	}
	f.state = over
	close(f.decided)
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// aborted is a handler's panic. That of net/http says that the response is cut short.
type aborted struct {
	value any
	stack []byte
}

// Error tells what the handler panicked with.
func (e *aborted) Error() string { return fmt.Sprintf("the origin's handler panicked: %v", e.value) }

// keep makes what is stored of an answer that has come whole.
func (f *fetch) keep() error {
	h, status := f.header, f.status
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return errors.New("it has trailers that it did not announce")
		}
	}
	if n, err := strconv.Atoi(h.Get("Content-Length")); err == nil && n != len(f.body) && bodied(status) {
		return fmt.Errorf("it said %d bytes and sent %d", n, len(f.body))
	}
	came, body := f.a.h.config.Now(), f.body
	if status == http.StatusNotModified {
		h, status, body = update(f.a.stored.header(), h), f.a.stored.status, f.a.stored.body
		f.verdict = f.a.judge(f.a.q.Header, h, status, came)
	}
	endToEnd(h)
	age := initialAge(h, f.asked, came)
	delete(h, "Content-Length")
	delete(h, "Age")
	if f.a.ETag && status == http.StatusOK && h.Get("Etag") == "" {
		h.Set("Etag", `W/"`+strconv.FormatUint(xxh3.Hash(body), 16)+`"`)
	}
	v := &f.verdict
	f.result = response{kind: aResponse, status: status, came: came, age: age, life: v.life, while: v.while, ifError: v.ifError,
		validate: v.validate, authored: v.authorizedReuse, fields: pack(h), body: body}
	f.raw = folio.Raw{}
	if !v.keep { // a 304 may say so
		return nil
	}
	f.store(h)
	return nil
}

// graceMost is for how long a response that can be validated is kept after it is stale.
const graceMost = time.Hour

// store says how the cache is to store the result, under which key.
func (f *fetch) store(h http.Header) {
	p := &f.result
	keep := p.life - p.age + max(p.while, p.ifError)
	if h.Get("Etag") != "" || h.Get("Last-Modified") != "" {
		keep = max(keep, 0) + graceMost
	}
	if keep <= 0 {
		return
	}
	raw := folio.Raw{Body: p.append(nil), Keep: keep, Tags: f.a.groups(f.a.q, h), Next: f.a.goesOn(f.a.page, h)}
	names := varies(h)
	if len(names) == 0 {
		f.raw = raw
		return
	}
	marker := append([]string{nonce()}, names...)
	if len(f.a.vary) > 0 && equalNames(f.a.vary[1:], names) {
		marker = f.a.vary
	}
	key, err := f.a.variantOf(f.a.page, marker, f.a.q.Header)
	switch {
	case err != nil: // longer than a key may be
	case key.String() == f.a.key.String():
		f.raw = raw
	default:
		m := response{kind: aVary, came: p.came, fields: strings.Join(marker, "\n")}
		f.raw = folio.Raw{Body: m.append(nil), Keep: keep, Aside: &folio.RawAside{Key: key, Raw: raw}}
	}
}

// answered answers the client with what its own question brought, if it was asked and brought something. It returns
// once the origin's handler is done with the client.
func (f *fetch) answered(a *asking) bool {
	f.mu.Lock()
	if !f.ran {
		f.w = nil
		f.mu.Unlock()
		return false
	}
	if f.state == passing {
		f.mu.Unlock()
		<-f.done
		if f.err != nil {
			panic(f.rethrown())
		}
		return true
	}
	if f.w = nil; f.state != over {
		f.mu.Unlock()
		return false // it was given up
	}
	p, failed := f.result, f.err
	f.mu.Unlock()
	if failed != nil {
		var e *aborted
		if errors.As(failed, &e) && e.value != http.ErrAbortHandler && !a.excusable() {
			panic(f.rethrown())
		}
		return false
	}
	status := a.h.config.Name + "; fwd=" + a.fwd + "; fwd-status=" + strconv.Itoa(f.status)
	if f.raw.Body != nil {
		status += "; stored"
	}
	a.now = a.h.config.Now()
	a.send(&p, status)
	return true
}

// rethrown is what the client's goroutine panics with where the handler did.
func (f *fetch) rethrown() any {
	var e *aborted
	if !errors.As(f.err, &e) {
		return f.err
	}
	if e.value == http.ErrAbortHandler {
		return http.ErrAbortHandler
	}
	return fmt.Sprintf("%v\n%s", e.value, e.stack)
}
