package httpcache

import (
	"bytes"
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

	"github.com/foliocache/folio"
)

// fetch is one question to the origin. Its answer is kept whole until it is known to be one that can be stored; if it
// is not, it goes to the client who asked, as it comes. It is the ResponseWriter that the origin's handler gets.
type fetch struct {
	a       asking // as it was
	out     *http.Request
	cancel  context.CancelFunc
	asked   time.Time
	decided chan struct{} // closed once it is known what becomes of the answer
	done    chan struct{} // closed once the handler has returned

	// What became of it, not changed any more once decided is closed:
	passed bool // it goes to the client as it comes
	err    error
	raw    folio.Raw // what is stored; without a body: nothing is
	result response  // what the client gets, unless it has passed, or there is an error

	mu      sync.Mutex          // guards what is below, and the client's ResponseWriter
	ran     bool                // it was asked
	w       http.ResponseWriter // the client's; nil: nobody waits, or not any more
	header  http.Header         // that the handler fills in
	sent    http.Header         // as it was when the handler wrote it
	status  int
	keeping bool // the body is gathered
	wasted  bool // nobody wants it
	verdict verdict
	body    []byte
	cut     error // the handler's panic, if it has passed
}

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
	if f.a.stored.kind == aResponse {
		if now := f.a.list.Find(nil, &f.a.key); !now.Same(&f.a.found) { // a write has outdated it: a 304 would bring it back
			f.a.stored, f.a.found = response{}, now
		}
	}
	f.mu.Lock()
	f.ran, f.cancel, f.out, f.asked = true, cancel, f.a.question(detached), f.a.h.config.Now()
	f.mu.Unlock()
	go f.run()
	select {
	case <-f.decided:
	case <-ctx.Done():
		if f.giveUp() {
			return folio.Raw{}, ctx.Err()
		}
	}
	switch {
	case f.err != nil:
		return folio.Raw{}, f.err
	case f.raw.Body != nil:
		return f.raw, nil
	case f.a.found.Body == nil && f.a.h.config.HitForMiss > 0: // what is stored stays
		marker := response{kind: aMiss, came: f.a.now}
		return folio.Raw{Body: marker.append(nil), Keep: f.a.h.config.HitForMiss}, nil
	}
	return folio.Raw{}, folio.ErrAlone
}

// run has the origin's handler answer.
func (f *fetch) run() {
	defer close(f.done)
	defer f.cancel()
	returned := false
	defer func() {
		v := recover()
		if !returned && v == nil {
			v = http.ErrAbortHandler // runtime.Goexit
		}
		f.finish(v)
	}()
	f.a.h.config.Next.ServeHTTP(f, f.out)
	returned = true
}

// giveUp ends a question that takes too long, unless it is known what becomes of it.
func (f *fetch) giveUp() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if isClosed(f.decided) {
		return false
	}
	f.w, f.wasted = nil, true
	f.cancel()
	return true
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Header returns the header that the handler fills in.
func (f *fetch) Header() http.Header { return f.header }

// WriteHeader decides what becomes of the answer. What is not final goes on to the client.
func (f *fetch) WriteHeader(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writeHeaderLocked(status)
}

func (f *fetch) writeHeaderLocked(status int) {
	switch {
	case f.status != 0:
		return
	case status < 200:
		f.interimLocked(status)
		return
	}
	f.status, f.sent = status, canonical(f.header)
	came := f.a.h.config.Now()
	if len(f.sent["Date"]) == 0 {
		f.sent.Set("Date", came.UTC().Format(http.TimeFormat))
	}
	f.verdict = f.a.judge(f.a.q.Header, f.sent, status, came)
	length, err := strconv.ParseInt(f.sent.Get("Content-Length"), 10, 64)
	switch {
	case f.wasted:
	case status == http.StatusNotModified && f.a.stored.kind == aResponse:
		f.keeping = true
	case status >= 500 && f.a.excusable():
		f.wasted, f.err = true, fmt.Errorf("the origin answered %d", status)
	case err == nil && length > f.a.h.config.MaxBody:
		f.verdict.why = tooLarge
		f.passLocked()
	case strings.HasPrefix(f.sent.Get("Content-Type"), "text/event-stream"), !f.verdict.keep:
		f.passLocked()
	default:
		f.keeping = true
	}
}

const tooLarge = "larger than MaxBody"

// canonical copies a header; its names are as net/http writes them.
func canonical(h http.Header) http.Header {
	c := make(http.Header, len(h)+1)
	for name, values := range h {
		name = http.CanonicalHeaderKey(name)
		c[name] = append(c[name], values...)
	}
	return c
}

// interimLocked sends a 1xx on.
func (f *fetch) interimLocked(status int) {
	if f.w == nil {
		return
	}
	h := f.w.Header()
	before := maps.Clone(h)
	maps.Copy(h, f.header)
	f.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, before)
}

// passLocked hands the answer over to the client, as far as it has come. Nobody waits for that.
func (f *fetch) passLocked() {
	f.keeping, f.passed = false, true
	if f.w == nil {
		f.wasted = true
		f.cancel()
	}
	close(f.decided)
	if f.w == nil {
		return
	}
	h := f.w.Header()
	maps.Copy(h, f.sent)
	status := f.a.h.config.Name + "; fwd=" + f.a.fwd
	if f.status != http.StatusOK {
		status += "; fwd-status=" + strconv.Itoa(f.status)
	}
	if f.verdict.why != "" {
		status += "; detail=" + strconv.Quote(f.verdict.why)
	}
	h.Add("Cache-Status", status)
	f.a.confine(h)
	f.w.WriteHeader(f.status)
	if len(f.body) > 0 {
		_, _ = f.w.Write(f.body)
	}
	f.body = nil
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
	if f.keeping {
		if int64(len(f.body)+len(b)) <= f.a.h.config.MaxBody {
			f.body = append(f.body, b...)
			return len(b), nil
		}
		f.verdict.why = tooLarge
		f.passLocked()
	}
	switch {
	case f.wasted && f.err != nil:
		return len(b), nil // it is read to its end
	case f.w == nil:
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
	if !f.passed || f.w == nil {
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
	var cut error
	if panicked != nil {
		cut = &aborted{panicked, debug.Stack()}
		if f.w == nil && panicked != http.ErrAbortHandler {
			f.a.h.config.Logger.Error("httpcache: the origin's handler panicked, and nobody waits", "list", f.a.Name, "error", cut, "stack", string(debug.Stack()))
		}
	}
	switch {
	case f.passed:
		f.cut = cut
		f.trailersLocked()
		return
	case cut != nil:
		f.err = cut
	case f.keeping:
		f.err = f.keepLocked()
	case f.err == nil:
		f.err = errGone
	}
	close(f.decided)
}

// trailersLocked hands on the trailers of what has passed.
func (f *fetch) trailersLocked() {
	if f.w == nil {
		return
	}
	h := f.w.Header()
	for name, values := range f.header {
		announced := slices.ContainsFunc(f.sent["Trailer"], func(line string) bool { return strings.Contains(strings.ToLower(line), strings.ToLower(name)) })
		if announced || strings.HasPrefix(name, http.TrailerPrefix) {
			h[name] = values
		}
	}
}

// aborted is a handler's panic. That of net/http says that the response is cut short.
type aborted struct {
	value any
	stack []byte
}

// Error tells what the handler panicked with.
func (e *aborted) Error() string { return fmt.Sprintf("the origin's handler panicked: %v", e.value) }

// rethrown is what the client's goroutine panics with where the handler did.
func (e *aborted) rethrown() any {
	if e.value == http.ErrAbortHandler {
		return e.value
	}
	return fmt.Sprintf("%v\n%s", e.value, e.stack)
}

// answered answers the client with what its own question brought, if it was asked and brought something. It returns
// once the origin's handler is done with the client.
func (f *fetch) answered(a *asking) bool {
	f.mu.Lock()
	if ran := f.ran; !ran || !isClosed(f.decided) { // the client waits no more; others may
		f.w = nil
		f.mu.Unlock()
		return false
	}
	f.mu.Unlock()
	if f.passed {
		defer context.AfterFunc(a.q.Context(), f.cancel)() // who reads a stream may go at any time
		<-f.done
		if cut, ok := f.cut.(*aborted); ok {
			panic(cut.rethrown())
		}
		return true
	}
	if f.err != nil {
		var cut *aborted
		if errors.As(f.err, &cut) && cut.value != http.ErrAbortHandler && !a.excusable() {
			panic(cut.rethrown())
		}
		return false
	}
	status := a.h.config.Name + "; fwd=" + a.fwd + "; fwd-status=" + strconv.Itoa(f.status)
	a.now = a.h.config.Now()
	stored := f.raw.Body != nil && a.there(&f.result)
	if stored {
		status += "; stored"
	}
	a.send(&f.result, status, stored)
	return true
}

// there reports whether a response is what is found for a request now: by what it says, for two may come at one time.
func (a *asking) there(p *response) bool {
	now := *a
	now.look(nil)
	return now.stored.kind == aResponse && now.stored.fields == p.fields && bytes.Equal(now.stored.body, p.body) && !now.found.Soft
}
