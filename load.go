package folio

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"time"
)

// loader brings a body and its time to live.
type loader struct {
	load     func(context.Context) (page, error)
	ttl      time.Duration // 0: for ever
	emptyTTL time.Duration // of pages without rows, at most ttl
	end      *identity     // under which a page without rows is kept: one for all that are behind
	offset   int           // of the page
	tail     bool          // the last tag is that of the list's tail: full pages do not depend on it
	wide     *wide         // how the load may bring further pages; nil: not
}

// life returns a page's time to live.
func (l *loader) life(p page) time.Duration {
	if p.ttl > 0 {
		return p.ttl
	}
	if p.empty && (l.ttl == 0 || l.emptyTTL < l.ttl) {
		return l.emptyTTL
	}
	return l.ttl
}

// chain is the loads that a context is within: a loader that asks a cache hands it on.
type chain struct {
	cache *Cache
	calls []*call // that somebody has asked for
	turn  bool    // it has a turn among the cache's loads
	outer *chain
}

type chainKey struct{}

func chainOf(ctx context.Context) *chain {
	c, _ := ctx.Value(chainKey{}).(*chain)
	return c
}

// unchained returns a context for what goes on when the loads that ctx is within are over.
func unchained(ctx context.Context) context.Context {
	return context.WithValue(ctx, chainKey{}, (*chain)(nil))
}

// has reports whether what an identity of a cache names is being loaded within the chain.
func (l *chain) has(c *Cache, id *identity) bool {
	for ; l != nil; l = l.outer {
		if l.cache == c && slices.ContainsFunc(l.calls, func(w *call) bool { return w.id.same(id) }) {
			return true
		}
	}
	return false
}

// await notes that the innermost loads of the chain wait for another of their cache, under its lock.
func (l *chain) await(c *Cache, w *call) {
	if l != nil && l.cache == c {
		for _, inner := range l.calls {
			inner.waits = append(inner.waits, w)
		}
	}
}

// awaited reports whether a call waits for what is loaded within the chain, itself or by others that
// it waits for. seen are those that were looked at.
func (l *chain) awaited(w *call, seen map[*call]bool) bool {
	if w.main != nil {
		w = w.main // which brings it
	}
	if seen[w] || w.ended {
		return false
	}
	seen[w] = true
	for at := l; at != nil; at = at.outer {
		if slices.Contains(at.calls, w) {
			return true
		}
	}
	return slices.ContainsFunc(w.waits, func(next *call) bool { return l.awaited(next, seen) })
}

// within reports whether the chain has a load of a cache that has a turn.
func (l *chain) within(c *Cache) bool {
	for ; l != nil; l = l.outer {
		if l.cache == c && l.turn {
			return true
		}
	}
	return false
}

// fly begins the load of some calls, detached from who asks, and hands over what comes of each when
// it ends, however it ends. Under c.mu.
func (c *Cache) fly(ctx context.Context, calls []*call, l loader, load func(context.Context) error) {
	asked := slices.DeleteFunc(slices.Clone(calls), func(w *call) bool { return w.main != nil })
	ctx = context.WithValue(context.WithoutCancel(ctx), chainKey{}, &chain{c, asked, true, chainOf(ctx)})
	began, ask := c.watch(), c.fleet != nil && !slices.ContainsFunc(calls, func(w *call) bool { return c.held.any(&w.id) })
	c.work(func() {
		panicked, err := (*PanicError)(nil), errExit
		defer func() {
			for _, w := range calls {
				if w.panicked = panicked; err != nil {
					w.err = err
				}
				c.land(w, l)
				close(w.done)
			}
			if c.fleet != nil {
				c.fleet.release(calls[0])
			}
			for _, w := range asked {
				if !w.shared {
					c.loaded(w, began)
				}
			}
		}()
		if ask && c.consult(ctx, calls) {
			err = nil
			return
		}
		panicked, err = c.detached(ctx, load)
	})
}

// work runs something beside, if it can in a goroutine that is there: its stack has grown by then to what loaders
// take. Under c.mu.
func (c *Cache) work(do func()) {
	select {
	case c.idle <- do:
		return
	default:
	}
	c.running.Go(func() {
		idle := time.NewTimer(workerIdle)
		defer idle.Stop()
		for {
			do()
			idle.Reset(workerIdle)
			select {
			case do = <-c.idle:
			case <-idle.C:
				return
			case <-c.stopped.Done():
				return
			}
		}
	})
}

// workerIdle is how long a goroutine waits for something to do.
const workerIdle = time.Second

// errExit is what those get who wait for a loader that ended its goroutine.
var errExit = errors.New("folio: loader called runtime.Goexit")

// detached calls a loader within its own deadline, in its turn, until the cache is closed. Loads
// within loads need no turn of their own: else all could wait for each other's.
func (c *Cache) detached(ctx context.Context, load func(context.Context) error) (*PanicError, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.LoadTimeout)
	defer cancel()
	defer context.AfterFunc(c.stopped, cancel)()
	if !chainOf(ctx).outer.within(c) {
		if err := c.loads.Acquire(ctx, 1); err != nil {
			return nil, c.ended(err)
		}
		defer c.loads.Release(1)
	}
	panicked, err := c.counted(ctx, load)
	return panicked, c.ended(err)
}

// ended says that the cache was closed, where that may be why a load failed.
func (c *Cache) ended(err error) error {
	if err != nil && c.stopped.Err() != nil {
		return errors.Join(ErrClosed, err)
	}
	return err
}

// counted calls a loader and turns a panic into an error.
func (c *Cache) counted(ctx context.Context, load func(context.Context) error) (panicked *PanicError, err error) {
	began := time.Now()
	defer func() {
		c.counts.loadNanos.Add(int64(time.Since(began)))
		if v := recover(); v != nil {
			c.counts.panicked.Add(1)
			panicked = &PanicError{v, debug.Stack()}
			err = panicked
			c.config.Logger.Error("folio: a loader panicked", "value", v, "stack", string(panicked.Stack))
		}
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrAlone) && !errors.Is(err, errOutdated) {
			c.counts.loadErrors.Add(1)
		}
	}()
	c.counts.loads.Add(1)
	return nil, load(ctx)
}
