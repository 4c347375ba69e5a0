package folio

import (
	"bytes"
	"context"
	"slices"

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
	from := func() loader {
		return loader{ttl: c.config.TTL, load: func(ctx context.Context) (page, error) {
			body, err := load(ctx)
			return page{body: body}, err
		}}
	}
	a, ok, err := c.hit(nil, &id)
	if ok {
		if c.due() {
			l := from()
			c.verify(ctx, &id, &id, &l)
		}
		return a.body, err
	}
	id.stand = a.stand
	a, err = c.fetch(ctx, nil, &id, from())
	if a.source != Hit && a.source != Refresh && a.source != Bypass {
		a.body = slices.Clone(a.body) // others have it too
	}
	return a.body, err
}

// GetIfPresent appends a key's value to dst, if it is stored and the cache is On: without a load, a lock,
// or an allocation where dst has room for the value, its key, and 64 bytes.
func (c *Cache) GetIfPresent(dst []byte, key string) (value []byte, ok bool) {
	id, began, m := c.plain(key), c.watch(), c.Mode()
	if m == Off {
		return dst, false
	}
	v, e, ok := c.lookup(dst, &id)
	if !ok {
		c.counts.misses.Add(1)
		c.note(id.read(c.now()), 0, true)
		c.observed(&id, began, &answer{source: Absent}, nil)
		return dst, false
	}
	c.served(&id, &e, 1)
	c.observed(&id, began, &answer{page: page{body: v[len(dst):]}}, nil)
	if e.kind != found || m == Observe {
		return dst, false
	}
	return v, true
}

// Set stores a value under a key, in place of any other and of what loads under way bring. The
// cache may decline it, as it may forget it at any time. It keeps nothing of value but a copy. A value
// beyond what the store can hold is an [ErrTooLarge]; what was there before is forgotten all the same.
// Bytes that are there already are not written again, unless they are large, older than the TTL's
// jitter, or other values depend on some key.
func (c *Cache) Set(key string, value []byte) error {
	err := c.set(key, value)
	c.distrust(err)
	return c.settle(err)
}

func (c *Cache) set(key string, value []byte) error {
	id := c.plain(key)
	f := c.filling(&id, value)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	off := c.Mode() == Off
	if !off && c.fleet == nil && !c.keyTags.Load() && f.packed == nil && !c.core.Loading(id.unit) && c.same(&id, value) {
		c.counts.unchanged.Add(1)
		return nil
	}
	if err := c.supersede(&id); err != nil || off {
		return err
	}
	return c.put(&id, &f)
}

// supersede invalidates a plain key, or a scope of one page, if anything is known of it or may depend on it. Under c.mu.
func (c *Cache) supersede(id *identity) error {
	if c.fleet == nil && !c.core.Known(id.unit) && !c.keyTags.Load() && len(c.keeper.logs()) == 0 { // what was saved may know it
		return nil
	}
	return c.bump(id.feed)
}

// filling makes what is stored of a value at hand.
func (c *Cache) filling(id *identity, value []byte) filling {
	f := filling{entry: entry{body: value, kind: found, sum: xxh3.Hash(value)}, ttl: c.config.TTL}
	f.compress(id, c.largest)
	return f
}

// same reports whether a value is stored already. Of a value that expires, as much of its life must be left as a new one may have.
func (c *Cache) same(id *identity, value []byte) bool {
	stored, e, ok := c.lookup(c.scratch[:0], id)
	c.scratch = stored[:0]
	return ok && e.kind == found && bytes.Equal(stored, value) &&
		(c.config.TTL == 0 || e.expires-c.now() >= int64(float64(c.config.TTL)*(1-c.config.Jitter)))
}

// put stores a value at hand, under c.mu.
func (c *Cache) put(id *identity, f *filling) error {
	q := id.query(c.now())
	return c.keep(id, c.core.Begin(&q), q.Now, f)
}

// Delete forgets a key's value. A Get that starts after it returned does not see what was there
// or being loaded before.
func (c *Cache) Delete(key string) error {
	err := c.forget(key)
	c.invalidated(err, KeyTag(key))
	return c.settle(err)
}

func (c *Cache) forget(key string) error {
	id := c.plain(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	return c.supersede(&id)
}

// invalidate outdates all that depends on some tags and returns the new version of the first.
func (c *Cache) invalidate(tags ...core.Tag) (n uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil || len(tags) == 0 {
		return 0, err
	}
	err = c.bump(tags...)
	return c.core.Stamp(tags[0]).N, err
}

// bump invalidates tags in the core and in the readers' view, under c.mu.
func (c *Cache) bump(tags ...core.Tag) error {
	all, err := c.core.Closure(tags...)
	if err != nil {
		return ErrCascade
	}
	c.outdate(all)
	return nil
}

// outdate is bump for what depends on these tags themselves, under c.mu. Other instances hear of it, see settle.
func (c *Cache) outdate(tags []core.Tag) {
	if c.fleet != nil {
		c.fleet.owe(tags)
	}
	c.overtake(tags)
}

// overtake is outdate, here alone.
func (c *Cache) overtake(tags []core.Tag) {
	c.core.Bump(c.now(), tags)
	for _, t := range tags {
		c.versions.set(t, c.core.Stamp(t).N, c.core.Reads(t))
		c.shares.outdate(t)
	}
	c.record(tags)
	c.dismiss()
	c.rewarm()
}
