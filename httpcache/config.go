package httpcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/foliocache/folio"
)

// Config says what a handler caches. Cache and Next are needed; the zero value of every other field is its default.
type Config struct {
	Cache  *folio.Cache
	Next   http.Handler // the origin
	Routes []Route      // what may be cached; all else passes by

	// Name is the cache's in Cache-Status. Default folio.
	Name string
	// Hosts lists the values of Host that are answered from the cache; others pass by. Default: all, each with keys
	// of its own.
	Hosts []string
	// MaxBody bounds the bytes of a body that is stored; larger ones stream through. Default 1 MiB.
	MaxBody int64
	// Targeted lists the fields of targeted Cache-Control (RFC 9213) that are meant for this cache, the first that is
	// there wins. Default Folio-Cache-Control, CDN-Cache-Control.
	Targeted []string
	// HitForMiss is for how long requests for what turned out not to be storable do not wait for each other. Default
	// 5 s.
	HitForMiss time.Duration
	// Purge is told of every invalidation, as surrogate keys, before the writer gets its response: for the caches
	// above. It must be quick. Optional.
	Purge func(ctx context.Context, keys []string)
	// Logger hears of what no client can be told. Default slog.Default().
	Logger *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Route says what responses of a path may be cached, and how. Name and Pattern are needed.
type Route struct {
	Name string // of the list, the first part of its keys
	// Pattern is a path as http.ServeMux has it, without method and host: /api/tickets, /api/tickets/{id}.
	Pattern string
	// Scope returns whose rows a request may see, from a principal that was verified before. An error lets the request
	// pass by. Nil: everybody sees the same; requests with Authorization or Cookie pass by then.
	Scope func(*http.Request) (folio.Scope, error)
	// Cookies says that what cookies say makes no difference. They do not reach the origin with what may be stored.
	Cookies bool
	Params  Params

	// TTL is how long a response is fresh that does not say so itself. 0: it is not stored, unless it can be validated.
	TTL time.Duration
	// StaleWhileRevalidate and StaleIfError are for responses that do not say so themselves (RFC 5861).
	StaleWhileRevalidate, StaleIfError time.Duration
	// KeepPrivate stores what is marked private, too: the key has the principal. Only with Scope.
	KeepPrivate bool
	// ETag makes a validator (weak) of the body where the origin sends none.
	ETag bool
	// Types lists the media types that are stored. Default application/json; * stands for all.
	Types []string
	// Vary lists fields that responses may vary by, beside Accept, Accept-Encoding, Accept-Language and Origin.
	Vary []string
	// Forward lists fields of requests that reach the origin though they are no part of the key, beside those of Vary:
	// they must make no difference to what it answers. Of a route with Scope all fields do, but for those that are
	// known to be used to deceive.
	Forward []string
	// CDN is for how long caches above may keep responses for everybody, which they are told by CDN-Cache-Control,
	// Surrogate-Key and Cache-Tag; Config.Purge is to purge them. 0: they are told nothing.
	CDN time.Duration
	// NoWarm keeps pages from being loaded that nobody has asked for.
	NoWarm bool

	// Invalidates lists the lists that a successful unsafe request to this path outdates, for its principal's scope.
	// Default: its own, where it has parameters of pages or is read at all.
	Invalidates []string
	// Everybody says that it outdates them for all scopes.
	Everybody bool

	// ManyScopes says that a principal may come under several scopes, by the cookies of several sessions for one: a write
	// to the list outdates it for all.
	ManyScopes bool

	// Plain caches by RFC 9111 alone, whatever the list's fields say: every path, type and status, each URI a scope of
	// its own, heuristic freshness included.
	Plain bool
}

// Params names the parameters of a list's queries.
type Params struct {
	Page, Offset, Cursor, Limit, Sort string   // names; empty: there is none
	Filters                           []string // further ones
	ZeroBased                         bool     // the first page is 0, not 1
	DefaultLimit                      int      // that the origin is asked with if a query does not say; 0: without
	MaxLimit                          int      // more are cut to it; 0: not
	MaxPage                           int      // pages beyond so many are an error. Default 100,000 rows' worth
	Unknown                           Unknown  // what becomes of a request with others
}

// Unknown says what becomes of a request with a parameter that its route does not declare. What trackers add, utm_source
// for one, is dropped in any case.
type Unknown uint8

// What becomes of it.
const (
	Pass   Unknown = iota // it passes by, as it is
	Drop                  // it is answered as if it had none, and the origin is asked without
	Reject                // it is an error
)

const (
	defaultMaxBody    = 1 << 20
	defaultHitForMiss = 5 * time.Second
	defaultMaxRows    = 100_000
	maxQueryBytes     = 2048
	maxParams         = 64
	mostErrorLife     = 5 * time.Second // of errors that say they are fresh
)

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "folio"
	}
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.Targeted == nil {
		c.Targeted = []string{"Folio-Cache-Control", "CDN-Cache-Control"}
	}
	targeted := make([]string, len(c.Targeted))
	for i, name := range c.Targeted {
		targeted[i] = http.CanonicalHeaderKey(name)
	}
	c.Targeted = targeted
	if c.HitForMiss == 0 {
		c.HitForMiss = defaultHitForMiss
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// check returns all faults of a config, joined.
func (c *Config) check() error {
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%w: httpcache: %s", folio.ErrConfig, fmt.Sprintf(format, args...)))
		}
	}
	want(c.Cache != nil, "no Cache")
	want(c.Next != nil, "no Next")
	want(c.MaxBody >= 0, "MaxBody %d: want at least 0", c.MaxBody)
	want(c.HitForMiss >= 0, "HitForMiss %s: want at least 0", c.HitForMiss)
	var names []string
	for _, r := range c.Routes {
		want(r.Name != "", "a route has no name")
		want(!slices.Contains(names, r.Name), "route %q: there are two of that name", r.Name)
		names = append(names, r.Name)
		want(strings.HasPrefix(r.Pattern, "/"), "route %q: Pattern %q: want a path", r.Name, r.Pattern)
		want(r.TTL >= 0 && r.StaleWhileRevalidate >= 0 && r.StaleIfError >= 0 && r.CDN >= 0, "route %q: a time below 0", r.Name)
		want(!r.KeepPrivate || r.Scope != nil, "route %q: KeepPrivate without Scope", r.Name)
		want(r.CDN == 0 || r.Scope == nil, "route %q: CDN with Scope: what is of one principal is not for caches above", r.Name)
		want(!r.Plain || r.Scope == nil, "route %q: Plain with Scope", r.Name)
		faults = append(faults, r.Params.check(r.Name))
	}
	for _, r := range c.Routes {
		for _, other := range r.Invalidates {
			want(slices.Contains(names, other), "route %q: Invalidates %q: there is no such route", r.Name, other)
		}
	}
	return errors.Join(faults...)
}

func (p *Params) check(route string) error {
	var faults []error
	seen := map[string]bool{}
	for _, name := range p.names() {
		if seen[name] {
			faults = append(faults, fmt.Errorf("%w: httpcache: route %q: parameter %q is declared twice", folio.ErrConfig, route, name))
		}
		seen[name] = true
	}
	if p.DefaultLimit < 0 || p.MaxLimit < 0 || p.MaxPage < 0 || p.MaxLimit > 0 && p.DefaultLimit > p.MaxLimit {
		faults = append(faults, fmt.Errorf("%w: httpcache: route %q: DefaultLimit %d, MaxLimit %d, MaxPage %d: want none below 0, and a default within the maximum", folio.ErrConfig, route, p.DefaultLimit, p.MaxLimit, p.MaxPage))
	}
	return errors.Join(faults...)
}

// names returns the parameters that are declared.
func (p *Params) names() []string {
	all := slices.Concat([]string{p.Page, p.Offset, p.Cursor, p.Limit, p.Sort}, p.Filters)
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}
