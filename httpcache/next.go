package httpcache

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/foliocache/folio"
)

// goesOn reports whether there may be a page behind a response's: as its Link says, or else its number.
func (r *route) goesOn(p *page, h http.Header) bool {
	if r.Plain || r.NoWarm {
		return false
	}
	if len(h["Link"]) > 0 {
		return nextLink(h["Link"]) != ""
	}
	return p.number > 0 && (r.Params.Page != "" || r.Params.Offset != "" && r.Params.DefaultLimit > 0)
}

// next returns the page behind the one that was just served, and how it is loaded: that of rel=next (RFC 8288), or else
// that of the next number.
func (a *asking) next() (folio.RawKey, func(context.Context) (folio.Raw, error), bool) {
	none := folio.RawKey{}
	h := a.stored.header()
	u := *a.q.URL
	switch link := nextLink(h["Link"]); {
	case link != "":
		to, err := a.q.URL.Parse(link)
		if err != nil || to.Path != a.q.URL.Path || to.Host != "" && to.Host != a.q.Host {
			return none, nil, false
		}
		u.RawQuery = to.RawQuery
	case len(h["Link"]) > 0 || !a.goesOn(a.page, h):
		return none, nil, false
	default:
		v, err := url.ParseQuery(a.page.query)
		if err != nil {
			return none, nil, false
		}
		p := folio.RawPage{Limit: a.limit(v)}
		a.turn(params(v), &p, a.page.number+1)
		u.RawQuery = v.Encode()
	}
	q := *a.q
	q.URL, q.Form, q.PostForm, q.MultipartForm = &u, nil, nil, nil
	p, err := a.route.page(&q)
	if err != nil || p.scope != a.page.scope {
		return none, nil, false
	}
	further := &asking{route: a.route, q: &q, page: p, now: a.now, fwd: "uri-miss"}
	further.look(nil)
	return further.key, further.fetch(nil).load, true
}

// limit returns how many rows a page of a query has; 0: unknown.
func (r *route) limit(v url.Values) int {
	if n, err := strconv.Atoi(v.Get(r.Params.Limit)); err == nil {
		return n
	}
	return r.Params.DefaultLimit
}

// nextLink returns the target of the first link with rel=next (RFC 8288, section 3).
func nextLink(lines []string) string {
	for _, line := range lines {
		for line != "" {
			start := strings.IndexByte(line, '<')
			if start < 0 {
				break
			}
			target, rest, ok := strings.Cut(line[start+1:], ">")
			if !ok {
				break
			}
			params, behind := cutLink(rest)
			if relNext(params) {
				return target
			}
			line = behind
		}
	}
	return ""
}

// cutLink cuts a link's parameters from the links behind it; commas in quotes separate nothing.
func cutLink(s string) (params, behind string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func relNext(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "rel") {
			for _, rel := range strings.Fields(strings.Trim(strings.TrimSpace(value), `"`)) {
				if strings.EqualFold(rel, "next") {
					return true
				}
			}
		}
	}
	return false
}
