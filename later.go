package folio

import (
	"context"
	"errors"
	"time"

	"github.com/foliocache/folio/internal/core"
)

// later names what is to be done to a tag: one more invalidation after the last of some lags, or one
// for all that were asked for within the first of some delays.
type later struct {
	tag  Tag
	soon bool
}

// appointment is when it is to be done.
type appointment struct {
	timer *time.Timer
	at    time.Time
	tags  []core.Tag // that it will bump, by what is known now
}

// postpone invalidates a tag when a delay is over. Of several delays under way, the last end counts,
// or the first one if soon.
func (c *Cache) postpone(l later, delay time.Duration) error {
	err := c.appoint(l, delay)
	c.distrust(err)
	return err
}

func (c *Cache) appoint(l later, delay time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return ErrClosed
	}
	tags, err := c.core.Closure(c.number(l.tag))
	if err != nil {
		return ErrCascade
	}
	at, a := time.Now().Add(delay), c.later[l]
	switch {
	case a == nil:
		a = &appointment{at: at}
		c.later[l] = a
		c.expect(a, tags)
		a.timer = time.AfterFunc(delay, func() { c.meet(l, a) })
	case at.Before(a.at) == l.soon:
		a.at = at
		a.timer.Reset(delay)
	}
	return nil
}

// meet does what was to be done at an appointment, unless it was put off meanwhile.
func (c *Cache) meet(l later, a *appointment) {
	tag := c.number(l.tag)
	c.mu.Lock()
	if c.ready() != nil || time.Now().Before(a.at) || c.later[l] != a { // of a cache that is closed, saveLast does it
		c.mu.Unlock()
		return
	}
	delete(c.later, l)
	c.expect(a, nil)
	err := c.bump(tag)
	c.mu.Unlock()
	if c.invalidated(err, l.tag); err != nil {
		c.config.Logger.Error("folio: an invalidation that was due is lost", "error", err)
	}
}

// expect notes which tags an appointment will bump, in place of what was noted, and has that on record as if it were
// done: after a restart nobody else would think of it. Under c.mu.
func (c *Cache) expect(a *appointment, tags []core.Tag) {
	for _, t := range a.tags {
		if c.ahead[t]--; c.ahead[t] == 0 {
			delete(c.ahead, t)
		}
	}
	a.tags = tags
	for _, t := range tags {
		c.ahead[t]++
	}
	c.record(tags)
}

// InvalidateAfter is for rows that are read from a replica which lags behind: it invalidates at once, and
// again when the lag is over, as pages loaded meanwhile may be of before the write. That they are
// served until then is the price; the token is that of the first time. Calls within the lag of others
// put the second time off for all of them.
func (l *List[T]) InvalidateAfter(ctx context.Context, s Scope, lag time.Duration) (Token, error) {
	t, err := l.Invalidate(ctx, s)
	if err == nil || errors.Is(err, ErrPending) {
		err = errors.Join(err, l.cache.postpone(later{tag: l.Tag(s)}, lag))
	}
	return t, err
}

// InvalidateWithin is for scopes written so often that nothing would stay: it invalidates some time
// within a delay, once for all calls meanwhile. Until then readers may get rows of before the write:
// where that must not be, [List.Invalidate] it is.
func (l *List[T]) InvalidateWithin(_ context.Context, s Scope, delay time.Duration) error {
	if err := s.check(); err != nil {
		return err
	}
	return l.cache.postpone(later{l.Tag(s), true}, delay)
}
