package folio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/tier"
)

// Intent is a write under way: see [Cache.Intend].
type Intent struct {
	cache *Cache
	tags  []Tag
	held  map[core.Tag]bool // the same, and what depends on it
	once  sync.Once
	stop  func() bool // ctx from ending it
	by    string      // it is held under this name in the tier; empty: it is not
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
// an [ErrPending] there is an intent all the same, in this process.
//
// Where the tier is a [tier.Holder], as Redis is, that goes for all instances: until Done, or the deadline of ctx (a minute,
// if it has none) nothing that depends on the tags is taken from the tier or stored there. Lists that are Strict read from
// nowhere else; for those, do not commit after an ErrPending.
func (c *Cache) Intend(ctx context.Context, tags ...Tag) (*Intent, error) {
	i, err := c.intend(ctx, tags)
	c.distrust(err)
	if err == nil {
		err = c.settle(i.announce(ctx))
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
	if f := c.fleet; f != nil {
		if _, ok := f.tier.(tier.Holder); ok {
			i.by = f.by + "." + strconv.FormatInt(f.claims.Add(1), 36)
		}
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

// announce has the tier hold what is to be written.
func (i *Intent) announce(ctx context.Context) error {
	if i.by == "" {
		return nil
	}
	d := holdLife
	if end, ok := ctx.Deadline(); ok {
		d = time.Until(end)
	}
	within, cancel := context.WithTimeout(ctx, i.cache.config.TierTimeout)
	defer cancel()
	_, err := i.cache.fleet.tier.(tier.Holder).Hold(within, i.by, i.numbers(), d)
	if ctx.Err() != nil { // it may have ended before it was held
		err = errors.Join(err, i.release())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPending, err)
	}
	return nil
}

// holdLife is for how long a write is announced without a deadline.
const holdLife = time.Minute

func (i *Intent) numbers() (all []uint64) {
	for t := range i.held {
		all = append(all, uint64(t))
	}
	return all
}

// release ends what announce began. Where that fails, it ends by itself.
func (i *Intent) release() error {
	if i.by == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), i.cache.config.TierTimeout)
	defer cancel()
	_, err := i.cache.fleet.tier.(tier.Holder).Release(ctx, i.by, i.numbers())
	return err
}

// Done ends the intent: it invalidates what was written, as [List.Invalidate] does. Further calls do
// nothing.
func (i *Intent) Done() error {
	i.once.Do(func() {
		i.err = i.end()
		i.cache.invalidated(i.err, i.tags...)
		if i.err = i.cache.settle(i.err); i.err == nil {
			if err := i.release(); err != nil {
				i.cache.config.Logger.Warn("folio: the end of a write is not announced: others wait for its deadline", "tags", i.tags, "error", err)
			}
		}
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
