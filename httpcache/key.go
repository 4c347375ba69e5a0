package httpcache

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/internal/tracking"
)

// route is a Route, and what is worked out of it once.
type route struct {
	Route
	h       *Handler
	list    *folio.RawList
	params  []string // declared
	varying []string // fields that responses may vary by
	forward []string
	memo    memo
	bumps   []*route // whose lists a write outdates
	every   folio.Tag
}

// page is what a request asks for, in canonical form.
type page struct {
	scope  folio.Scope
	query  string // as the origin is to be asked
	key    folio.RawKey
	number int            // of the page, from 1; 0: unknown
	before *folio.RawPage // the page before, but for its scope; nil: unknown
}

// errPass says that a request is none that can be answered from the cache, and passes by.
var errPass = errors.New("httpcache: not to be cached")

// find returns the route of a request to read; nil: there is none.
func (h *Handler) find(q *http.Request) *route {
	p := q.URL.Path
	if p == "" || q.URL.RawPath != "" || len(h.config.Hosts) > 0 && !slices.Contains(h.config.Hosts, q.Host) {
		return nil
	}
	if found := h.exact[p]; found != nil {
		return found
	}
	if clean := path.Clean(p); clean != p && clean+"/" != p {
		return nil // two names of one thing: the origin may see another one than the route does
	}
	return h.match(p, q)
}

// match returns the route of a path.
func (h *Handler) match(p string, q *http.Request) *route {
	if found := h.exact[p]; found != nil {
		return found
	}
	_, pattern := h.mux.Handler(&http.Request{Method: http.MethodGet, Host: q.Host, URL: &url.URL{Path: p}})
	return h.routes[pattern]
}

// hostOf returns a request's host as keys have it.
func hostOf(q *http.Request) string { return strings.ToLower(q.Host) }

// uriScope is the scope of one URI, of a route that is Plain.
func uriScope(host, uri string) folio.Scope { return folio.Scope{Kind: "uri", ID: host + uri} }

// scopeOf returns whose rows a request may see. An error lets it pass by.
func (r *route) scopeOf(q *http.Request) (folio.Scope, error) {
	switch {
	case r.Plain:
		return uriScope(hostOf(q), q.URL.RequestURI()), nil
	case r.Scope != nil:
		s, err := r.Scope(q)
		if err == nil && s.Kind == "" {
			err = errPass
		}
		return s, err
	case len(q.Header["Authorization"]) > 0, len(q.Header["Cookie"]) > 0 && !r.Cookies:
		return folio.Scope{}, errPass
	}
	return folio.Public, nil
}

// page returns what a request asks for. The error is errPass, or a QueryError.
func (r *route) page(q *http.Request) (*page, error) {
	scope, err := r.scopeOf(q)
	if err != nil {
		return nil, errPass
	}
	if r.Plain {
		p := page{scope: scope, query: q.URL.RawQuery}
		p.key, err = r.list.Key(folio.RawPage{Scope: scope, Tags: []folio.Tag{r.every}})
		return &p, keyed(err)
	}
	known := r.memo.find(q)
	if known == nil {
		if known, err = r.reading(q); err != nil {
			return nil, err
		}
		r.memo.keep(q, known)
	}
	if scope == folio.Public {
		return &known.page, nil
	}
	p := known.page
	raw := known.raw
	p.scope, raw.Scope = scope, scope
	p.key, err = r.list.Key(raw)
	return &p, keyed(err)
}

// keyed makes of what has no key something that passes by.
func keyed(err error) error {
	if err != nil {
		return errPass
	}
	return nil
}

// reading reads what a request asks for, whoever sends it.
func (r *route) reading(q *http.Request) (*remembered, error) {
	m := &remembered{raw: folio.RawPage{Scope: folio.Public, Tags: []folio.Tag{r.every}}}
	params, err := r.parse(q.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if err := r.place(params, &m.raw); err != nil {
		return nil, err
	}
	path := hostOf(q) + q.URL.Path + "?"
	m.page = page{scope: folio.Public, query: url.Values(params).Encode(), number: m.raw.Page}
	m.raw.Rest = path + m.page.query
	if m.page.number > 1 && m.raw.Cursor == "" {
		before := m.raw
		r.turn(params, &before, before.Page-1)
		before.Rest = path + url.Values(params).Encode()
		m.page.before = &before
	}
	m.page.key, err = r.list.Key(m.raw)
	return m, keyed(err)
}

// params are a query's, by name; values as they came, but for those that r.parse makes canonical.
type params map[string][]string

// parse reads a query strictly: what any two readers may read differently is an error.
func (r *route) parse(raw string) (params, error) {
	if raw == "" {
		return params{}, nil
	}
	if len(raw) > maxQueryBytes {
		return nil, &folio.QueryError{Param: "query", Value: raw[:64] + "…", Reason: fmt.Sprintf("longer than %d bytes", maxQueryBytes)}
	}
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &folio.QueryError{Param: "query", Value: raw, Reason: err.Error()}
	}
	if len(v) > maxParams {
		return nil, &folio.QueryError{Param: "query", Value: strconv.Itoa(len(v)), Reason: fmt.Sprintf("more than %d parameters", maxParams)}
	}
	for name := range v {
		if slices.Contains(r.params, name) {
			continue
		}
		switch {
		case r.Params.Unknown == Reject && !tracking.Param(name):
			return nil, &folio.QueryError{Param: name, Value: v.Get(name), Reason: "no such parameter"}
		case r.Params.Unknown == Pass && !tracking.Param(name):
			return nil, errPass
		}
		delete(v, name)
	}
	return params(v), nil
}

// first is the number of the first page.
func (r *route) first() int {
	if r.Params.ZeroBased {
		return 0
	}
	return 1
}

// place makes what says where a page begins canonical.
func (r *route) place(v params, p *folio.RawPage) error {
	number := func(name string, least, assumed int) (int, error) {
		values := v[name]
		if name == "" || len(values) == 0 {
			return assumed, nil
		}
		n, err := strconv.Atoi(values[0])
		if err != nil || n < least || len(values) > 1 {
			return 0, &folio.QueryError{Param: name, Value: strings.Join(values, ","), Reason: "want one whole number from " + strconv.Itoa(least)}
		}
		v[name] = []string{strconv.Itoa(n)}
		return n, nil
	}
	var faults [3]error
	p.Limit, faults[0] = number(r.Params.Limit, 1, r.Params.DefaultLimit)
	p.Offset, faults[1] = number(r.Params.Offset, 0, 0)
	p.Page, faults[2] = number(r.Params.Page, r.first(), r.first())
	p.Page += 1 - r.first()
	if err := errors.Join(faults[:]...); err != nil {
		return err
	}
	if most := r.Params.MaxLimit; most > 0 && p.Limit > most {
		p.Limit = most
	}
	if p.Limit > 0 && r.Params.Limit != "" {
		v[r.Params.Limit] = []string{strconv.Itoa(p.Limit)} // said or not: the origin's default may be another
	}
	if r.Params.Cursor != "" && len(v[r.Params.Cursor]) > 0 {
		p.Cursor = strings.Join(v[r.Params.Cursor], ",") // Rest has all of it
	}
	if r.Params.Sort != "" {
		p.Sort = strings.Join(v[r.Params.Sort], ",")
	}
	return r.deep(v, p)
}

// deep works out how deep a page is, and refuses those that are too deep.
func (r *route) deep(v params, p *folio.RawPage) error {
	name, value := r.Params.Page, p.Page
	switch {
	case p.Offset > 0 && p.Page > 1:
		return &folio.QueryError{Param: r.Params.Offset, Value: strconv.Itoa(p.Offset), Reason: "given beside " + r.Params.Page}
	case p.Offset > 0:
		name, value = r.Params.Offset, p.Offset
		p.Page = p.Offset/max(1, p.Limit) + 1
	case r.Params.Page == "" && r.Params.Offset == "" && r.Params.Cursor == "":
		p.Page = 0
	case p.Cursor != "":
		p.Page = 0
	default:
		p.Offset = (p.Page - 1) * p.Limit
	}
	most := r.Params.MaxPage
	if most == 0 {
		most = defaultMaxRows / max(1, p.Limit)
	}
	if p.Page > most {
		return &folio.QueryError{Param: name, Value: strconv.Itoa(value), Reason: fmt.Sprintf("beyond page %d", most)}
	}
	for name, assumed := range map[string]string{r.Params.Page: strconv.Itoa(r.first()), r.Params.Offset: "0"} {
		if slices.Equal(v[name], []string{assumed}) {
			delete(v, name) // as good as not said
		}
	}
	return nil
}

// turn turns the page of a query to another number, in canonical form.
func (r *route) turn(v params, p *folio.RawPage, number int) {
	set := func(name string, n, assumed int) {
		if name == "" {
			return
		}
		if delete(v, name); n != assumed {
			v[name] = []string{strconv.Itoa(n)}
		}
	}
	p.Page, p.Offset = number, (number-1)*p.Limit
	if r.Params.Page != "" {
		set(r.Params.Page, number-1+r.first(), r.first())
	} else {
		set(r.Params.Offset, p.Offset, 0)
	}
}

// variant names the variant of a page by the values of the fields that its responses vary by, after the first name,
// which is that of the marker itself: with another marker, what was stored under this one is not found any more.
func (r *route) variant(p *page, names []string, h http.Header) (folio.RawKey, error) {
	var b strings.Builder
	b.WriteString(p.key.String())
	for i, name := range names {
		fmt.Fprintf(&b, "\n%d:%s", len(name), name)
		if i == 0 {
			continue
		}
		v, there := normal(name, h)
		if r.Plain && name == "Accept-Encoding" { // the origin sees all of it
			v = strings.Join(h[name], ",")
		}
		fmt.Fprintf(&b, "=%t,%d:%s", there, len(v), v)
	}
	return r.list.Key(folio.RawPage{Scope: p.scope, Page: p.number, Rest: b.String(), Tags: []folio.Tag{r.every}})
}

// normal returns a field's values in a form that is the same where they mean the same.
func normal(name string, h http.Header) (value string, there bool) {
	lines := h[name]
	if len(lines) == 0 {
		return "", false
	}
	var all []string
	for _, line := range lines {
		for v := range strings.SplitSeq(line, ",") {
			all = append(all, strings.TrimSpace(v))
		}
	}
	switch name {
	case "Accept-Encoding":
		return encodings(all), true
	case "Accept-Language", "Accept":
		for i := range all {
			if !strings.Contains(all[i], `"`) {
				all[i] = strings.ToLower(strings.ReplaceAll(all[i], " ", ""))
			}
		}
	}
	return strings.Join(all, ","), true
}

// encodings keeps of Accept-Encoding what this cache tells apart.
func encodings(all []string) string {
	var known []string
	for _, v := range all {
		name, weight, _ := strings.Cut(strings.ToLower(v), ";")
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
		if name = strings.TrimSpace(name); slices.Contains([]string{"br", "zstd", "gzip", "identity"}, name) && (err != nil || q > 0) {
			known = append(known, name)
		}
	}
	slices.Sort(known)
	return strings.Join(slices.Compact(known), ",")
}
