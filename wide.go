package folio

import (
	"context"
	"errors"
	"time"

	"github.com/foliocache/folio/internal/core"
)

// wide is how a page's load may bring pages behind it along.
type wide struct {
	most   int                          // further pages
	behind func(n int) []identity       // the n pages behind, as far as they may exist; nil: nobody knows, their cursors come with the rows
	at     func(cursor string) identity // the page at a cursor
	load   func(ctx context.Context, pages int) ([]page, error)
}

// widen returns the calls that the load for one is for: itself, and those for pages behind that nobody
// has or loads. Under c.mu.
func (c *Cache) widen(w *call, l *loader) []*call {
	calls := []*call{w}
	if l.wide == nil {
		w.ahead = 0
		return calls
	}
	if w.ahead = min(w.ahead, max(0, l.wide.most)); l.wide.behind == nil {
		return calls
	}
	pages, held := l.wide.behind(w.ahead+1), false
	for i := range pages {
		if held = c.there(&pages[i], w.born); held || i == w.ahead {
			break
		}
		calls = append(calls, c.branch(w, pages[i], i+1))
	}
	calls[len(calls)-1].last = !held && len(calls) <= len(pages)
	w.ahead = len(calls) - 1
	return calls
}

// there reports whether nobody need load a page. Under c.mu.
func (c *Cache) there(id *identity, now int64) bool {
	q := id.query(now)
	return c.core.Held(&q)
}

// branch begins a call for a page so many behind that of another call, by the same load. Under c.mu.
func (c *Cache) branch(w *call, id identity, after int) *call {
	q := id.query(w.born)
	b := &call{done: make(chan struct{}), id: id, flight: c.core.Branch(w.flight, &q, after), born: w.born, main: w}
	c.calls[b.flight] = b
	return b
}

// bring loads the pages of some calls, the first of which somebody waits for, at once.
func (c *Cache) bring(ctx context.Context, calls []*call, l *loader) error {
	w, began := calls[0], time.Now()
	if l.wide == nil {
		var err error
		w.page, err = l.load(ctx)
		w.took, w.brought, w.last = time.Since(began), w.rows, w.full
		if err == nil {
			c.besides(w, l)
		}
		return err
	}
	pages, err := l.wide.load(ctx, 1+w.ahead)
	if err != nil {
		return err
	}
	w.took = time.Since(began)
	for _, p := range pages {
		w.brought += p.rows
	}
	for i, b := range calls {
		if i < len(pages) {
			b.page = pages[i]
		} else {
			b.err, b.wasted = errNotBrought, pages[len(pages)-1].full
		}
	}
	if l.wide.behind == nil {
		c.bringAlong(w, pages, l)
	}
	return nil
}

// bringAlong hands over pages that a load brought for cursors which nobody knew before.
func (c *Cache) bringAlong(w *call, pages []page, l *loader) {
	last := w // of them
	for i := range pages {
		if pages[i].next == "" {
			break // nobody can ask for what is behind
		}
		id := l.wide.at(pages[i].next)
		c.mu.Lock()
		there := c.closed.Load() || c.there(&id, w.born)
		if last.last = !there && i == len(pages)-1; there || last.last {
			c.mu.Unlock()
			break
		}
		b := c.branch(w, id, i+1)
		c.mu.Unlock()
		if last != w {
			c.hand(last, l)
		}
		b.page, last = pages[i+1], b
	}
	if last != w {
		c.hand(last, l)
	}
}

// besides hands over what a raw list's load brought beside its page.
func (c *Cache) besides(w *call, l *loader) {
	for i := range w.asides {
		one := &w.asides[i]
		c.mu.Lock()
		if c.closed.Load() {
			c.mu.Unlock()
			return
		}
		b := c.branch(w, one.id, 0)
		c.mu.Unlock()
		b.page, b.last = one.page, one.full
		c.hand(b, l)
	}
}

// hand hands over a page that another's load brought.
func (c *Cache) hand(b *call, l *loader) {
	c.land(b, *l)
	close(b.done)
}

// errNotBrought tells who waits for a page that a load for an earlier one was to bring that it did not: the
// list ends before, or its loader does not mind the range. He asks for himself.
var errNotBrought = errors.New("folio: the page was not brought along")

// wide returns how a query's load may bring further pages: no more rows than one page may have, so that
// a loader that cuts what it is asked for to that is right all the same.
func (l *List[T]) wide(q Query, tags []core.Tag) *wide {
	w := &wide{most: min(l.config.MaxAhead, l.config.MaxLimit/q.Limit-1), load: func(ctx context.Context, pages int) ([]page, error) { return l.load(ctx, q, pages) }}
	page := func(q Query) identity {
		q.text = string(q.canonical(nil))
		id := l.pageIdentity(q)
		id.tags, id.open = l.pageTags(q, tags), l.config.RowTags != nil
		return id
	}
	if l.config.Cursor != nil {
		w.at = func(cursor string) identity {
			q := q
			q.Cursor = cursor
			return page(q)
		}
		return w
	}
	w.behind = func(n int) (ids []identity) {
		end, next := l.identify(q, l.aside(q, "end")), q
		for range n {
			if next.Offset > l.config.MaxOffset-q.Limit {
				break
			}
			if next.Offset += q.Limit; l.behind(&end, next.Offset, false) {
				break
			}
			ids = append(ids, page(next))
		}
		return ids
	}
	return w
}
