package folio

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/tier"
)

// owe notes tags that were outdated here. Under the cache's lock.
func (f *fleet) owe(tags []core.Tag) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn++
	for _, t := range tags {
		f.owed[t] = f.turn
	}
	if len(f.owed) > mostOwed {
		f.all = true // which is less
		clear(f.owed)
	}
	select {
	case f.some <- struct{}{}:
	default:
	}
}

// owes reports whether the tier may have values of before a write here, of what depends on any of some tags.
func (f *fleet) owes(tags []uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all || len(f.owed) == 0 {
		return f.all
	}
	for _, t := range tags {
		if _, ok := f.owed[core.Tag(t)]; ok {
			return true
		}
	}
	return false
}

// tell has the tier outdate what is owed to it, all at once, and again where that fails.
func (f *fleet) tell() {
	c, wait := f.cache, tierRetry
	for {
		select {
		case <-f.some:
		case <-c.stopped.Done():
		}
		for f.tellOnce() != nil && c.stopped.Err() == nil {
			c.pause(wait)
			wait = min(2*wait, tierRetryMost)
		}
		wait = tierRetry
		if c.stopped.Err() != nil {
			return
		}
	}
}

// tellOnce tries once to tell the tier, and whoever waits for that.
func (f *fleet) tellOnce() error {
	f.mu.Lock()
	turn, tries, all := f.turn, f.tries, f.all
	f.tries = nil
	tags := make([]uint64, 0, min(len(f.owed), tier.MaxTags))
	for t := range f.owed {
		if len(tags) == tier.MaxTags {
			break
		}
		tags = append(tags, uint64(t))
	}
	more := len(tags) < len(f.owed)
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), f.cache.config.TierTimeout)
	defer cancel()
	var at tier.Moment
	var err error
	if len(tags) > 0 {
		at, err = f.tier.Bump(ctx, f.by, tags)
	}
	if err == nil && all {
		err = f.tier.Flush(ctx)
	}
	if err == nil {
		f.paid(tags, turn, all, at)
	}
	if err == nil && more {
		f.mu.Lock()
		f.tries = append(f.tries, tries...)
		f.mu.Unlock()
		return f.tellOnce()
	}
	for _, done := range tries {
		done <- err
	}
	return err
}

// paid forgets what was owed up to a turn. The tier has it, as of a moment.
func (f *fleet) paid(tags []uint64, turn uint64, all bool, at tier.Moment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range at {
		f.told[m.Shard] = m
	}
	if all && turn == f.turn {
		f.all = false
	}
	for _, t := range tags {
		if f.owed[core.Tag(t)] <= turn {
			delete(f.owed, core.Tag(t))
		}
	}
}

// token says of an invalidation that has settled, or has not, by when others know of it.
func (c *Cache) token(t core.Tag, n uint64, err error) Token {
	token := Token{tag: t, n: n}
	if f := c.fleet; f != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		token.by, token.pending, token.at = f.by, err != nil, slices.Clone(f.told)
	}
	return token
}

// knows reports whether this instance knows of the invalidation of a token.
func (f *fleet) knows(t *Token) bool {
	if t.by == f.by {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, at := range t.at {
		if at.Shard >= len(f.heard) || f.heard[at.Shard].Epoch != at.Epoch || f.heard[at.Shard].N < at.N {
			return false
		}
	}
	return len(t.at) > 0 && !t.pending
}

// settle waits until the tier knows what was outdated before, unless that failed. The error is that, or an ErrPending.
func (c *Cache) settle(err error) error {
	if c.fleet == nil || err != nil {
		return err
	}
	if err := c.fleet.settle(); err != nil {
		return fmt.Errorf("%w: %w", ErrPending, err)
	}
	return nil
}

func (f *fleet) settle() error {
	f.mu.Lock()
	if len(f.owed) == 0 && !f.all {
		f.mu.Unlock()
		return nil
	}
	done := make(chan error, 1)
	f.tries = append(f.tries, done)
	f.mu.Unlock()
	select {
	case f.some <- struct{}{}:
	default:
	}
	select {
	case err := <-done:
		return err
	case <-time.After(2 * f.cache.config.TierTimeout):
		return context.DeadlineExceeded
	case <-f.cache.stopped.Done():
		return ErrClosed
	}
}

// oweAll notes that everything was outdated here. Under the cache's lock.
func (f *fleet) oweAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn++
	f.all = true
}
