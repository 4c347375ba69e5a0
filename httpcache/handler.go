package httpcache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/foliocache/folio"
)

// Handler answers requests from the cache, or has them answered. Safe for concurrent use.
type Handler struct {
	config Config
	mux    *http.ServeMux // of the patterns; it only matches
	routes map[string]*route
	exact  map[string]*route // by path, those whose pattern is one
}

// New makes a handler. The error joins every fault of the config; each is a folio.ErrConfig.
func New(config Config) (*Handler, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	h := &Handler{config: config.withDefaults(), mux: http.NewServeMux(), routes: map[string]*route{}, exact: map[string]*route{}}
	byName := map[string]*route{}
	for _, given := range h.config.Routes {
		r, err := h.route(given)
		if err != nil {
			return nil, err
		}
		byName[r.Name] = r
	}
	for _, r := range byName {
		for _, name := range r.Invalidates {
			r.bumps = append(r.bumps, byName[name])
		}
		if len(r.Invalidates) == 0 {
			r.bumps = []*route{r}
		}
	}
	return h, nil
}

// route makes a route ready.
func (h *Handler) route(given Route) (r *route, err error) {
	if len(given.Types) == 0 {
		given.Types = []string{"application/json"}
	}
	r = &route{Route: given, h: h, params: given.Params.names(), every: folio.Tag("route:" + given.Name)}
	r.varying = []string{"Accept", "Accept-Encoding", "Accept-Language", "Origin"}
	if given.Scope != nil {
		r.varying = append(r.varying, "Authorization", "Cookie") // the key has whose they are
	}
	for _, name := range given.Vary {
		r.varying = append(r.varying, http.CanonicalHeaderKey(name))
	}
	for _, name := range given.Forward {
		r.forward = append(r.forward, http.CanonicalHeaderKey(name))
	}
	defer func() {
		if v := recover(); v != nil { // what ServeMux does about patterns
			err = fmt.Errorf("%w: httpcache: route %q: %v", folio.ErrConfig, given.Name, v)
		}
	}()
	h.mux.Handle(given.Pattern, http.NotFoundHandler())
	h.routes[given.Pattern] = r
	if !strings.ContainsAny(given.Pattern, "{}") && !strings.HasSuffix(given.Pattern, "/") {
		h.exact[given.Pattern] = r
	}
	r.list, err = folio.NewRawList(h.config.Cache, given.Name, !given.NoWarm && !given.Plain)
	return r, err
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if !httpguts.ValidHostHeader(q.Host) { // net/http looks at those of HTTP/1 alone
		http.Error(w, "malformed Host", http.StatusBadRequest)
		return
	}
	if unsafe(q.Method) || overridden(q.Header) {
		h.write(w, q)
		return
	}
	switch r := h.find(q); {
	case r == nil:
		h.pass(w, q)
	case q.Method != http.MethodGet && q.Method != http.MethodHead:
		r.pass(w, q, "method")
	case r.odd(q):
		r.pass(w, q, "bypass")
	default:
		r.read(w, q)
	}
}

// overridden reports whether a request says that it is of another method than it is.
func overridden(h http.Header) bool {
	for _, name := range overrides {
		if len(h[name]) > 0 {
			return true
		}
	}
	return false
}

// odd reports whether a GET or HEAD is none that is answered from the cache.
func (r *route) odd(q *http.Request) bool {
	for _, name := range []string{"Upgrade", "If-Match", "If-Unmodified-Since"} {
		if len(q.Header[name]) > 0 {
			return true
		}
	}
	for _, line := range q.Header["Connection"] { // fields that a proxy removes, though the key may have them
		for option := range strings.SplitSeq(line, ",") {
			if !slices.Contains([]string{"", "close", "keep-alive", "te"}, strings.ToLower(strings.TrimSpace(option))) {
				return true
			}
		}
	}
	return q.ContentLength != 0 || len(q.TransferEncoding) > 0 || strings.Contains(strings.ToLower(q.Header.Get("Cache-Control")), "no-store")
}

// pass has the origin answer a request that no route maps as it is.
func (h *Handler) pass(w http.ResponseWriter, q *http.Request) {
	if r := h.likely(q); r != nil {
		r.pass(w, q, "bypass")
		return
	}
	s := &stamped{ResponseWriter: w, status: h.config.Name + "; fwd=bypass"}
	h.config.Next.ServeHTTP(s, q)
	s.begin()
}

// near returns the route that a request may be meant for, however its path is spelled; nil: none.
func (h *Handler) near(q *http.Request) *route {
	if r := h.find(q); r != nil {
		return r
	}
	return h.likely(q)
}

// likely is near, of a request that no route maps.
func (h *Handler) likely(q *http.Request) *route {
	return h.match(path.Clean("/"+q.URL.Path), q)
}

// pass is the handler's, of a request whose response may be one principal's.
func (r *route) pass(w http.ResponseWriter, q *http.Request, why string) {
	s := &stamped{ResponseWriter: w, status: r.h.config.Name + "; fwd=" + why}
	s.final = func(int) { r.confine(w.Header()) }
	r.h.config.Next.ServeHTTP(s, q)
	s.begin()
}

// read answers a GET or HEAD.
func (r *route) read(w http.ResponseWriter, q *http.Request) {
	p, err := r.page(q)
	switch {
	case errors.Is(err, errPass):
		r.pass(w, q, "bypass")
		return
	case err != nil:
		refuse(w, err)
		return
	}
	a := askings.Get().(*asking)
	*a = asking{route: r, w: w, q: q, page: p, now: r.h.config.Now()}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	a.look((*buffer)[:0])
	if a.found.Body != nil {
		*buffer = a.found.Body[:0]
	}
	if a.stored.kind == aResponse && a.usable() {
		a.hit()
		*a = asking{}
		askings.Put(a) // of a miss, others may have it yet
		return
	}
	a.miss()
}

var (
	buffers = sync.Pool{New: func() any { return new([]byte) }}
	askings = sync.Pool{New: func() any { return new(asking) }}
)

// refuse answers a request that asks for what there is not.
func refuse(w http.ResponseWriter, err error) {
	var bad *folio.QueryError
	text := http.StatusText(http.StatusBadRequest)
	if errors.As(err, &bad) {
		text = fmt.Sprintf("%s=%q: %s", bad.Param, bad.Value, bad.Reason)
	}
	http.Error(w, text, http.StatusBadRequest)
}

// asking is a GET or HEAD on its way.
type asking struct {
	*route
	w    http.ResponseWriter
	q    *http.Request
	page *page
	now  time.Time

	key    folio.RawKey // of what is stored for it, or would be
	marker []string     // that says what its responses vary by, if there is one
	found  folio.Found
	stored response // what was found; zero: nothing
	fwd    string   // why it is forwarded

	keyless bool // its variant has no key: longer than one may be
}

// look finds what is stored for a request.
func (a *asking) look(dst []byte) {
	a.key, a.marker, a.fwd, a.stored = a.page.key, nil, "uri-miss", response{}
	a.found = a.list.Find(dst, &a.key)
	if a.found.Body == nil {
		return
	}
	a.stored, _ = parse(a.found.Body[len(dst):])
	if a.stored.kind != aVary {
		return
	}
	a.list.Touch(&a.key, &a.found)
	a.marker, a.fwd = strings.Split(a.stored.fields, "\n"), "vary-miss"
	key, err := a.variant(a.page, a.marker, a.q.Header)
	a.stored, a.found = response{}, folio.Found{}
	if a.keyless = err != nil; a.keyless {
		return
	}
	a.key = key
	if a.found = a.list.Find(dst, &a.key); a.found.Body != nil {
		a.stored, _ = parse(a.found.Body[len(dst):])
	}
}

// usable reports whether what is stored may answer the request now, be it stale.
func (a *asking) usable() bool {
	p := &a.stored
	if len(a.q.Header["Authorization"]) > 0 && a.Scope == nil && !p.authored {
		a.fwd = "request"
		return false
	}
	if stale := a.staleness(); p.validate || stale >= 0 && stale >= p.while {
		a.fwd = "stale"
		return false
	}
	return true
}

// staleness is for how long what is stored has been stale; negative: it is fresh, for so long.
func (a *asking) staleness() time.Duration {
	_, stale := a.stored.ageAt(a.now)
	if a.found.Soft {
		stale = max(stale, a.found.Since)
	}
	return stale
}

// hit answers with what is stored.
func (a *asking) hit() {
	further := a.list.Serve(&a.key, &a.found)
	stale := a.staleness()
	status := a.h.config.Name + "; hit; ttl=" + seconds(-stale)
	if stale >= 0 {
		f := a.fetch(nil)
		_ = a.list.Refresh(a.q.Context(), &a.key, &a.found, f.load)
	}
	a.send(&a.stored, status, stale < 0)
	if further {
		a.list.Further(context.WithoutCancel(a.q.Context()), &a.key, a.next)
	}
}

// miss has a request answered by the origin, or by what it answers others meanwhile.
func (a *asking) miss() {
	if a.onlyIfCached() {
		a.w.Header().Set("Cache-Status", a.h.config.Name+"; fwd="+a.fwd+"; fwd-status=504")
		http.Error(a.w, http.StatusText(http.StatusGatewayTimeout), http.StatusGatewayTimeout)
		return
	}
	if a.q.Method == http.MethodHead || len(a.q.Header["Range"]) > 0 {
		a.pass(a.w, a.q, a.fwd) // what comes is not whole
		return
	}
	if a.page.before != nil {
		before := *a.page.before
		before.Scope = a.page.scope
		if key, err := a.list.Key(before); err == nil {
			a.key.Follow(&key)
		}
	}
	alone := a.stored.kind == aMiss
	for tries := 0; ; tries++ {
		if a.keyless || tries == mostTries {
			a.pass(a.w, a.q, a.fwd)
			return
		}
		f := a.fetch(a.w)
		body, source, err := a.list.Load(a.q.Context(), &a.key, &a.found, alone, f.load)
		if f.answered(a) {
			return
		}
		if err == nil && (source == folio.Joined || source == folio.Hit || source == folio.Shared) {
			asked := a.key.String()
			if a.shared(body, source) {
				return
			}
			if a.look(nil); a.stored.kind == aResponse && a.usable() {
				a.hit()
				return
			}
			alone = source != folio.Shared || a.key.String() == asked // else that was what its variants are told by
			continue
		}
		if !errors.Is(err, folio.ErrAlone) || alone {
			a.fail(err)
			return
		}
		alone = true
	}
}

const mostTries = 4 // to be answered with what others load

// shared answers with what was loaded for another request, if that will do.
func (a *asking) shared(body []byte, source folio.Source) bool {
	p, ok := parse(body)
	if ok && p.kind == aVary {
		a.look(nil)
		p, ok = a.stored, a.stored.kind == aResponse
	}
	if !ok || p.kind != aResponse {
		return false
	}
	a.stored, a.found, a.now = p, folio.Found{}, a.h.config.Now()
	if !a.usable() {
		return false
	}
	status := a.h.config.Name + "; hit"
	if source == folio.Joined {
		status = a.h.config.Name + "; fwd=" + a.fwd + "; collapsed"
	}
	a.send(&a.stored, status, a.there(&a.stored))
	return true
}

func (a *asking) onlyIfCached() bool {
	return slices.ContainsFunc(a.q.Header["Cache-Control"], func(line string) bool { return strings.Contains(strings.ToLower(line), "only-if-cached") })
}

// fail answers a request that nothing came of: with what is stale, as long as that is allowed.
func (a *asking) fail(err error) {
	if a.excusable() {
		a.send(&a.stored, a.h.config.Name+"; fwd=stale; ttl="+seconds(-a.staleness())+"; detail=stale-if-error", false)
		return
	}
	if errors.Is(a.q.Context().Err(), context.Canceled) {
		panic(http.ErrAbortHandler) // nobody is there any more
	}
	code := http.StatusBadGateway
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = http.StatusGatewayTimeout
	case errors.Is(err, folio.ErrClosed):
		code = http.StatusServiceUnavailable
	}
	a.h.config.Logger.Error("httpcache: a request cannot be answered", "list", a.Name, "status", code, "error", err)
	a.w.Header().Set("Cache-Status", a.h.config.Name+"; fwd="+a.fwd)
	http.Error(a.w, http.StatusText(code), code)
}

// excusable reports whether what is stored may answer where the origin fails: not if that is a failure, too.
func (a *asking) excusable() bool {
	return a.stored.kind == aResponse && a.stored.status < 500 && !a.stored.validate && a.staleness() < a.stored.ifError
}

// asked returns the route and the page that a request asks for.
func (h *Handler) asked(q *http.Request) (*route, *page, error) {
	if q.Host == "" && len(h.config.Hosts) == 1 {
		q = q.Clone(q.Context())
		q.Host = h.config.Hosts[0]
	}
	r := h.find(q)
	switch {
	case q.Host == "":
		return nil, nil, &folio.QueryError{Param: "url", Value: q.URL.String(), Reason: "it is not said of which host, which is part of the key: want http://HOST/…"}
	case r == nil:
		return nil, nil, &folio.QueryError{Param: "url", Value: q.URL.Path, Reason: "no route maps it"}
	}
	p, err := r.page(q)
	if errors.Is(err, errPass) {
		err = &folio.QueryError{Param: "url", Value: q.URL.String(), Reason: "it passes by: its scope is not known, or its route does not declare one of its parameters"}
	}
	return r, p, err
}

// Explain tells why the page that a request asks for is, or is not, found now. It counts as no read.
func (h *Handler) Explain(q *http.Request) (folio.Explanation, error) {
	r, p, err := h.asked(q)
	if err != nil {
		return folio.Explanation{}, err
	}
	return r.list.Explain(&p.key), nil
}

// Tags returns what the page that a request asks for depends on: all pages of its scope.
func (h *Handler) Tags(q *http.Request) ([]folio.Tag, error) {
	r, p, err := h.asked(q)
	if err != nil {
		return nil, err
	}
	return []folio.Tag{r.list.Tag(p.scope)}, nil
}
