package httpcache

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"

	"github.com/foliocache/folio"
)

var publicScope = folio.Public

// write has the origin answer a request that is neither GET nor HEAD, and outdates what it may have changed before
// the client hears of it.
func (r *route) write(w http.ResponseWriter, q *http.Request) {
	if slices.Contains([]string{http.MethodOptions, http.MethodTrace, http.MethodConnect}, q.Method) {
		r.h.pass(w, q, "method")
		return
	}
	mark := new(outcome)
	q = q.WithContext(context.WithValue(q.Context(), outcomeKey{}, mark))
	s := &stamped{ResponseWriter: w, status: r.h.config.Name + "; fwd=method"}
	s.final = func(status int) {
		if mark.unknown || changed(status) {
			r.outdate(q, w.Header())
		}
	}
	defer func() {
		if !s.wrote { // it was cut short: nobody knows what it did
			r.outdate(q, w.Header())
		}
	}()
	r.h.config.Next.ServeHTTP(s, q)
	if !s.wrote {
		s.WriteHeader(http.StatusOK)
	}
}

// changed reports whether a response of a status may be to a request that has changed something. Those that say that
// it has not are trusted; that a gateway got no answer does not say so.
func changed(status int) bool {
	return status < 400 || status == http.StatusBadGateway || status == http.StatusGatewayTimeout
}

// outcome says what a proxy knows of what became of a request.
type outcome struct{ unknown bool }

type outcomeKey struct{}

// outdate outdates what an unsafe request may have changed.
func (r *route) outdate(q *http.Request, h http.Header) {
	ctx := context.WithoutCancel(q.Context())
	var keys []string
	var err error
	if r.Plain {
		err = r.outdateURIs(q, h)
	} else {
		keys, err = r.outdateLists(ctx, q)
	}
	tags := r.invalidated(q, h)
	if err == nil && len(tags) > 0 {
		err = r.h.config.Cache.InvalidateTags(ctx, tags...)
	}
	for _, t := range tags {
		keys = append(keys, surrogate(string(t)))
	}
	if err != nil {
		r.h.config.Logger.Error("httpcache: a write is not told to the cache", "list", r.Name, "error", err)
	}
	if r.h.config.Purge != nil && len(keys) > 0 {
		r.h.config.Purge(ctx, keys)
	}
}

// outdateLists outdates the lists that the route names, for the writer's scope, or for all where that is not known.
func (r *route) outdateLists(ctx context.Context, q *http.Request) (keys []string, err error) {
	for _, l := range r.bumps {
		scope, unknown := l.scopeOf(q)
		if l.Route.Scope == nil {
			scope, unknown = folio.Public, nil // whoever writes
		}
		if r.Everybody || unknown != nil {
			keys = append(keys, surrogate(string(l.every)))
			err = r.h.config.Cache.InvalidateTags(ctx, l.every)
		} else {
			keys = append(keys, surrogate(string(l.list.Tag(scope))))
			err = l.list.Invalidate(ctx, scope)
		}
		if err != nil {
			return keys, err
		}
	}
	return keys, nil
}

// outdateURIs outdates the request's own URI, and those of the same origin that the response names (RFC 9111,
// section 4.4).
func (r *route) outdateURIs(q *http.Request, h http.Header) error {
	all := []string{q.URL.RequestURI()}
	for _, name := range []string{"Location", "Content-Location"} {
		u, err := url.Parse(h.Get(name))
		if err != nil || h.Get(name) == "" {
			continue
		}
		if u = q.URL.ResolveReference(u); u.Host == "" || u.Host == q.Host {
			all = append(all, u.RequestURI())
		}
	}
	for _, uri := range all {
		key, err := r.list.Key(folio.RawPage{Scope: folio.Scope{Kind: "uri", ID: q.Host + uri}})
		if err == nil {
			err = r.list.Forget(&key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	mostGroups  = 32
	mostGroupID = 128 // bytes
)

// groups are the tags of a response's Cache-Groups (RFC 9875, section 2).
func (r *route) groups(q *http.Request, h http.Header) []folio.Tag {
	return groupTags(q, h["Cache-Groups"])
}

// invalidated are the tags of a response's Cache-Group-Invalidation (RFC 9875, section 3).
func (r *route) invalidated(q *http.Request, h http.Header) []folio.Tag {
	return groupTags(q, h["Cache-Group-Invalidation"])
}

// groupTags reads a list of strings; each names a group of the request's origin alone.
func groupTags(q *http.Request, lines []string) (tags []folio.Tag) {
	if len(lines) == 0 {
		return nil
	}
	list, err := httpsfv.UnmarshalList(lines)
	if err != nil {
		return nil
	}
	for _, m := range list[:min(len(list), mostGroups)] {
		item, _ := m.(httpsfv.Item)
		if name, ok := item.Value.(string); ok && len(name) <= mostGroupID {
			tags = append(tags, folio.Tag("group:"+url.PathEscape(q.Host)+":"+url.PathEscape(name)))
		}
	}
	return tags
}

// surrogates are the keys of a page for the caches above: its scope's, its list's.
func (r *route) surrogates(scope string) string {
	return surrogate(scope) + " " + surrogate(string(r.every))
}

// surrogate writes a tag as a surrogate key: without spaces and commas, which separate those.
func surrogate(tag string) string {
	return strings.NewReplacer(" ", "%20", ",", "%2C").Replace(tag)
}

// nonce tells markers of one page apart.
func nonce() string { return rand.Text()[:16] }

func equalNames(a, b []string) bool { return slices.Equal(a, b) }
