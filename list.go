package folio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/tracking"
	"github.com/foliocache/folio/tier"
)

// ListConfig describes a paginated list. Name and Load are needed; the zero value of every other
// field is its default.
type ListConfig[T any] struct {
	Name    string   // the first part of its keys
	Sorts   []string // what queries may be sorted by, the first by default. Default: one order, without a name
	Filters []string // what queries may filter by

	Limit     int // rows of a page, if a query does not say. Default 20
	MaxLimit  int // more are cut to it. Default 100
	MaxOffset int // pages that begin behind so many rows are an error. Default 100,000

	TTL      time.Duration // of a page; 0: until its scope is invalidated
	EmptyTTL time.Duration // of pages without rows, at most TTL. Default 30 s

	// StaleWhileRevalidate is how long after its time to live a page may be served while a new one is loaded
	// behind (RFC 5861). 0: not at all.
	StaleWhileRevalidate time.Duration
	// StaleAfterWrite is how long after an invalidation of its scope a page of before may be served while a
	// new one is loaded behind: at most one write is missing from it. It gives up what Invalidate promises
	// otherwise. 0: not at all.
	StaleAfterWrite time.Duration
	// Strict has each read ask the tier, if there is one, so that all instances together answer as if there were one copy
	// of the rows: where writes are announced by Intend, reads and writes are linearizable. A read takes a round trip, and
	// nothing is kept in memory. It wants a [tier.Holder].
	Strict bool
	// MaxStale is the share of the reads of this list, 0..1, that may be answered with rows which the origin
	// has changed without an invalidation: where not all writes are told of. How often pages change is
	// learned from loads; those are loaded anew that changed most probably, as often as it takes. 0: no page
	// is loaded anew for that.
	MaxStale float64

	// Load returns at most r.Limit rows, from r.Offset or r.Cursor on, of the scope, filters and
	// sort of q: one query to the database. Fewer rows are the list's end. r.Limit may span several
	// pages of q.Limit rows, see MaxAhead, but is never more than MaxLimit. [ErrCursor] says that a
	// cursor is none that Cursor has given out.
	Load func(ctx context.Context, q Query, r Range) ([]T, error)
	// Count returns how many rows the query has in all. Optional: without it nobody can ask.
	Count func(ctx context.Context, q Query) (int64, error)
	// Cursor returns where the page after a row begins: a list that has it is paged by cursor. It must
	// say so in every sort; Load, which is told the sort, reads it.
	Cursor func(T) string
	// Tags returns what the answers to queries of a scope and filters depend on beside its rows. It
	// is asked before each load, without sort, limit and place. Optional.
	Tags func(q Query) []Tag
	// RowTags returns what a page depends on because it shows a row, as ticket:7 or event:42: who
	// changes such a thing in place need not know which lists show it, [Cache.InvalidateTags] finds
	// them. Each takes 16 bytes of the page and some 10 of the heap. Optional. A page that depends
	// on more than 1,000 tags is not stored.
	RowTags func(T) []Tag
	// MaxAhead bounds the pages behind the one asked for that its load may bring along: as many as
	// are usually asked for next and are worth what they cost, both of which is learned, and as have
	// MaxLimit rows together. Default and most 4; negative: none, r.Limit is q.Limit then.
	MaxAhead int
	// NoWarm keeps pages from being loaded that nobody has asked for, see Config.WarmBudget: as where the
	// loader needs more of a request's context than its query. A load after a write has none.
	NoWarm bool
	// Finer lets pages know what of their list they depend on, for [List.InvalidateFrom],
	// [List.InvalidateTail] and [List.InvalidateTotal]: some 16 bytes more for each doubling of the
	// page's place.
	Finer bool
	// Numbered has pages say, beside their items, their number as "page" (0: by cursor) and as "has_more" whether there
	// may be rows behind: of a full page there may.
	Numbered bool
}

// List is one paginated list of a cache. Safe for concurrent use.
type List[T any] struct {
	cache   *Cache
	config  ListConfig[T]
	shape   shape
	number  uint32 // in the core, from 1
	rules   core.Rules
	promise *board.Promise // nil: MaxStale is 0

	verbatim verbatim // of rows
}

// Page is one page of rows.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // the cursor of the page behind, if there may be one

	Source Source `json:"-"`
	Origin Origin `json:"-"`
}

// Origin says of what is stored where it came from. The zero value is of what is not.
type Origin struct {
	Age        time.Duration // since its load began
	Strategy   string        // whose answer it was
	Confidence float64       // as it was stored: how likely it is asked for again before it is overwritten or outdated, 0..1
	Stale      float64       // how likely the origin has changed it without a word, 0..1; see ListConfig.MaxStale
}

const (
	defaultLimit     = 20
	defaultMaxLimit  = 100
	defaultMaxOffset = 100_000
	defaultEmptyTTL  = 30 * time.Second
)

// reserved are the parameters that no filter may be named like.
var reserved = []string{"page", "offset", "limit", "sort", "cursor", "total"}

// NewList adds a list to a cache. The error joins every fault of the config; each is an
// [ErrConfig]. A name can be taken once.
func NewList[T any](c *Cache, config ListConfig[T]) (*List[T], error) {
	fill(&config.Limit, defaultLimit)
	fill(&config.MaxLimit, max(defaultMaxLimit, config.Limit))
	fill(&config.MaxOffset, defaultMaxOffset)
	fill(&config.EmptyTTL, defaultEmptyTTL)
	fill(&config.MaxAhead, core.MostAhead)
	config.MaxAhead = min(config.MaxAhead, core.MostAhead)
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%w: list %q: %s", ErrConfig, config.Name, fmt.Sprintf(format, args...)))
		}
	}
	want(config.Name != "" && config.Name+":" != keyPrefix, "no Name, or key")
	want(config.Load != nil, "no Load")
	want(config.Limit > 0 && config.Limit <= config.MaxLimit, "Limit %d: want 1 to MaxLimit, %d", config.Limit, config.MaxLimit)
	want(config.MaxOffset > 0, "MaxOffset %d: want at least 1", config.MaxOffset)
	want(config.StaleWhileRevalidate >= 0 && config.StaleAfterWrite >= 0, "StaleWhileRevalidate %s, StaleAfterWrite %s: want at least 0", config.StaleWhileRevalidate, config.StaleAfterWrite)
	_, holds := c.config.Tier.(tier.Holder)
	want(!config.Strict || c.config.Tier == nil || holds, "Strict: want a Tier in which writes can be announced: a tier.Holder")
	want(config.MaxStale >= 0 && config.MaxStale < 1, "MaxStale %g: want 0 or more, and less than 1", config.MaxStale)
	want(config.TTL >= 0 && config.EmptyTTL >= 0, "TTL %s, EmptyTTL %s: want at least 0", config.TTL, config.EmptyTTL)
	for _, f := range config.Filters {
		want(!slices.Contains(reserved, f) && !tracking.Param(f), "a filter cannot be named %q", f)
	}
	for _, s := range config.Sorts {
		want(s != "", "an empty sort")
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	l := &List[T]{cache: c, config: config, shape: shape{name: config.Name, sorts: config.Sorts, filters: config.Filters,
		limit: config.Limit, maxLimit: config.MaxLimit, maxOffset: config.MaxOffset, keyset: config.Cursor != nil, counted: config.Count != nil}}
	l.verbatim = verbatimOf(reflect.TypeFor[T]())
	l.rules = core.Rules{Late: int64(config.StaleWhileRevalidate), Written: int64(config.StaleAfterWrite), Early: c.config.EarlyRefresh, MaxStale: config.MaxStale}
	if !config.NoWarm && c.config.WarmBudget > 0 {
		l.rules.Ahead, l.rules.Again = true, true
	}
	if _, taken := c.lists.LoadOrStore(config.Name, l); taken {
		return nil, fmt.Errorf("%w: list %q: there is one of that name", ErrConfig, config.Name)
	}
	if config.RowTags != nil {
		c.keyTags.Store(true) // they may be of plain keys, and are known only after a load
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.number = c.core.List(l.rules)
	l.promise = c.core.Promise(l.number)
	return l, nil
}

// Query makes a query of params. What is wrong with them is told in [QueryError]s, joined.
func (l *List[T]) Query(p Params) (Query, error) {
	q, err := l.shape.query(p)
	return l.know(q), err
}

// know works out once what every read of a query needs.
func (l *List[T]) know(q Query) Query {
	if q.text == "" {
		return q
	}
	q.known = &known{cache: l.cache, made: q.asked(), id: l.pageIdentity(q)}
	if q.Offset > 0 {
		q.known.end = l.identify(q, l.aside(q, "end"))
	}
	return q
}

// pageIdentity returns the identity of a query's page, but for its tags.
func (l *List[T]) pageIdentity(q Query) identity {
	id := l.identify(q, q.text)
	id.depth, id.list, id.rows, id.blind = q.depth(), l.number, q.Limit, l.config.Cursor != nil
	return id
}

// Page returns a page, decoded. Errors as [Cache.Get]'s, and [ErrRows], and [ErrQuery] for
// another list's query.
func (l *List[T]) Page(ctx context.Context, q Query) (Page[T], error) {
	if err := l.own(q); err != nil {
		return Page[T]{}, err
	}
	a, err := l.get(ctx, nil, q)
	if err != nil {
		return Page[T]{}, err
	}
	p := Page[T]{Source: a.source, Origin: l.cache.origin(l.promise, &a)}
	if rows, ok := a.decoded.([]T); ok {
		p.Items, p.Next = slices.Clone(rows), a.next // others may have waited for them
		return p, nil
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		return Page[T]{}, fmt.Errorf("folio: list %q: %w", l.config.Name, err)
	}
	return p, nil
}

// Total returns how many rows a query has in all, its pages aside; it is cached by itself. The
// list must have a Count.
func (l *List[T]) Total(ctx context.Context, q Query) (int64, error) {
	if l.config.Count == nil {
		return 0, fmt.Errorf("%w: list %q: no Count", ErrConfig, l.config.Name)
	}
	if err := l.own(q); err != nil {
		return 0, err
	}
	q = l.past(q)
	id := l.identify(q, l.aside(q, "total"))
	id.past, id.alone = q.known.id.past, q.known.id.alone
	a, ok, err := l.cache.hit(nil, &id)
	switch {
	case !ok:
		id.stand = a.stand
		id, from := l.counting(q, id)
		a, err = l.cache.fetch(ctx, nil, &id, from)
	case l.cache.due():
		id, from := l.counting(q, id)
		l.cache.verify(ctx, &id, &id, &from)
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(a.body), 10, 64)
}

// counting returns a total's identity with what it depends on, and how it is loaded.
func (l *List[T]) counting(q Query, id identity) (identity, loader) {
	id.tags = l.with(q, l.tags(q), totalPart)
	return id, loader{ttl: l.config.TTL, load: func(ctx context.Context) (page, error) {
		n, err := l.config.Count(ctx, q)
		return page{body: strconv.AppendInt(nil, n, 10)}, err
	}}
}

// own reports a query that is not this list's, or is not as it was made.
func (l *List[T]) own(q Query) error {
	switch {
	case q.list != l.config.Name || q.known == nil || q.known.cache != l.cache:
		return &QueryError{"query", q.String(), "was not made by Query or Parse of the list " + l.config.Name}
	case q.asked() != q.known.made:
		return &QueryError{"query", q.String(), "was changed since it was made"}
	}
	return nil
}

// get answers a query of its own with the stored form of its page.
func (l *List[T]) get(ctx context.Context, dst []byte, q Query) (answer, error) {
	c := l.cache
	if q.after.by != "" {
		q = l.past(q)
	}
	found, ok, err := c.hit(dst, &q.known.id)
	if ok {
		if c.due() {
			id, from := l.loading(q)
			c.verify(ctx, &id, &id, &from)
		}
		if found.told {
			l.further(ctx, q, found.body)
		}
		return found, err
	}
	m := c.Mode()
	if q.Offset > 0 && m != Off && !c.closed.Load() && l.behind(&q.known.end, q.Offset, true) {
		if m == Observe {
			return l.doubt(ctx, q)
		}
		if c.due() {
			id, from := l.loading(q)
			c.verify(ctx, &id, &q.known.end, &from)
		}
		body := l.noRows(dst, q)
		return answer{page: page{body: body, empty: true}, sum: xxh3.Hash(body[len(dst):])}, nil
	}
	id, from := l.loading(q)
	id.stand = found.stand
	return c.fetch(ctx, dst, &id, from)
}

// doubt answers a query of a page that is known to be behind the end by its loader alone.
func (l *List[T]) doubt(ctx context.Context, q Query) (answer, error) {
	c := l.cache
	id, from := l.loading(q)
	_, end, ok := c.lookup(nil, &q.known.end)
	a, err := c.direct(ctx, &from, &id)
	if ok {
		c.compare(&id, &q.known.end, &end, &a, err)
	}
	return a, err
}

// loading returns a page's identity with what it depends on, and how it is loaded.
func (l *List[T]) loading(q Query) (identity, loader) {
	id, end := q.known.id, q.known.end
	tags := l.tags(q)
	id.tags, end.tags = l.pageTags(q, tags), l.with(q, tags, tailPart)
	id.open = l.config.RowTags != nil
	if l.number > 0 && q.Offset >= q.Limit {
		before := q
		before.Offset -= q.Limit
		id.before = l.identify(q, string(before.canonical(nil))).unit
	}
	from := loader{ttl: l.config.TTL, emptyTTL: l.config.EmptyTTL, tail: l.config.Finer, wide: l.wide(q, tags)}
	if q.Offset > 0 {
		from.end, from.offset = &end, q.Offset
	}
	return id, from
}

// tags returns what answers to a query depend on beside its scope's rows.
func (l *List[T]) tags(q Query) []core.Tag {
	if l.config.Tags == nil {
		return nil
	}
	feed := q.known.id.feed
	q.Sort, q.Cursor, q.Offset, q.Limit, q.known = "", "", 0, 0, nil // not of one page alone
	return l.cache.numbers(l.config.Tags(q), feed)
}

// noRows appends the stored form of a page without rows.
func (l *List[T]) noRows(dst []byte, q Query) []byte {
	dst = append(dst, `{"items":[]`...)
	if l.config.Numbered {
		dst = append(strconv.AppendInt(append(dst, `,"page":`...), int64(q.Page()), 10), `,"has_more":false`...)
	}
	return append(dst, '}')
}

// numbered is the stored form of a page that tells its place.
type numbered[T any] struct {
	Page[T]
	Number int  `json:"page"`
	More   bool `json:"has_more"`
}

// behind reports whether a list is known to end before an offset: a page there was empty. So
// pages past the end take no memory, and cost one load in all. It counts as a read if somebody asked.
func (l *List[T]) behind(end *identity, offset int, asked bool) bool {
	began := l.cache.watch()
	body, e, ok := l.cache.lookup(nil, end)
	if !ok {
		return false
	}
	n, err := strconv.Atoi(string(body))
	if err != nil || offset < n {
		return false
	}
	if asked && l.cache.ask(end, &e) != core.Serve {
		return false // the load of the page will tell
	}
	if asked {
		l.cache.served(end, &e, 1)
		l.cache.observed(end, began, &answer{}, nil)
	}
	return true
}

// aside returns the canonical text of what there is once for all pages and sorts of a query.
func (l *List[T]) aside(q Query, what string) string {
	text := q.Scope.append(append(appendField(nil, q.list), ':'))
	return string(q.appendFilters(append(append(text, ':'), what...)))
}

// load asks the origin for some pages, one after the other. It returns those that have rows, the first one
// in any case.
func (l *List[T]) load(ctx context.Context, q Query, pages int) (all []page, err error) {
	r := Range{Offset: q.Offset, Limit: q.Limit * pages, Cursor: q.Cursor}
	rows, err := l.config.Load(ctx, q, r)
	if err != nil {
		return nil, err
	}
	if len(rows) > r.Limit {
		return nil, fmt.Errorf("%w: list %q: %d for a limit of %d", ErrRows, l.config.Name, len(rows), r.Limit)
	}
	l.cache.counts.rows.Add(int64(len(rows)))
	for {
		n := min(q.Limit, len(rows))
		p, err := l.page(q, rows[:n])
		if err != nil && len(all) > 0 {
			return all, nil // who asks for that page is told
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p)
		if rows = rows[n:]; len(rows) == 0 {
			return all, nil
		}
		if q.Cursor = p.next; l.config.Cursor == nil {
			q.Offset += q.Limit
		}
	}
}

// page makes the stored form of a page's rows.
func (l *List[T]) page(q Query, rows []T) (page, error) {
	p := Page[T]{Items: rows}
	if rows == nil {
		p.Items = []T{} // not null
	}
	if l.config.Cursor != nil && len(rows) == q.Limit {
		p.Next = l.config.Cursor(rows[len(rows)-1])
	}
	var form any = p
	if l.config.Numbered {
		form = numbered[T]{p, q.Page(), len(rows) == q.Limit}
	}
	body, err := json.Marshal(form)
	made := page{body: body, rows: len(rows), empty: len(rows) == 0, full: len(rows) == q.Limit, next: p.Next, revealed: l.revealed(q, rows)}
	if err == nil && utf8.ValidString(p.Next) && all(l.verbatim, p.Items) {
		made.decoded = slices.Clone(p.Items) // the loader may write to its own
	}
	return made, err
}

// identify returns the identity of what a text of a query names.
func (l *List[T]) identify(q Query, text string) identity {
	id, _ := l.cache.identify(text, listSpace)
	id.feed = l.cache.number(l.Tag(q.Scope))
	id.past = l.config.Strict && l.cache.fleet != nil
	id.once = id.past
	id.promise, id.grace = l.promise, l.rules.Late > 0 || l.rules.Written > 0
	if id.promise != nil || id.grace {
		id.list = l.number // totals and ends are under its rules, too
	}
	return id
}

// depth returns a query's depth bucket, see core.Query.
func (q *Query) depth() uint8 { return pageDepth(q.Page()) }

// pageDepth returns the depth bucket of a page's number; 0: it has none.
func pageDepth(p int) uint8 {
	switch {
	case p == 1, p == 2:
		return uint8(p)
	case p <= 5: // keyset pages but the first among them: nobody knows how deep they are
		return 3
	case p <= 10:
		return 4
	}
	return 5
}

// Invalidate outdates every page, total, sort, filter and limit of a scope, of all its audiences,
// at once: reads that start after it returned do not see what was loaded before. Call it after
// the write is committed. An error means that nothing was invalidated, but for an [ErrPending].
// With the token, other instances answer as this one does from now on: see [Query.After].
func (l *List[T]) Invalidate(_ context.Context, s Scope) (Token, error) {
	if err := s.check(); err != nil {
		return Token{}, err
	}
	t := l.cache.number(l.Tag(s))
	n, err := l.cache.invalidate(t)
	l.cache.invalidated(err, l.Tag(s))
	err = l.cache.settle(err)
	return l.cache.token(t, n, err), err
}
