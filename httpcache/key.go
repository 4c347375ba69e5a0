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
)

// route is a Route, and what is worked out of it once.
type route struct {
	Route
	h      *Handler
	list   *folio.RawList
	params []string // declared
	vary   []string
	bumps  []*route // whose lists a write outdates
	every  folio.Tag
}

// page is what a request asks for, in canonical form.
type page struct {
	scope  folio.Scope
	query  string // as the origin is to be asked
	key    folio.RawKey
	number int // of the page, from 1; 0: unknown
}

// errPass says that a request is none that can be answered from the cache, and passes by.
var errPass = errors.New("httpcache: not to be cached")

// find returns the route of a request; nil: there is none.
func (h *Handler) find(r *http.Request) *route {
	p := r.URL.Path
	if p == "" || r.URL.RawPath != "" || path.Clean(p) != p && path.Clean(p)+"/" != p {
		return nil // two names of one thing: the origin may see another one than the route does
	}
	if len(h.config.Hosts) > 0 && !slices.Contains(h.config.Hosts, r.Host) {
		return nil
	}
	if found := h.exact[p]; found != nil {
		return found
	}
	_, pattern := h.mux.Handler(r)
	return h.routes[pattern]
}

// scopeOf returns whose rows a request may see. An error lets it pass by.
func (r *route) scopeOf(q *http.Request) (folio.Scope, error) {
	switch {
	case r.Plain:
		return folio.Scope{Kind: "uri", ID: q.Host + q.URL.RequestURI()}, nil
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
func (r *route) page(q *http.Request) (p page, err error) {
	if p.scope, err = r.scopeOf(q); err != nil {
		return p, errPass
	}
	raw := folio.RawPage{Scope: p.scope, Tags: []folio.Tag{r.every}}
	if r.Plain {
		p.query = q.URL.RawQuery
	} else {
		params, err := r.parse(q.URL.RawQuery)
		if err != nil {
			return p, err
		}
		if err := r.place(params, &raw); err != nil {
			return p, err
		}
		p.query, p.number = r.canonical(params), raw.Page
		raw.Rest = q.Host + q.URL.Path + "?" + r.rest(params)
	}
	p.key, err = r.list.Key(raw)
	return p, err
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
		case r.Params.Unknown == Reject && !tracker(name):
			return nil, &folio.QueryError{Param: name, Value: v.Get(name), Reason: "no such parameter"}
		case r.Params.Unknown == Pass && !tracker(name):
			return nil, errPass
		}
		delete(v, name)
	}
	return params(v), nil
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
	p.Page, faults[2] = number(r.Params.Page, 1, 1)
	if err := errors.Join(faults[:]...); err != nil {
		return err
	}
	if most := r.Params.MaxLimit; most > 0 && p.Limit > most {
		p.Limit = most
		v[r.Params.Limit] = []string{strconv.Itoa(most)}
	}
	if p.Limit > 0 && p.Limit == r.Params.DefaultLimit {
		delete(v, r.Params.Limit) // as good as said
	}
	if r.Params.Cursor != "" && len(v[r.Params.Cursor]) > 0 {
		p.Cursor = strings.Join(v[r.Params.Cursor], "\x00")
	}
	if r.Params.Sort != "" {
		p.Sort = strings.Join(v[r.Params.Sort], "\x00")
	}
	return r.deep(v, p)
}

// deep works out how deep a page is, and refuses those that are too deep.
func (r *route) deep(v params, p *folio.RawPage) error {
	name, value := r.Params.Page, p.Page
	switch {
	case r.Params.Offset != "" && p.Offset > 0:
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
	if p.Page == 1 && r.Params.Page != "" {
		delete(v, r.Params.Page) // as good as said
	}
	if p.Offset == 0 && r.Params.Offset != "" {
		delete(v, r.Params.Offset)
	}
	return nil
}

// canonical writes the query that the origin is asked with.
func (r *route) canonical(v params) string { return url.Values(v).Encode() }

// rest writes the parameters that are no field of a RawPage.
func (r *route) rest(v params) string {
	others := make(url.Values, len(v))
	for name, values := range v {
		if name != r.Params.Limit && name != r.Params.Cursor && name != r.Params.Sort {
			others[name] = values
		}
	}
	return others.Encode()
}

// tracker reports whether a parameter is one that advertisers and libraries add to any URL.
func tracker(name string) bool {
	return strings.HasPrefix(name, "utm_") || slices.Contains([]string{"gclid", "fbclid", "msclkid", "_"}, name)
}

// variant returns the key of the response that a request gets of those that vary by some fields.
func (r *route) variant(p *page, marker *response, q *http.Request) (folio.RawKey, error) {
	return r.variantOf(p, strings.Split(marker.fields, "\n"), q.Header)
}

// variantOf names a variant by the values of the fields that responses vary by, after the first name, which is that of
// the marker itself: with another marker, what was stored under this one is not found any more.
func (r *route) variantOf(p *page, names []string, h http.Header) (folio.RawKey, error) {
	var b strings.Builder
	b.WriteString(p.key.String())
	for i, name := range names {
		fmt.Fprintf(&b, "\n%d:%s", len(name), name)
		if i == 0 {
			continue
		}
		v, there := normal(name, h)
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
			all[i] = strings.ToLower(strings.ReplaceAll(all[i], " ", ""))
		}
		if !slices.ContainsFunc(all, func(v string) bool { return strings.Contains(v, ";") }) {
			slices.Sort(all)
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
