package httpcache

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"

	"github.com/foliocache/folio"
)

// unsafe reports whether requests of a method may change something.
func unsafe(method string) bool {
	return !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodConnect}, method)
}

// write has the origin answer a request that may change something, and outdates what it may have changed before the
// client hears of it.
func (h *Handler) write(w http.ResponseWriter, q *http.Request) {
	targets := h.targets(q) // before the origin's handler may change the request, or who sends it
	s := &stamped{ResponseWriter: w, status: h.config.Name + "; fwd=method"}
	told := false
	tell := func() {
		if !told {
			told = true
			targets.outdate(context.WithoutCancel(q.Context()), w.Header())
		}
	}
	s.final = func(status int) {
		if changed(status) {
			tell()
		}
		if targets.route != nil {
			targets.route.confine(w.Header())
		}
	}
	returned := false
	defer func() {
		if !returned { // it was cut short: nobody knows what it did
			tell()
		}
	}()
	h.config.Next.ServeHTTP(s, q)
	s.begin()
	returned = true
}

// changed reports whether a response of a status may be to a request that has changed something. Those that say that
// it has not are trusted; that a gateway got no answer does not say so.
func changed(status int) bool {
	return status < 400 || status == http.StatusBadGateway || status == http.StatusGatewayTimeout
}

// targets is what a write may change.
type targets struct {
	h     *Handler
	route *route // of the request; nil: none
	plain *route // of the request's own URI, and of those that the response names
	host  string
	url   *url.URL
	tags  []folio.Tag // of lists
}

// targets works out what a request may change, however its path is spelled.
func (h *Handler) targets(q *http.Request) *targets {
	u := *q.URL
	t := &targets{h: h, host: hostOf(q), url: &u}
	r := h.near(q)
	if t.route = r; r == nil {
		return t
	}
	if r.Plain {
		t.plain = r
	}
	for _, l := range r.bumps {
		scope, err := l.scopeOf(q)
		switch {
		case l == r && r.Plain && !r.Everybody:
		case r.Everybody, l.ManyScopes, l.Plain, err != nil && l.Route.Scope != nil:
			t.tags = append(t.tags, l.every)
		case l.Route.Scope == nil:
			t.tags = append(t.tags, l.list.Tag(folio.Public)) // whoever writes
		default:
			t.tags = append(t.tags, l.list.Tag(scope))
		}
	}
	return t
}

// outdate outdates them, and the groups that the response names (RFC 9875, section 3).
func (t *targets) outdate(ctx context.Context, h http.Header) {
	tags := slices.Concat(t.tags, groupTags(t.host, h["Cache-Group-Invalidation"]))
	var faults []error
	if len(tags) > 0 {
		faults = append(faults, t.h.config.Cache.InvalidateTags(ctx, tags...))
	}
	if t.plain != nil {
		faults = append(faults, t.outdateURIs(h))
	}
	switch err := errors.Join(faults...); {
	case err == nil:
	case errors.Is(err, folio.ErrPending): // nothing else goes wrong with tags that are fine
		t.h.config.Logger.Warn("httpcache: other instances may answer with what was before a write", "path", t.url.Path, "error", err)
	default:
		t.h.config.Logger.Error("httpcache: a write cannot be told to the cache, which is emptied instead", "path", t.url.Path, "error", errors.Join(err, t.h.config.Cache.Flush()))
	}
	if t.h.config.Purge == nil || len(tags) == 0 {
		return
	}
	keys := make([]string, len(tags))
	for i, tag := range tags {
		keys[i] = tag.SurrogateKey()
	}
	t.h.config.Purge(ctx, keys)
}

// outdateURIs outdates the request's own URI, and those of the same origin that the response names (RFC 9111,
// section 4.4).
func (t *targets) outdateURIs(h http.Header) error {
	clean := url.URL{Path: path.Clean("/" + t.url.Path), RawQuery: t.url.RawQuery} // as others may spell it
	all := []string{t.url.RequestURI(), clean.RequestURI()}
	for _, name := range []string{"Location", "Content-Location"} {
		u, err := url.Parse(h.Get(name))
		if err != nil || h.Get(name) == "" {
			continue
		}
		if u = t.url.ResolveReference(u); u.Host == "" || strings.EqualFold(u.Host, t.host) {
			all = append(all, u.RequestURI())
		}
	}
	var faults []error
	for _, uri := range all {
		if key, err := t.plain.list.Key(folio.RawPage{Scope: uriScope(t.host, uri)}); err == nil { // what has no key is not stored
			faults = append(faults, t.plain.list.Forget(&key))
		}
	}
	return errors.Join(faults...)
}

const (
	mostGroups  = 32 // of a response that is stored
	mostGroupID = 128
	mostBumped  = 1024 // groups that one response invalidates
)

// groups are the tags of a response's Cache-Groups (RFC 9875, section 2).
func groups(q *http.Request, h http.Header) []folio.Tag {
	return groupTags(hostOf(q), h["Cache-Groups"])
}

// tooMany reports whether a response is in more groups than are remembered, or in longer ones.
func tooMany(lines []string) bool {
	if len(lines) == 0 {
		return false
	}
	list, err := httpsfv.UnmarshalList(lines)
	return err == nil && (len(list) > mostGroups || slices.ContainsFunc(list, func(m httpsfv.Member) bool { return len(groupID(m)) > mostGroupID }))
}

func groupID(m httpsfv.Member) string {
	item, _ := m.(httpsfv.Item)
	name, _ := item.Value.(string)
	return name
}

// groupTags reads a list of strings; each names a group of one origin alone.
func groupTags(host string, lines []string) (tags []folio.Tag) {
	if len(lines) == 0 {
		return nil
	}
	list, err := httpsfv.UnmarshalList(lines)
	if err != nil {
		return nil
	}
	for _, m := range list[:min(len(list), mostBumped)] {
		if name := groupID(m); name != "" && len(name) <= mostGroupID {
			tags = append(tags, folio.Tag("group:"+url.PathEscape(host)+":"+url.PathEscape(name)))
		}
	}
	return tags
}

// nonce tells markers of one page apart.
func nonce() string { return rand.Text()[:16] }
