package httpcache

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/pquerna/cachecontrol/cacheobject"
)

// control is what a response says of itself to this cache: Cache-Control, or what of RFC 9213 stands in for it.
type control struct {
	noStore, noCache, private, public bool
	revalidate                        bool // never serve it stale
	understand                        bool // must-understand: no-store is for those who do not
	targeted                          bool // Expires does not count
	maxAge, sharedAge                 time.Duration
	whileRevalidate, ifError          time.Duration // -1: it does not say
}

// none is a duration that was not given.
const none = time.Duration(-1)

// longest bounds durations of the protocol: more would overflow.
const longest = 10 * 365 * 24 * time.Hour

// controlOf reads a response's. What cannot be read forbids to store it.
func controlOf(h http.Header, targeted []string) control {
	for _, name := range targeted {
		if c, ok := targetedControl(h[name]); ok {
			return c
		}
	}
	c := control{maxAge: none, sharedAge: none, whileRevalidate: none, ifError: none}
	if len(h["Cache-Control"]) == 0 {
		return c
	}
	d, err := cacheobject.ParseResponseCacheControl(strings.Join(h["Cache-Control"], ", "))
	if err != nil {
		c.noStore = true
		return c
	}
	c.noStore, c.noCache, c.private, c.public = d.NoStore, d.NoCachePresent, d.PrivatePresent, d.Public
	c.revalidate = d.MustRevalidate || d.ProxyRevalidate
	c.understand = slices.Contains(d.Extensions, "must-understand")
	c.maxAge, c.sharedAge = delta(d.MaxAge), delta(d.SMaxAge)
	c.whileRevalidate, c.ifError = delta(d.StaleWhileRevalidate), delta(d.StaleIfError)
	return c
}

func delta(s cacheobject.DeltaSeconds) time.Duration {
	if s < 0 {
		return none
	}
	return min(longest, time.Duration(s)*time.Second)
}

// targetedControl reads a targeted field, a dictionary of structured fields. One that is empty or malformed is as
// good as none (RFC 9213, section 2.2).
func targetedControl(lines []string) (control, bool) {
	if len(lines) == 0 {
		return control{}, false
	}
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(dict.Names()) == 0 {
		return control{}, false
	}
	flag := func(name string) bool {
		m, ok := dict.Get(name)
		item, isItem := m.(httpsfv.Item)
		return ok && !(isItem && item.Value == false)
	}
	age := func(name string) time.Duration {
		m, _ := dict.Get(name)
		item, _ := m.(httpsfv.Item)
		if n, ok := item.Value.(int64); ok && n >= 0 {
			return min(longest/time.Second, time.Duration(n)) * time.Second
		}
		return none
	}
	return control{targeted: true, noStore: flag("no-store"), noCache: flag("no-cache"), private: flag("private"), public: flag("public"),
		revalidate: flag("must-revalidate") || flag("proxy-revalidate"), understand: flag("must-understand"),
		maxAge: age("max-age"), sharedAge: age("s-maxage"), whileRevalidate: age("stale-while-revalidate"), ifError: age("stale-if-error")}, true
}

// understood are the statuses whose caching is understood (RFC 9110, section 15), and heuristic those that are
// cacheable by default among them.
var (
	understood = []int{200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 500, 501, 502, 503, 504, 505}
	heuristic  = []int{200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}
)

// heuristicShare is the part of the time since it was modified that a response is taken to be fresh for (RFC 9111,
// section 4.2.2), and heuristicMost its bound.
const (
	heuristicShare = 10
	heuristicMost  = 24 * time.Hour
)

// verdict is what becomes of a response.
type verdict struct {
	keep            bool
	why             string        // if not
	life            time.Duration // freshness lifetime
	while, ifError  time.Duration // that it may be served stale for
	validate        bool          // it is never served without validation
	authorizedReuse bool          // requests with Authorization may get it
}

// judge says what becomes of a response to a GET, as RFC 9111, section 3, and the route have it.
func (r *route) judge(request, h http.Header, status int, now time.Time) verdict {
	c := controlOf(h, r.h.config.Targeted)
	v := verdict{validate: c.noCache, authorizedReuse: c.public || c.revalidate || c.sharedAge != none}
	if v.why = r.forbidden(&c, request, h, status); v.why != "" {
		return v
	}
	explicit := true
	switch expires := h["Expires"]; {
	case c.sharedAge != none:
		v.life = c.sharedAge
	case c.maxAge != none:
		v.life = c.maxAge
	case len(expires) > 0 && !c.targeted:
		v.life = untilExpiry(expires, h, now)
	default:
		v.life, explicit = r.assumed(&c, h, status, now), false
	}
	validator := h.Get("Etag") != "" || h.Get("Last-Modified") != ""
	switch {
	case v.life <= 0 && !validator && !r.ETag:
		v.why = "not fresh, and cannot be validated"
		return v
	case !r.Plain && status >= 400 && !explicit:
		v.why = "an error that does not say it is fresh"
		return v
	case !r.Plain && status >= 400:
		v.life = min(v.life, mostErrorLife)
	}
	v.keep = true
	if !c.revalidate && !c.noCache && c.sharedAge == none {
		v.while, v.ifError = pick(c.whileRevalidate, r.StaleWhileRevalidate), pick(c.ifError, r.StaleIfError)
	} else if !c.revalidate && !c.noCache {
		v.while = max(0, c.whileRevalidate)
	}
	return v
}

func pick(said, otherwise time.Duration) time.Duration {
	if said != none {
		return said
	}
	return otherwise
}

// forbidden says why a response may not be stored at all; empty: it may.
func (r *route) forbidden(c *control, request, h http.Header, status int) string {
	known := slices.Contains(understood, status)
	switch {
	case c.noStore && !(c.understand && known), c.understand && !known:
		return "no-store"
	case c.private && !r.KeepPrivate:
		return "private"
	case status == http.StatusPartialContent || status == http.StatusNotModified || status < 200:
		return "not a whole response"
	case len(request["Authorization"]) > 0 && r.Scope == nil && !(c.public || c.revalidate || c.sharedAge != none):
		return "to a request with Authorization"
	case slices.Contains(varies(h), "*"):
		return "varies by everything"
	case len(h["Trailer"]) > 0:
		return "has trailers"
	case tooMany(h["Cache-Groups"]):
		return "in too many groups"
	case r.Plain:
		return ""
	case len(h["Set-Cookie"]) > 0:
		return "sets a cookie"
	case status != http.StatusOK && !(status >= 400 && known) && !slices.Contains(heuristic, status):
		return "status"
	case !r.stores(h.Get("Content-Type")):
		return "content type"
	}
	for _, name := range varies(h) {
		if !slices.Contains(r.varying, name) {
			return "varies by " + name
		}
	}
	return ""
}

// assumed is the lifetime of a response that does not say.
func (r *route) assumed(c *control, h http.Header, status int, now time.Time) time.Duration {
	if !r.Plain {
		if c.noCache {
			return 0
		}
		return r.TTL
	}
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil || !slices.Contains(heuristic, status) && !c.public {
		return 0
	}
	return min(heuristicMost, dateOf(h, now).Sub(modified)/heuristicShare)
}

// untilExpiry is the lifetime that Expires says. What is no time has passed (RFC 9111, section 5.3).
func untilExpiry(lines []string, h http.Header, now time.Time) time.Duration {
	at, ok := parseTime(lines)
	if !ok {
		return 0
	}
	return max(0, min(longest, at.Sub(dateOf(h, now))))
}

// parseTime reads a date in any of the forms of RFC 9110, section 5.6.7, and nothing else. net/http takes some more:
// a time is to be written as it is read.
func parseTime(lines []string) (time.Time, bool) {
	if len(lines) != 1 {
		return time.Time{}, false
	}
	text := lines[0]
	if zone := max(0, len(text)-len("GMT")); strings.EqualFold(text[zone:], "GMT") {
		text = text[:zone] + "GMT"
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return at, false
	}
	at = at.UTC()
	for layout, day := range map[string]string{http.TimeFormat: ", ", time.RFC850: ", ", time.ANSIC: " "} { // whatever day it is said to be
		_, want, _ := strings.Cut(strings.Replace(at.Format(layout), "UTC", "GMT", 1), day)
		if _, got, ok := strings.Cut(text, day); ok && strings.EqualFold(got, want) {
			return at, true
		}
	}
	return at, false
}

func dateOf(h http.Header, now time.Time) time.Time {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at
	}
	return now
}

// initialAge is how old a response is when it comes (RFC 9111, section 4.2.3).
func initialAge(h http.Header, asked, came time.Time) time.Duration {
	age := time.Duration(0)
	if lines := h["Age"]; len(lines) > 0 {
		first, _, _ := strings.Cut(lines[0], ",")
		if n, err := strconv.ParseUint(strings.TrimSpace(first), 10, 63); err == nil {
			age = time.Duration(min(n, uint64(longest/time.Second))) * time.Second
		}
	}
	return max(min(longest, came.Sub(dateOf(h, came))), age+came.Sub(asked), 0)
}

// varies returns the fields that a response varies by, in canonical form, sorted, each once.
func varies(h http.Header) []string {
	var all []string
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				all = append(all, http.CanonicalHeaderKey(name))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// stores reports whether responses of a content type are stored.
func (r *route) stores(contentType string) bool {
	if slices.Contains(r.Types, "*") {
		return true
	}
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return slices.Contains(r.Types, media) || strings.HasSuffix(media, "+json") && slices.Contains(r.Types, "application/json")
}
