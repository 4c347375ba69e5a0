package folio

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/foliocache/folio/internal/core"
)

// Intent is a write under way: see [Cache.Intend].
type Intent struct {
	cache *Cache
	tags  []Tag
	held  map[core.Tag]bool // the same, and what depends on it
	once  sync.Once
	stop  func() bool // ctx from ending it
	err   error
}

// held counts the writes under way of each tag.
type held map[core.Tag]int

// any reports whether what an identity depends on is being written.
func (h held) any(id *identity) bool {
	if len(h) == 0 {
		return false
	}
	if h[id.feed] > 0 || id.open {
		return true
	}
	for _, t := range id.tags {
		if h[t] > 0 {
			return true
		}
	}
	return false
}

// Intend announces a write of what some tags name, before its transaction begins. Until
// [Intent.Done], nothing that depends on them, or on what depends on them, is served from the cache or
// stored in it, and every read loads for itself: so no reader sees the new rows and another one after
// it the old ones. It costs the origin all reads meanwhile; without it there is a moment, between
// commit and Invalidate, in which pages that were stored before are served beside those loaded since.
//
// Done must be called, after the commit or the rollback; the end of ctx does it too, so that a writer
// that dies does not keep the cache from serving for ever: give it a deadline beyond the write's. With
// an [ErrPending] there is an intent all the same.
func (c *Cache) Intend(ctx context.Context, tags ...Tag) (*Intent, error) {
	i, err := c.intend(ctx, tags)
	c.distrust(err)
	if err == nil {
		err = c.settle(nil)
	}
	return i, err
}

func (c *Cache) intend(ctx context.Context, tags []Tag) (*Intent, error) {
	i := &Intent{cache: c, tags: tags, held: map[core.Tag]bool{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := i.hold(); err != nil {
		return nil, err
	}
	c.intents[i] = true
	i.stop = context.AfterFunc(ctx, func() {
		if err := i.Done(); err != nil && !errors.Is(err, ErrClosed) {
			c.config.Logger.Error("folio: the end of a write is lost", "tags", tags, "error", err)
		}
	})
	return i, nil
}

// hold outdates what is to be written and what depends on it by now, and has nothing of that stored or
// served until the end. Under c.mu.
func (i *Intent) hold() error {
	all, err := i.cache.core.Closure(i.cache.all(i.tags)...)
	if err != nil {
		return ErrCascade
	}
	for _, t := range all {
		if !i.held[t] {
			i.held[t] = true
			i.cache.held[t]++
		}
	}
	i.cache.outdate(all)
	return nil
}

// Done ends the intent: it invalidates what was written, as [List.Invalidate] does. Further calls do
// nothing.
func (i *Intent) Done() error {
	i.once.Do(func() {
		i.err = i.end()
		i.cache.invalidated(i.err, i.tags...)
		i.err = i.cache.settle(i.err)
	})
	return i.err
}

func (i *Intent) end() error {
	c := i.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	i.stop()
	delete(c.intents, i)
	for t := range i.held {
		if c.held[t]--; c.held[t] == 0 {
			delete(c.held, t)
		}
	}
	if err := c.ready(); err != nil {
		return err
	}
	c.outdate(slices.Collect(maps.Keys(i.held)))
	return nil
}

// Intend announces a write of a scope's rows: see [Cache.Intend].
func (l *List[T]) Intend(ctx context.Context, s Scope) (*Intent, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return l.cache.Intend(ctx, l.Tag(s))
}
