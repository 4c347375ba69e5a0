package folio

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/tier"
)

// call is a load under way, and its outcome once done is closed.
type call struct {
	done   chan struct{}
	id     identity
	flight core.Flight
	born   int64
	page
	sum      uint64
	err      error
	panicked *PanicError // the loader's own
	waits    []*call     // that its loader has asked for, under mu
	ended    bool        // under mu

	ahead   int           // further pages that its load is to bring;
	main    *call         // or: the one whose load is to bring it,
	wasted  bool          // and did not, though the page before it is full
	last    bool          // of those brought, and there may be one behind
	took    time.Duration // by the load of a page,
	brought int           // that brought so many rows

	waiters int         // who wait for it, under mu
	manner  core.Manner // of its load, if somebody waits for it in the end
	stored  int         // bytes that it takes

	after  tier.Moment   // when its load began, by the tier; nil: nobody has asked it
	shared bool          // the tier had it,
	age    time.Duration // loaded so long before born
	claim  string        // under which other instances wait for it
}

// page is what a loader brings.
type page struct {
	body  []byte
	rows  int           // of a list's page
	empty bool          // a list's page without rows
	full  bool          // a list's page with as many rows as were asked for
	next  string        // cursor of the page behind, if there may be one
	ttl   time.Duration // of a raw list's page; 0: the loader's

	revealed []core.Tag // that its rows depend on
	asides   []aside    // what a raw list's load brought beside it
	decoded  any        // its rows, if they are what decoding the body gives: see verbatim
}

// answer is what a read got.
type answer struct {
	page           // unless it is stored, shared with others: not to be written
	sum     uint64 // hash of the body
	expires int64
	source  Source
	copy    core.Copy // what is known of it, if it is stored
	stored  int       // bytes that it takes
	told    bool      // nobody has told the core of the read yet
	stand   stand     // of what is stored and will not do
}

// Source tells where an answer came from.
type Source uint8

// The sources.
const (
	Hit     Source = iota // stored
	Miss                  // loaded for this read
	Joined                // loaded for another read that began before
	Stale                 // stored and too old, but the load failed
	Absent                // not stored, and not to be loaded
	Bypass                // loaded as if there were no cache: it observes, or is off
	Refresh               // stored, and loaded anew behind: it may be too old, or of before a write, as far as that is allowed
	Shared                // from the tier that instances share
)

// String returns the source's name.
func (s Source) String() string {
	return [...]string{"hit", "miss", "joined", "stale", "absent", "bypass", "refresh", "shared"}[s]
}

// hit answers a read from the store, if it can: a stored body is appended to dst.
func (c *Cache) hit(dst []byte, id *identity) (a answer, ok bool, err error) {
	if c.Mode() != On {
		return answer{}, false, nil
	}
	began := c.watch()
	body, e, ok := c.lookup(dst, id)
	if !ok {
		return answer{}, false, nil
	}
	if want := c.ask(id, &e); want != core.Serve {
		return answer{stand: stand{want, e.copy.Born}}, false, nil
	}
	told := e.copy.Told && c.once.First(e.slot)
	if !told {
		c.served(id, &e, 1)
	}
	a, err = e.answer(body)
	a.told = told
	c.observed(id, began, &a, err)
	return a, true, err
}

// ask says what a valid entry is good for.
func (c *Cache) ask(id *identity, e *entry) core.Action {
	if e.copy.Hazard == 0 && (e.copy.Early == 0 || e.expires == 0) {
		return core.Serve
	}
	k, now, luck, patience := e.copy, c.now(), rand.Float64(), 1.
	k.Expires = e.expires
	if int(k.Strategy) < len(c.patience) {
		patience = c.patience[k.Strategy]
	}
	return k.Ask(id.promise, c.spent, e.slot, patience, now, luck)
}

// fetch answers a read that the store did not: from a load under way, or from one of its own.
func (c *Cache) fetch(ctx context.Context, dst []byte, id *identity, l loader) (answer, error) {
	began := c.watch()
	a, err := c.obtain(ctx, dst, id, l)
	c.observed(id, began, &a, err)
	return a, err
}

// obtain is fetch, unobserved.
func (c *Cache) obtain(ctx context.Context, dst []byte, id *identity, l loader) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, context.Cause(ctx)
	}
	if m := c.Mode(); m != On {
		return c.around(ctx, id, &l, m)
	}
	for {
		w, hit, err := c.miss(ctx, dst, id, l)
		if err != nil || w == nil || w.behind {
			return hit, err
		}
		if a, err := c.outcome(ctx, dst, w); !inVain(err) {
			return a, err
		}
		c.counts.waits.Add(-1) // it was in vain: the read counts once
	}
}

// inVain reports whether who waited for a call is to ask for himself.
func inVain(err error) bool { return errors.Is(err, errNotBrought) || errors.Is(err, errOutdated) }

// outcome returns a call's outcome; where the load failed, what is too old may do.
func (c *Cache) outcome(ctx context.Context, dst []byte, w *waiter) (answer, error) {
	a, err := c.wait(ctx, w)
	if err == nil || c.config.StaleIfError == 0 || ctx.Err() != nil || w.id.raw || errors.Is(err, ErrNotFound) || errors.Is(err, ErrClosed) || inVain(err) {
		return a, err
	}
	body, e, ok := c.find(dst, &w.id, int64(c.config.StaleIfError))
	if !ok || e.kind != found {
		return a, err
	}
	c.counts.stale.Add(1)
	a, err = e.answer(body)
	a.source = Stale
	return a, err
}

// answer returns what a stored entry says.
func (e *entry) answer(body []byte) (answer, error) {
	if e.kind == notFound {
		return answer{}, ErrNotFound
	}
	return answer{page: page{body: body, rows: int(e.rows)}, sum: e.sum, expires: e.expires, copy: e.copy, stored: e.size()}, nil
}

// waiter is who waits for a call.
type waiter struct {
	*call
	began  bool // it, and nobody before
	behind bool // nobody need wait
}

// miss asks the core what to do about a value that was not found, and does it: the value may be
// there by now, or on its way.
func (c *Cache) miss(ctx context.Context, dst []byte, id *identity, l loader) (*waiter, answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, answer{}, err
	}
	w, hit, err := c.join(ctx, dst, id)
	if w != nil && w.began {
		if c.earns(ctx); w.behind {
			ctx = unchained(ctx)
		}
		calls := c.widen(w.call, &l)
		c.fly(ctx, calls, l, func(ctx context.Context) error { return c.bring(ctx, calls, &l) })
	}
	return w, hit, err
}

// join returns the call to wait for, begun for this read or before, or else what is stored by now.
// Under c.mu.
func (c *Cache) join(ctx context.Context, dst []byte, id *identity) (*waiter, answer, error) {
	q := id.query(c.now())
	body, e, ok := c.lookup(dst, id)
	if ok && (q.Want == core.Serve || e.copy.Born != id.stand.born) {
		q.Want = core.Serve
		c.core.Read(&q)
		c.counts.hits.Add(1)
		a, err := e.answer(body)
		return nil, a, err
	}
	outdated := !ok
	if outdated {
		body, e, ok = c.remains(dst, id)
		q.Want = core.Serve
	}
	within := chainOf(ctx)
	if within.has(c, id) {
		return nil, answer{}, ErrRecursion
	}
	q.Lost = !ok
	a := c.core.Lookup(&q)
	switch {
	case ok && (a.Action == core.Refresh || a.Action == core.Serve && !outdated):
		return c.refresh(id, &q, body, &e, a)
	case a.Action == core.Serve: // the books have a copy that the store has not
		a.Flight = c.core.Begin(&q)
	}
	if a.Action == core.Wait {
		switch w := c.calls[a.Flight]; {
		case id.alone, id.past, c.held.any(id), id.open && c.core.Overtaken(a.Flight): // it may have begun before a write
		case c.fleet != nil && !c.fleet.trusts(w.born, q.Now, false): // or before one of others
		case w.id.same(id):
			awaited := within != nil && within.awaited(w, map[*call]bool{})
			if awaited && w.main == nil {
				return nil, answer{}, ErrRecursion
			}
			if !awaited { // else it would wait for itself, for what it can load without
				within.await(c, w)
				c.counts.waits.Add(1)
				w.wanted()
				return &waiter{call: w}, answer{}, nil
			}
		}
		a.Flight = c.core.Begin(&q) // it is of another key of the same hash, or not to be waited for
	}
	c.counts.misses.Add(1)
	w := c.begin(id, &q, a)
	w.wanted()
	within.await(c, w)
	return &waiter{call: w, began: true}, answer{}, nil
}

// wanted notes that somebody waits for a call, and so for the load that brings it.
func (w *call) wanted() {
	if w.waiters++; w.main != nil {
		w.main.waiters++
	}
}

// begin books the call of a flight. Under c.mu.
func (c *Cache) begin(id *identity, q *core.Query, a core.Answer) *call {
	w := &call{done: make(chan struct{}), id: *id, flight: a.Flight, born: q.Now, ahead: a.Ahead, manner: core.Alone}
	if len(c.unwaited) > 0 {
		w.manner = core.Beside
	}
	c.calls[a.Flight] = w
	return w
}

// refresh answers a read with what is stored, and returns the call that is to replace it, if that is to
// begin. Under c.mu.
func (c *Cache) refresh(id *identity, q *core.Query, body []byte, e *entry, a core.Answer) (*waiter, answer, error) {
	c.counts.hits.Add(1)
	hit, err := e.answer(body)
	if a.Action == core.Refresh {
		c.counts.refreshed.Add(1)
		hit.source = Refresh
	}
	if a.Flight == (core.Flight{}) {
		return nil, hit, err
	}
	return &waiter{call: c.begin(id, q, a), began: true, behind: true}, hit, err
}

// remains is lookup for what is not valid any more, but may be served by the rules of its list: the core says
// whether it is. Under c.mu.
func (c *Cache) remains(dst []byte, id *identity) (value []byte, e entry, ok bool) {
	v, ring, ok := c.store.Get(dst, id.key, id.unit)
	if !ok || !id.grace || id.past || c.held.any(id) {
		return dst, e, false
	}
	e, ok = parseEntry(v[len(dst):])
	e.ring = ring
	if !ok || c.fleet != nil && !c.fleet.trusts(e.since(), c.now(), false) || !id.is(&e) || e.kind == notFound || !e.remains(c.versions) {
		return dst, entry{}, false
	}
	if e.pieces > 0 {
		v, ok = c.assemble(v[:len(dst)], id, &e)
		return v, e, ok
	}
	return v[:len(dst)+len(e.body)], e, true
}

// wait returns a call's outcome, or gives up when ctx ends or the cache is closed; the load goes on.
// Who began it gets its panic.
func (c *Cache) wait(ctx context.Context, w *waiter) (answer, error) {
	select {
	case <-w.done:
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	case <-c.stopped.Done():
		return answer{}, ErrClosed
	}
	if w.began && w.panicked != nil {
		panic(w.panicked)
	}
	if w.err != nil {
		return answer{}, w.err
	}
	a := answer{page: w.page, sum: w.sum, source: Joined, stored: w.stored}
	if w.shared {
		a.source = Shared
	} else if w.began {
		a.source = Miss
	}
	return a, nil
}

// land ends a call's flight and offers what it brought to the core.
func (c *Cache) land(w *call, l loader) {
	id, f := &w.id, filling{entry: entry{body: w.body, rows: uint32(w.rows), kind: found}, revealed: w.revealed, ttl: l.life(w.page)}
	absent := errors.Is(w.err, ErrNotFound) && c.config.NegativeTTL > 0
	if absent {
		f = filling{entry: entry{kind: notFound}, ttl: c.config.NegativeTTL}
	}
	w.sum = xxh3.Hash(w.body)
	f.sum = w.sum
	switch {
	case w.empty && l.end != nil:
		id, f.body = l.end, strconv.AppendInt(nil, int64(l.offset), 10)
	case l.tail && w.full:
		id.tags = id.tags[:len(id.tags)-1]
	}
	f.compress(id, c.largest)
	if err := c.landed(w, id, &f, absent); err != nil {
		c.config.Logger.Warn("folio: a value is not stored", "key", id.text, "error", err)
	}
}

// landed is land under c.mu. id is what the filling is kept under.
func (c *Cache) landed(w *call, id *identity, f *filling, absent bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, w.flight)
	w.ended = true
	if cancel, ok := c.unwaited[w]; ok {
		delete(c.unwaited, w)
		c.warming.Release(1)
		cancel()
	}
	if id != &w.id || errors.Is(w.err, ErrNotFound) {
		c.drop(&w.id) // it is not what the origin has any more: nobody shall get it where a load fails
	}
	if w.waiters == 0 && w.manner != core.Unasked {
		w.manner = core.Behind
	}
	if w.brought > 0 {
		c.core.Took(w.id.list, w.id.depth, float64(w.brought), float64(w.took), w.manner)
	}
	if c.closed.Load() || w.err != nil && !absent {
		c.fail(w)
		return nil
	}
	f.last, f.took, f.fate = w.last && w.full, w.took, c.fate(id, f)
	if w.main != nil {
		f.took = w.main.took
	}
	if c.fleet != nil && f.kind == found && c.core.Stands(w.flight) && !c.held.any(&w.id) {
		c.fleet.keep(w, f.ttl)
	}
	if id.once {
		c.core.Fail(w.flight)
		return nil
	}
	w.stored = f.size() + stampSize*(1+len(id.tags)+len(f.revealed))
	f.age = w.age
	return c.keep(id, w.flight, w.born, f)
}

// fate says what became of what is stored under an identity, now that it is loaded again. Under c.mu.
func (c *Cache) fate(id *identity, f *filling) core.Fate {
	if id.promise == nil {
		return core.Unknown
	}
	v, _, ok := c.store.Get(c.scratch[:0], id.key, id.unit)
	c.scratch = v[:0]
	e, valid := parseEntry(v)
	switch {
	case !ok || !valid || !id.is(&e) || !e.current(c.versions):
		return core.Unknown
	case e.kind != f.kind || e.sum != f.sum:
		return core.Changed
	}
	return core.Same
}

// fail ends the flight of a call that brought nothing. There is nothing to learn from a page that was to be
// brought along and does not exist. Under c.mu.
func (c *Cache) fail(w *call) {
	if w.ahead > 0 && w.err != nil && !errors.Is(w.err, errOutdated) && !errors.Is(w.err, ErrNotFound) && !errors.Is(w.err, ErrCursor) {
		c.core.Shy(w.id.list)
	}
	if w.main != nil && (w.main.err != nil || w.wasted) {
		c.core.Waste(w.flight, w.id.list)
	} else {
		c.core.Fail(w.flight)
	}
}
