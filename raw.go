package folio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/foliocache/folio/internal/core"
)

// RawList is a list whose pages are bytes that somebody else made and judges the age of: responses of HTTP, which
// bring their own rules. It has what a [List] has, scopes, tags, flights that writes overtake, loads ahead, but pages
// are found by [RawList.Find], however old, until the Keep that they were loaded with is over. Where the cache
// observes or is off, nothing is found and every load is the caller's alone. Safe for concurrent use.
type RawList struct {
	cache  *Cache
	name   string
	number uint32
}

// RawPage is what names a page of a raw list. Its fields but Tags are part of its key.
type RawPage struct {
	Scope  Scope
	Offset int    // rows before it,
	Limit  int    // and on it; 0: unknown
	Cursor string // instead of an offset
	Sort   string
	Rest   string // whatever else tells pages apart
	Page   int    // its number, from 1; 0: unknown
	Tags   []Tag  // that it depends on beside its scope's rows, known before it is loaded
}

// RawKey is the key of a page, worked out once. The zero value is none.
type RawKey struct {
	id    identity
	scope Scope
	tags  []Tag
}

// String returns the canonical key.
func (k *RawKey) String() string { return k.id.text }

// Raw is a page as a load brought it.
type Raw struct {
	Body []byte
	Keep time.Duration // how long it may be found; 0: until it is invalidated
	Next bool          // there may be a page behind it
	Tags []Tag         // that only the load has told
	// Asides are further pages of the same scope and Tags that the same load brought.
	Asides []RawAside
}

// RawAside is a page that a load brought beside its own.
type RawAside struct {
	Key RawKey
	Raw
}

// Found is what is stored of a page. The zero value is nothing.
type Found struct {
	Body  []byte
	Soft  bool          // somebody has said that it is too old, see [Cache.Soften],
	Since time.Duration // so long ago
	e     entry
	ok    bool
	began time.Time
}

// ErrAlone is what a loader of a raw list returns whose result is for its own caller and nobody else: it is not
// stored, and those who waited for it get this error.
var ErrAlone = errors.New("folio: what was loaded is not to be shared")

// NewRawList adds a raw list to a cache. The name can be taken once, and is the first part of its keys; warm: pages
// may be loaded ahead of readers who come from the page before, see [RawList.Further].
func NewRawList(c *Cache, name string, warm bool) (*RawList, error) {
	if name == "" || name+":" == keyPrefix {
		return nil, fmt.Errorf("%w: raw list %q: no name, or key", ErrConfig, name)
	}
	l := &RawList{cache: c, name: name}
	if _, taken := c.lists.LoadOrStore(name, l); taken {
		return nil, fmt.Errorf("%w: list %q: there is one of that name", ErrConfig, name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.number = c.core.List(core.Rules{Ahead: warm && c.config.WarmBudget > 0})
	return l, nil
}

// again is not to be: only a request can be loaded again.
func (l *RawList) again(string, core.Due) {}

// Tag returns the tag of a scope's rows, as [List.Tag] does.
func (l *RawList) Tag(s Scope) Tag { return scopeTag(l.name, s) }

// Key makes a page's key. The error is a [QueryError].
func (l *RawList) Key(p RawPage) (RawKey, error) {
	if err := p.Scope.check(); err != nil {
		return RawKey{}, err
	}
	q := Query{Scope: p.Scope, Offset: p.Offset, Limit: p.Limit, Cursor: p.Cursor, Sort: p.Sort, list: l.name}
	text := q.canonical(make([]byte, 0, 96+len(p.Rest)))
	if p.Rest != "" {
		text = appendField(append(text, ":rest="...), p.Rest)
	}
	if len(text) > maxKey {
		return RawKey{}, &QueryError{"query", string(text[:64]) + "…", "longer than a key may be"}
	}
	id, _ := l.cache.identify(string(text), listSpace)
	id.feed, id.list, id.open, id.raw = l.cache.number(l.Tag(p.Scope)), l.number, true, true
	id.rows, id.blind = max(1, p.Limit), p.Cursor != ""
	if p.Page > 0 || id.blind {
		id.depth = pageDepth(p.Page)
	}
	return RawKey{id, p.Scope, p.Tags}, nil
}

// Follow says that a page is the one behind another.
func (k *RawKey) Follow(before *RawKey) { k.id.before = before.id.unit }

// Find appends what is stored of a page to dst. It counts as no read: [RawList.Serve] and [RawList.Load] do.
func (l *RawList) Find(dst []byte, k *RawKey) (f Found) {
	if l.cache.Mode() != On {
		return f
	}
	began := l.cache.watch()
	body, e, ok := l.cache.lookup(dst, &k.id)
	if !ok || e.kind != found {
		return f
	}
	f = Found{Body: body, Soft: e.soft > 0, e: e, ok: true, began: began}
	if f.Soft {
		f.Since = max(0, time.Duration(l.cache.now()-e.soft))
	}
	return f
}

// Same reports whether both, found of one page, are what one load brought.
func (f *Found) Same(other *Found) bool {
	return f.ok && other.ok && f.e.copy.Born == other.e.copy.Born && f.e.sum == other.e.sum
}

// Touch notes that what was found is of use, though it answers no read.
func (l *RawList) Touch(k *RawKey, f *Found) { l.cache.served(&k.id, &f.e, 0) }

// Serve counts a read that was answered with what was found. It reports whether [RawList.Further] is to be told.
func (l *RawList) Serve(k *RawKey, f *Found) (further bool) {
	c := l.cache
	further = f.e.copy.Told && c.once.First(f.e.slot)
	if !further {
		c.served(&k.id, &f.e, 1)
	}
	a := answer{page: page{body: f.Body, rows: int(f.e.rows)}, stored: f.e.size()}
	c.observed(&k.id, f.began, &a, nil)
	return further
}

// Further tells of a read whose reader may go on, and loads the page behind if that pays: next says which and how.
func (l *RawList) Further(ctx context.Context, k *RawKey, next func() (RawKey, func(context.Context) (Raw, error), bool)) {
	c := l.cache
	asked := k.id.query(c.now())
	if !c.consider(&asked) {
		return
	}
	defer c.guard()
	behind, load, ok := next()
	if !ok {
		return
	}
	behind.Follow(k)
	id := l.loading(&behind)
	c.warmUp(ctx, &id, l.loader(&behind, load), func(w *core.Query) (core.Flight, int) { return c.core.Warm(w, &asked) })
}

// Load answers a read that what was found will not do for: with what is stored since, what a load under way brings,
// or load's. Who gives up, as ctx says, does not end a load for others. Errors are as [Cache.Get]'s, and [ErrAlone].
// alone: nobody else's load will do.
func (l *RawList) Load(ctx context.Context, k *RawKey, not *Found, alone bool, load func(context.Context) (Raw, error)) ([]byte, Source, error) {
	id := l.loading(k)
	if id.alone = alone; not.ok {
		id.stand = stand{core.Refetch, not.e.copy.Born}
	}
	a, err := l.cache.fetch(ctx, nil, &id, l.loader(k, load))
	return a.body, a.source, err
}

// Refresh begins a load behind a read that was answered with what was found, unless one is under way.
func (l *RawList) Refresh(ctx context.Context, k *RawKey, not *Found, load func(context.Context) (Raw, error)) error {
	id := l.loading(k)
	id.stand = stand{core.Refresh, not.e.copy.Born}
	_, _, err := l.cache.miss(ctx, nil, &id, l.loader(k, load))
	return err
}

// loading returns a page's identity with what it depends on.
func (l *RawList) loading(k *RawKey) identity {
	id := k.id
	id.tags = l.cache.numbers(k.tags, id.feed)
	return id
}

// loader returns how a page is loaded.
func (l *RawList) loader(at *RawKey, load func(context.Context) (Raw, error)) loader {
	k := new(*at) // the caller's may be another one by then
	return loader{load: func(ctx context.Context) (page, error) {
		r, err := load(ctx)
		if err != nil {
			return page{}, err
		}
		p := l.page(k, &r)
		for i := range r.Asides {
			one := &r.Asides[i]
			p.asides = append(p.asides, aside{l.loading(&one.Key), l.page(&one.Key, &one.Raw)})
		}
		return p, nil
	}}
}

func (l *RawList) page(k *RawKey, r *Raw) page {
	return page{body: r.Body, rows: k.id.rows, full: r.Next, ttl: r.Keep, revealed: l.cache.numbers(r.Tags, k.id.feed)}
}

// aside is a page that a load brought beside its own.
type aside struct {
	id identity
	page
}

// Forget outdates all pages of a key's scope, if anything is known of the key: for scopes of one page each, of which
// there may be any number that nobody has ever asked for.
func (l *RawList) Forget(k *RawKey) error {
	c := l.cache
	c.mu.Lock()
	err := c.ready()
	if err == nil {
		err = c.supersede(&k.id)
	}
	c.mu.Unlock()
	c.invalidated(err, l.Tag(k.scope))
	return c.settle(err)
}

// Invalidate outdates every page of a scope, as [List.Invalidate] does.
func (l *RawList) Invalidate(_ context.Context, s Scope) error {
	if err := s.check(); err != nil {
		return err
	}
	_, err := l.cache.invalidate(l.cache.number(l.Tag(s)))
	l.cache.invalidated(err, l.Tag(s))
	return l.cache.settle(err)
}

// Explain tells why a page is, or is not, found now. It counts as no read.
func (l *RawList) Explain(k *RawKey) Explanation { return l.cache.explain(&k.id) }
