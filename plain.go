package folio

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/core"
)

// Get returns a key's value: stored, or what load brings. Concurrent calls for one key share a
// load. It runs detached: who gives up waiting, as ctx says, does not end it for the others. The
// value is the caller's.
//
// A load that a Set or Delete of its key overtakes is not stored; who asked before gets its value
// all the same. Errors: the loader's, ctx's, [ErrNotFound] while that is remembered, [ErrClosed].
// If load panics, so does the Get that began it; those who joined it get a [PanicError].
func (c *Cache) Get(ctx context.Context, key string, load func(context.Context) ([]byte, error)) ([]byte, error) {
	if load == nil {
		panic("folio: Get without a loader")
	}
	id := c.plain(key)
	if a, ok, err := c.hit(nil, &id); ok {
		return a.body, err
	}
	a, err := c.fetch(ctx, nil, &id, loader{ttl: c.config.TTL, load: func(ctx context.Context) (page, error) {
		body, err := load(ctx)
		return page{body: body}, err
	}})
	if a.source != Hit {
		a.body = slices.Clone(a.body) // others have it too
	}
	return a.body, err
}

// GetIfPresent appends a key's value to dst, if it is stored: without a load, a lock, or an
// allocation where dst has room for the value, its key, and 64 bytes.
func (c *Cache) GetIfPresent(dst []byte, key string) (value []byte, ok bool) {
	id := c.plain(key)
	v, e, ok := c.lookup(dst, &id)
	if !ok {
		c.counts.misses.Add(1)
		c.note(&id, c.now())
		return dst, false
	}
	c.counts.hits.Add(1)
	c.served(&id, &e)
	if e.kind != found {
		return dst, false
	}
	return v, true
}

// Set stores a value under a key, in place of any other and of what loads under way bring. The
// cache may decline it, as it may forget it at any time. It keeps nothing of value but a copy.
func (c *Cache) Set(key string, value []byte) error {
	id := c.plain(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	if c.core.Known(id.unit) || c.keyTags.Load() {
		if err := c.bump(id.feed); err != nil {
			return err
		}
	}
	c.put(&id, value)
	return nil
}

// put stores a value at hand, under c.mu.
func (c *Cache) put(id *identity, value []byte) {
	e := entry{body: value, key: []byte(id.text), space: id.space, kind: found, sum: xxh3.Hash(value)}
	q := id.query(c.now())
	c.keep(id, c.core.Begin(&q), q.Now, &e, c.config.TTL)
}

// Delete forgets a key's value. A Get that starts after it returned does not see what was there
// or being loaded before.
func (c *Cache) Delete(key string) error {
	id := c.plain(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	if !c.core.Known(id.unit) && !c.keyTags.Load() {
		return nil // there is nothing to forget, and nothing depends on it
	}
	return c.bump(id.feed)
}

// invalidate outdates all that depends on a tag and returns its new version.
func (c *Cache) invalidate(t core.Tag) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return 0, err
	}
	err := c.bump(t)
	return c.core.Stamp(t).N, err
}

// bump invalidates a tag in the core and in the readers' view, under c.mu.
func (c *Cache) bump(t core.Tag) error {
	all, err := c.core.Invalidate(t)
	if err != nil {
		return ErrCascade
	}
	for _, t := range all {
		c.versions.set(t, c.core.Stamp(t).N)
	}
	return nil
}

// again invalidates a tag once more when a lag is over. One goroutine a tag waits, for the last lag.
func (c *Cache) again(t core.Tag, lag time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, waiting := c.due[t]
	c.due[t] = c.now() + int64(lag)
	if !waiting && !c.closed.Load() {
		c.running.Go(func() { c.outwait(t) })
	}
}

// outwait invalidates a tag when it is due, unless the cache is closed before.
func (c *Cache) outwait(t core.Tag) {
	for {
		c.mu.Lock()
		rest := c.due[t] - c.now()
		if rest <= 0 {
			delete(c.due, t)
		}
		c.mu.Unlock()
		if rest <= 0 {
			break
		}
		timer := time.NewTimer(time.Duration(rest))
		select {
		case <-timer.C:
		case <-c.stopped.Done():
			timer.Stop()
			return
		}
	}
	if _, err := c.invalidate(t); err != nil && !errors.Is(err, ErrClosed) {
		c.config.Logger.Error("folio: an invalidation that was due is lost", "error", err)
	}
}
