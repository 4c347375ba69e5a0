package httpcache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio"
)

// question is the request that the origin gets: for the whole response, in the words of the key.
func (a *asking) question(ctx context.Context) *http.Request {
	if ctx.Value(http.ServerContextKey) == nil { // what tells a proxy that it may cut a response short
		ctx = context.WithValue(ctx, http.ServerContextKey, new(http.Server))
	}
	out := a.q.Clone(context.WithValue(ctx, sharedKey{}, true))
	out.Method, out.Body, out.ContentLength = http.MethodGet, http.NoBody, 0
	out.Form, out.PostForm, out.MultipartForm = nil, nil, nil // of another query, maybe
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "If-Range", "Range"} {
		out.Header.Del(name)
	}
	if !a.Plain {
		out.URL.RawQuery = a.page.query
		out.RequestURI = out.URL.RequestURI()
		for name := range out.Header {
			if unkeyed(name) || a.Route.Scope == nil && !slices.Contains(a.varying, name) && !slices.Contains(a.forward, name) {
				delete(out.Header, name)
			}
		}
		if v, there := normal("Accept-Encoding", out.Header); there {
			out.Header.Set("Accept-Encoding", v)
		}
		if len(out.Header["User-Agent"]) == 0 {
			out.Header.Set("User-Agent", a.h.config.Name)
		}
	}
	if a.stored.kind == aResponse {
		h := a.stored.header()
		if tag := h.Get("Etag"); tag != "" {
			out.Header.Set("If-None-Match", tag)
		}
		if at := h.Get("Last-Modified"); at != "" {
			out.Header.Set("If-Modified-Since", at)
		}
	}
	return out
}

// sharedKey marks the context of a question whose answer may go to others.
type sharedKey struct{}

// unkeyed reports whether a field is one that some origins answer differently by, and that no key has.
func unkeyed(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-Original-") || strings.HasPrefix(name, "X-Rewrite-") || slices.Contains(overrides[:], name) ||
		slices.Contains([]string{"Forwarded", "X-Host", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Cf-Visitor", "Front-End-Https", "X-Url-Scheme", "X-Scheme"}, name)
}

// overrides are fields that some origins take the method from.
var overrides = [...]string{"X-Http-Method", "X-Http-Method-Override", "X-Method-Override"}

// keepLocked makes what is stored of an answer that has come whole.
func (f *fetch) keepLocked() error {
	h, status, body := f.sent, f.status, f.body
	for name := range f.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return errors.New("it has trailers that it did not announce")
		}
	}
	if n, err := strconv.Atoi(h.Get("Content-Length")); err == nil && n != len(body) && bodied(status) {
		return fmt.Errorf("it said %d bytes and sent %d", n, len(body))
	}
	came := f.a.h.config.Now()
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
	if v.keep { // a 304 may say otherwise
		f.raw = f.a.raw(&f.result, h)
	}
	return nil
}

// graceMost is for how long a response that can be validated is kept after it is stale.
const graceMost = time.Hour

// raw says how the cache is to store a response, under which key; without a body: not.
func (a *asking) raw(p *response, h http.Header) folio.Raw {
	keep := p.life - p.age + max(p.while, p.ifError)
	if h.Get("Etag") != "" || h.Get("Last-Modified") != "" {
		keep = max(keep, 0) + graceMost
	}
	if keep <= 0 {
		return folio.Raw{}
	}
	whole := folio.Raw{Body: p.append(nil), Keep: keep, Tags: groups(a.q, h), Next: a.goesOn(a.page, h)}
	names := varies(h)
	switch {
	case len(names) == 0 && a.marker == nil:
		return whole
	case a.marker != nil && contains(a.marker[1:], names): // as the marker says, or by less
		return whole
	case a.marker != nil:
		names = slices.Compact(slices.Sorted(slices.Values(slices.Concat(names, a.marker[1:]))))
	}
	all := append([]string{nonce()}, names...)
	key, err := a.variant(a.page, all, a.q.Header)
	if err != nil {
		return folio.Raw{} // longer than a key may be
	}
	marker := response{kind: aVary, came: p.came, fields: strings.Join(all, "\n")}
	made := folio.Raw{Body: marker.append(nil), Keep: keep, Asides: []folio.RawAside{{Key: key, Raw: whole}}}
	if a.marker != nil { // it is loaded as a variant under a marker that says too little
		made.Asides = append(made.Asides, folio.RawAside{Key: a.page.key, Raw: folio.Raw{Body: made.Body, Keep: keep}})
	}
	return made
}

// contains reports whether all has each of some.
func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}
