package folio

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/core"
)

// Mode says what a cache does about reads. Writes and invalidations are heard in all of them, so a cache may
// be switched at any time.
type Mode uint32

// The modes.
const (
	// On serves what is stored.
	On Mode = iota
	// Observe asks the loader for every read and serves what that brings. The cache only goes through the
	// motions: Stats.Hits and Stats.Joined are the loads that it would have saved, Stats.Differed the
	// answers that would have been stale.
	Observe
	// Off asks the loader for every read, and stores nothing.
	Off
)

var modes = [...]string{"on", "observe", "off"}

// String returns the mode's name.
func (m Mode) String() string {
	if int(m) >= len(modes) {
		return "unknown"
	}
	return modes[m]
}

// SetMode switches the cache, for reads that start after it returned.
func (c *Cache) SetMode(m Mode) error {
	if int(m) >= len(modes) {
		return configError(errors.New("Mode: want On, Observe or Off"))
	}
	c.mode.Store(uint32(m))
	return nil
}

// Mode returns what was last set.
func (c *Cache) Mode() Mode { return Mode(c.mode.Load()) }

// around answers a read by its loader. A cache that observes goes through the motions of answering.
func (c *Cache) around(ctx context.Context, id *identity, l *loader, m Mode) (answer, error) {
	if c.closed.Load() {
		return answer{}, ErrClosed
	}
	if m == Off || id.raw {
		return c.direct(ctx, l, id)
	}
	_, e, there := c.lookup(nil, id)
	want := core.Serve
	if there {
		want = c.ask(id, &e)
	}
	if there && want == core.Serve {
		c.served(id, &e, 1)
	} else {
		asked := *id
		asked.stand = stand{want, e.copy.Born}
		w, _, err := c.miss(ctx, nil, &asked, *l)
		switch {
		case w != nil && w.began:
			return c.wait(ctx, w)
		case err != nil && !errors.Is(err, ErrNotFound):
			return answer{}, err
		case w == nil: // it has come meanwhile
			_, e, there = c.lookup(nil, id)
		}
	}
	a, err := c.direct(ctx, l, id)
	if there {
		c.compare(id, id, &e, &a, err)
	}
	return a, err
}

// direct answers a read, or one of some keys, by its loader alone, as if there were no cache.
func (c *Cache) direct(ctx context.Context, l *loader, ids ...*identity) (a answer, err error) {
	if err := ctx.Err(); err != nil {
		return answer{}, context.Cause(ctx)
	}
	if ctx, err = c.alone(ctx, ids); err != nil {
		return answer{}, err
	}
	began := time.Now()
	err = errPanicked
	defer func() {
		took := time.Since(began)
		c.counts.loadNanos.Add(int64(took))
		if errors.Is(err, errPanicked) {
			c.counts.panicked.Add(1)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			c.counts.loadErrors.Add(1)
		}
		for _, id := range ids {
			c.event(Event{Op: Load, List: id.listName(), Key: id.text, Took: took, Rows: a.rows, Bytes: len(a.body), Err: err})
		}
	}()
	c.counts.loads.Add(1)
	c.counts.around.Add(1)
	p, err := l.one(ctx)
	return answer{page: p, sum: xxh3.Hash(p.body), source: Bypass}, err
}

// alone returns the context of a loader that is asked around the cache for some keys, unless that is within its own
// load.
func (c *Cache) alone(ctx context.Context, ids []*identity) (context.Context, error) {
	within, own := chainOf(ctx), &chain{cache: c, outer: chainOf(ctx)}
	for _, id := range ids {
		if within.has(c, id) {
			return ctx, ErrRecursion
		}
		own.calls = append(own.calls, &call{id: *id})
	}
	return context.WithValue(ctx, chainKey{}, own), nil
}

var errPanicked = errors.New("folio: the loader panicked")

// one loads one page, or what there is.
func (l *loader) one(ctx context.Context) (page, error) {
	if l.wide == nil {
		return l.load(ctx)
	}
	pages, err := l.wide.load(ctx, 1)
	if err != nil {
		return page{}, err
	}
	return pages[0], nil
}

// compare tells of what is stored for an identity, be it under that of the list's end, and is not what the origin has,
// though nobody said so before the origin had answered.
func (c *Cache) compare(id, in *identity, stored *entry, fresh *answer, err error) {
	absent := errors.Is(err, ErrNotFound)
	if err != nil && !absent {
		return
	}
	c.counts.verified.Add(1)
	if same := absent == (stored.kind == notFound) && (absent || fresh.sum == stored.sum); !same && c.still(in, stored) {
		c.differs(id, fresh)
	}
}

// still reports whether an entry is still stored, and none that was loaded since.
func (c *Cache) still(id *identity, e *entry) bool {
	_, now, ok := c.lookup(nil, id)
	return ok && now.sum == e.sum && now.kind == e.kind && now.epoch == e.epoch && bytes.Equal(now.stamps, e.stamps)
}

// differs tells of an answer that is, or would have been, stale.
func (c *Cache) differs(id *identity, fresh *answer) {
	c.counts.differed.Add(1)
	c.config.Logger.Warn("folio: what is stored is not what the origin has: is a write not told?", "key", id.text)
	c.event(Event{Op: Differ, List: id.listName(), Key: id.text, Rows: fresh.rows, Bytes: len(fresh.body)})
}

// due reports whether a hit is one of those to be verified.
func (c *Cache) due() bool {
	n := c.config.VerifyOneIn
	return n > 0 && rand.IntN(n) == 0
}

// verify asks a loader for what was just served from the store and compares it, behind the reader's back. Few at a
// time, beside the MaxLoads of others. stored is what it is stored under.
func (c *Cache) verify(ctx context.Context, id, stored *identity, l *loader) {
	_, e, ok := c.lookup(nil, stored)
	if !ok || !c.verifying.TryAcquire(1) {
		return
	}
	c.mu.Lock() // Close waits for what began before
	defer c.mu.Unlock()
	if c.closed.Load() {
		c.verifying.Release(1)
		return
	}
	ctx, of, in := unchained(context.WithoutCancel(ctx)), *id, *stored
	c.running.Go(func() {
		defer c.verifying.Release(1)
		ctx, cancel := context.WithTimeout(ctx, c.config.LoadTimeout)
		defer cancel()
		defer context.AfterFunc(c.stopped, cancel)()
		var a answer
		_, err := c.counted(ctx, func(ctx context.Context) error {
			c.counts.around.Add(1)
			p, err := l.one(ctx)
			a = answer{page: p, sum: xxh3.Hash(p.body)}
			return err
		})
		c.compare(&of, &in, &e, &a, err)
	})
}
