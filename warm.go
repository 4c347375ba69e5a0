package folio

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foliocache/folio/internal/core"
)

// errOutdated ends a load that nobody waits for, of what a write has outdated.
var errOutdated = errors.New("folio: the load was for nothing: a write has overtaken it")

// busy reports whether the origin has enough to do with what readers wait for.
func (c *Cache) busy() bool {
	half := (int64(c.config.MaxLoads) + 1) / 2
	if !c.loads.TryAcquire(half) {
		return true
	}
	c.loads.Release(half)
	return false
}

// further tells the core of a hit that it wants to hear of at once, and loads the page behind if it says so.
func (l *List[T]) further(ctx context.Context, q Query, body []byte) {
	c, reader := l.cache, q.known.id
	asked := reader.query(c.now())
	if !c.consider(&asked) {
		return
	}
	defer c.guard()
	next, ok := l.next(q, body)
	if !ok {
		return
	}
	id, from := l.loading(next)
	c.warmUp(ctx, &id, from, func(w *core.Query) (core.Flight, int) { return c.core.Warm(w, &asked) })
}

// consider tells the core of a hit that it wants to hear of at once, and reports whether it wants the page behind.
func (c *Cache) consider(asked *core.Query) (ahead bool) {
	asked.Busy = c.busy()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready() != nil {
		return false
	}
	c.counts.hits.Add(1)
	return c.core.Consider(asked)
}

// next returns the query of the page behind one that is stored, if there may be one.
func (l *List[T]) next(q Query, body []byte) (Query, bool) {
	if l.config.Cursor != nil {
		var p struct{ Next string }
		if err := json.Unmarshal(body, &p); err != nil || p.Next == "" {
			return q, false
		}
		q.Cursor = p.Next
	} else if q.Offset += q.Limit; q.Offset > l.config.MaxOffset {
		return q, false
	}
	q.text, q.known = string(q.canonical(nil)), nil
	q = l.know(q)
	return q, q.Offset == 0 || !l.behind(&q.known.end, q.Offset, false)
}

// warmUp begins a load that nobody waits for, unless somebody has or loads its page, or too many of them are under
// way. A write ends it.
func (c *Cache) warmUp(ctx context.Context, id *identity, l loader, begin func(q *core.Query) (f core.Flight, ahead int)) {
	if !c.warming.TryAcquire(1) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q := id.query(c.now())
	if c.ready() != nil || c.held.any(id) || c.Mode() == Off || c.core.Held(&q) {
		c.warming.Release(1)
		return
	}
	flight, ahead := begin(&q)
	w := c.begin(id, &q, core.Answer{Flight: flight, Ahead: ahead})
	calls := c.widen(w, &l)
	outdated, cancel := context.WithCancel(context.Background())
	c.unwaited[w], w.manner = cancel, core.Unasked
	ctx = unchained(context.WithoutCancel(ctx))
	c.fly(ctx, calls, l, func(ctx context.Context) error {
		ctx, end := context.WithCancel(ctx)
		defer end()
		defer context.AfterFunc(outdated, end)()
		began := time.Now()
		err := c.bring(ctx, calls, &l)
		c.counts.warmNanos.Add(int64(time.Since(began)))
		for _, b := range calls {
			c.counts.warmRows.Add(int64(b.rows))
		}
		if outdated.Err() != nil && err != nil {
			return errors.Join(errOutdated, err)
		}
		return err
	})
}

// guard keeps a panic of a list's functions from who did not ask for them: it is deferred.
func (c *Cache) guard() {
	if v := recover(); v != nil {
		c.counts.panicked.Add(1)
		c.config.Logger.Error("folio: a list's function panicked", "value", v, "stack", string(debug.Stack()))
	}
}

// earns books a load that somebody waits for, unless that is the loader of one that nobody does. Under c.mu.
func (c *Cache) earns(ctx context.Context) {
	for l := chainOf(ctx); l != nil; l = l.outer {
		if l.cache == c && slices.ContainsFunc(l.calls, func(w *call) bool { return w.waiters == 0 }) {
			return
		}
	}
	c.core.Earn()
}

// dismiss ends the loads that nobody waits for and that something has just outdated. Under c.mu.
func (c *Cache) dismiss() {
	for w, cancel := range c.unwaited {
		if w.waiters == 0 && !c.core.Stands(w.flight) {
			cancel()
		}
	}
}

// rewarm begins the loads that the core wants after a write. Under c.mu.
func (c *Cache) rewarm() {
	if c.closed.Load() {
		return
	}
	for d, ok := c.core.Due(); ok; d, ok = c.core.Due() {
		key := c.stored(d.Key)
		name, _, _ := strings.Cut(key, ":")
		if l, ok := c.lists.Load(unescape(name)); ok {
			c.running.Go(func() {
				defer c.guard()
				l.(again).again(key, d)
			})
		}
	}
}

// stored returns the canonical key of what is stored under a unit's number, valid or not; empty if there is nothing.
// Under c.mu.
func (c *Cache) stored(unit uint64) string {
	slot, _ := c.core.Arena().Find(unit)
	if keys := c.store.Keys(); uint64(slot) < uint64(len(keys)) {
		v, _, _ := c.store.Get(c.scratch[:0], keys[slot], unit)
		c.scratch = v[:0]
		if e, ok := parseEntry(v); ok && e.space == listSpace {
			return string(e.key)
		}
	}
	return ""
}

// again is a list whose pages can be loaded again by their keys.
type again interface{ again(key string, d core.Due) }

func (l *List[T]) again(key string, d core.Due) {
	c := l.cache
	q, ok := l.read(key)
	if !ok || c.busy() {
		return
	}
	id, from := l.loading(q)
	c.warmUp(context.Background(), &id, from, func(w *core.Query) (core.Flight, int) { return c.core.Again(d, w) })
}

// read returns the query that a canonical key is of: what canonical writes.
func (l *List[T]) read(key string) (Query, bool) {
	owner, rest, ok := cutPlace(key)
	if !ok {
		return Query{}, false
	}
	p := Params{Scope: owner}
	for i, part := range rest {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(value)
		switch {
		case i == 0 && name == "offset" && err == nil:
			p.Offset = n
		case i == 0 && name == "cursor":
			p.Cursor = unescape(value)
		case i == 1 && err == nil:
			p.Limit = n
		case i == 2:
			p.Sort = unescape(value)
		case i > 2:
			var values []string
			for v := range strings.SplitSeq(value, ",") {
				values = append(values, unescape(v))
			}
			p.Filters = set(p.Filters, unescape(name), values)
		default:
			return Query{}, false
		}
	}
	q, err := l.Query(p)
	return q, err == nil && q.text == key
}

// cutPlace cuts a canonical key into the scope and the parts from the page's place on.
func cutPlace(key string) (s Scope, rest []string, ok bool) {
	parts := strings.Split(key, ":")
	at := slices.IndexFunc(parts, func(p string) bool { return strings.Contains(p, "=") })
	if at != 2 && at != 3 {
		return s, nil, false
	}
	owner := parts[1:at]
	last := &owner[len(owner)-1]
	name, audience, _ := strings.Cut(*last, "@")
	*last, s.Audience = name, unescape(audience)
	s.Kind = unescape(owner[0])
	if len(owner) > 1 {
		s.ID = unescape(owner[1])
	}
	return s, parts[at:], true
}

// unescape reads what appendField wrote; of anything else, nothing.
func unescape(field string) string {
	text, _ := url.PathUnescape(field)
	return text
}
