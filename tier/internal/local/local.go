// Package local has what tiers within one process need beside their values: the log of the bumps of a shard, and the
// claims to load its values.
package local

import (
	"context"
	"time"
)

// Log is the log of a shard's bumps. It is guarded by whoever has it.
type Log[B any] struct {
	Most   int // bumps that are remembered, at least
	latest []B
	more   chan struct{}
}

// Add adds a bump, and wakes who waits for one.
func (l *Log[B]) Add(b B) {
	if l.latest = append(l.latest, b); len(l.latest) > 2*l.Most {
		l.latest = append([]B(nil), l.latest[l.Most:]...)
	}
	l.Wake()
}

// Wake wakes who waits.
func (l *Log[B]) Wake() {
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// Since returns the latest bumps, so many of them; false: not all are remembered. more is closed when there are more.
func (l *Log[B]) Since(n uint64) (bumps []B, more <-chan struct{}, ok bool) {
	if l.more == nil {
		l.more = make(chan struct{})
	}
	if n > uint64(len(l.latest)) {
		return nil, l.more, false
	}
	return append([]B(nil), l.latest[uint64(len(l.latest))-n:]...), l.more, true
}

// Wait waits for more, for a time at most, or until ctx ends.
func Wait(ctx context.Context, more <-chan struct{}, d time.Duration) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-more:
	case <-wait.C:
	case <-ctx.Done():
	}
}

// Claims are the claims to load values, by their names. They are guarded by whoever has them.
type Claims map[string]claim

type claim struct {
	by   string
	at   uint64 // the shard's bumps
	ends time.Time
}

// Take claims to load a value, as of a count of bumps, unless somebody else has and that stands: stands is asked about
// when he did.
func (c Claims) Take(name, by string, at uint64, d time.Duration, stands func(at uint64) bool) (taken bool) {
	now := time.Now()
	if there, ok := c[name]; ok && there.by != by && now.Before(there.ends) && stands(there.at) {
		return true
	}
	if len(c) >= sweepFrom {
		for name, old := range c {
			if now.After(old.ends) {
				delete(c, name)
			}
		}
	}
	c[name] = claim{by, at, now.Add(d)}
	return false
}

// sweepFrom is from how many claims on those are looked for whose time is over.
const sweepFrom = 10_000

// End ends somebody's claim.
func (c Claims) End(name, by string) {
	if c[name].by == by {
		delete(c, name)
	}
}
