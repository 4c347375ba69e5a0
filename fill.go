package folio

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/core"
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
}

// page is what a loader brings.
type page struct {
	body  []byte
	rows  int  // of a list's page
	empty bool // a list's page without rows
}

// answer is what a read got.
type answer struct {
	page           // unless it is a Hit, shared with others: not to be written
	sum     uint64 // hash of the body
	expires int64
	source  Source
}

// Source tells where an answer came from.
type Source uint8

// The sources.
const (
	Hit    Source = iota // stored
	Miss                 // loaded for this read
	Joined               // loaded for another read that began before
)

// String returns the source's name.
func (s Source) String() string { return [...]string{"hit", "miss", "joined"}[s] }

// loader brings a body and its time to live.
type loader struct {
	load     func(context.Context) (page, error)
	ttl      time.Duration // 0: for ever
	emptyTTL time.Duration // of pages without rows, at most ttl
	end      *identity     // under which a page without rows is kept: one for all that are behind
	offset   int           // of the page
}

// hit answers a read from the store, if it can: a stored body is appended to dst.
func (c *Cache) hit(dst []byte, id *identity) (a answer, ok bool, err error) {
	body, e, ok := c.lookup(dst, id)
	if !ok {
		return answer{}, false, nil
	}
	c.served(id, &e)
	c.counts.hits.Add(1)
	a, err = e.answer(body)
	return a, true, err
}

// fetch answers a read that the store did not: from a load under way, or from one of its own.
func (c *Cache) fetch(ctx context.Context, dst []byte, id *identity, l loader) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, context.Cause(ctx)
	}
	w, hit, err := c.miss(ctx, dst, id, l)
	if err != nil || w == nil {
		return hit, err
	}
	return c.wait(ctx, w)
}

// answer returns what a stored entry says.
func (e *entry) answer(body []byte) (answer, error) {
	if e.kind == notFound {
		return answer{}, ErrNotFound
	}
	return answer{page: page{body: body, rows: int(e.rows)}, sum: e.sum, expires: e.expires}, nil
}

// waiter is who waits for a call.
type waiter struct {
	*call
	began bool // it, and nobody before
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
		c.fly(ctx, []*call{w.call}, l, func(ctx context.Context) (err error) {
			w.page, err = l.load(ctx)
			return err
		})
	}
	return w, hit, err
}

// join returns the call to wait for, begun for this read or before, or else what is stored by now.
// Under c.mu.
func (c *Cache) join(ctx context.Context, dst []byte, id *identity) (*waiter, answer, error) {
	q := id.query(c.now())
	if body, e, ok := c.lookup(dst, id); ok {
		c.core.Read(&q)
		c.counts.hits.Add(1)
		a, err := e.answer(body)
		return nil, a, err
	}
	q.Lost = true
	a := c.core.Lookup(&q)
	if a.Action == core.Wait {
		switch w := c.calls[a.Flight]; {
		case chainOf(ctx).has(w):
			return nil, answer{}, ErrRecursion
		case w.id.space == id.space && w.id.text == id.text:
			c.counts.waits.Add(1)
			return &waiter{w, false}, answer{}, nil
		}
		a.Flight = c.core.Begin(&q) // of another key of the same hash
	}
	c.counts.misses.Add(1)
	w := &call{done: make(chan struct{}), id: *id, flight: a.Flight, born: q.Now}
	c.calls[a.Flight] = w
	return &waiter{w, true}, answer{}, nil
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
	a := answer{page: w.page, sum: w.sum, source: Joined}
	if w.began {
		a.source = Miss
	}
	return a, nil
}

// life returns a page's time to live.
func (l *loader) life(p page) time.Duration {
	if p.empty && (l.ttl == 0 || l.emptyTTL < l.ttl) {
		return l.emptyTTL
	}
	return l.ttl
}

// land ends a call's flight and offers what it brought to the core.
func (c *Cache) land(w *call, l loader) {
	id, ttl := &w.id, l.life(w.page)
	e := entry{body: w.body, rows: uint32(w.rows), key: []byte(w.id.text), space: w.id.space, kind: found}
	absent := errors.Is(w.err, ErrNotFound) && c.config.NegativeTTL > 0
	if absent {
		e.body, e.rows, e.kind, ttl = nil, 0, notFound, c.config.NegativeTTL
	}
	w.sum = xxh3.Hash(w.body)
	e.sum = w.sum
	if w.empty && l.end != nil {
		id = l.end
		e.body, e.key = strconv.AppendInt(nil, int64(l.offset), 10), []byte(id.text)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, w.flight)
	if c.closed.Load() || w.err != nil && !absent {
		c.core.Fail(w.flight)
		return
	}
	c.keep(id, w.flight, w.born, &e, ttl)
}

const (
	longest  = 100 * 365 * 24 * time.Hour // time to live: more would overflow
	maxValue = 1 << 30                    // bytes: more fits no ring

	maxScratch = 1 << 20 // bytes that are kept for the next fill
)

// keep offers an entry to the core as what a flight brought, under c.mu.
func (c *Cache) keep(id *identity, f core.Flight, born int64, e *entry, ttl time.Duration) {
	life := int64(0)
	if ttl > 0 {
		life = max(1, int64(float64(min(ttl, longest))*(1-c.config.Jitter*c.random.Float64())))
		e.expires = max(1, born+life)
	}
	if len(e.body) > maxValue {
		c.core.Fail(f)
		return
	}
	e.stamps = stamps(nil).add(id.feed, c.core.Stamp(id.feed).N) // if one was bumped since, the flight is not kept
	for _, t := range id.tags {
		e.stamps = e.stamps.add(t, c.core.Stamp(t).N)
	}
	c.filled = filled{id.key, e.appendTo(c.scratch[:0])}
	c.unit[0] = core.Loaded{Query: id.query(born), Size: uint32(len(c.filled.value)), TTL: life, Replace: true}
	c.core.Complete(f, c.unit[:]...)
	if c.scratch = c.filled.value; cap(c.scratch) > maxScratch {
		c.scratch = nil
	}
	c.filled.value = nil
}
