package folio

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/zeebo/xxh3"
)

// LoadMany brings the values of some keys. Those that it leaves out do not exist, others that it
// brings are left; an error is that of all of them.
type LoadMany func(ctx context.Context, keys []string) (map[string][]byte, error)

// GetMany returns the values of some keys, and has those that are neither stored nor on their way
// loaded together, in one call. Keys that do not exist are left out. Where some keys failed, the
// values of the others are returned beside the errors. All else is as with [Cache.Get].
func (c *Cache) GetMany(ctx context.Context, keys []string, load LoadMany) (map[string][]byte, error) {
	values, faults := make(map[string][]byte, len(keys)), map[string]error{}
	fault := func(err error) {
		if err != nil && !errors.Is(err, ErrNotFound) {
			faults[err.Error()] = err // one load fails for many keys
		}
	}
	began, wait := c.watch(), c.outcome
	var waiters []*waiter
	switch c.Mode() {
	case On:
		waiters = c.joinMany(ctx, keys, values, load, fault)
	case Observe:
		var others map[string]*entry
		waiters, others = c.observeMany(ctx, keys, load, fault)
		c.askMany(ctx, others, values, load, fault)
		wait = func(ctx context.Context, _ []byte, w *waiter) (answer, error) { return c.wait(ctx, w) }
	default:
		others := map[string]*entry{}
		for _, key := range keys {
			others[key] = nil
		}
		c.askMany(ctx, others, values, load, fault)
	}
	for _, w := range waiters {
		a, err := wait(ctx, nil, w)
		c.observed(&w.id, began, &a, err)
		if fault(err); err == nil {
			values[w.id.text] = slices.Clone(a.body)
		}
	}
	var all []error
	for _, err := range faults {
		all = append(all, err)
	}
	return values, errors.Join(all...)
}

// observeMany goes through the motions of answering a read of some keys. It returns the calls that it began, whose
// outcome is as fresh as can be, and the other keys, with what is stored of them.
func (c *Cache) observeMany(ctx context.Context, keys []string, load LoadMany, fault func(error)) (own []*waiter, others map[string]*entry) {
	others = map[string]*entry{}
	var missing []string
	for _, key := range keys {
		id := c.plain(key)
		if _, seen := others[key]; seen {
			continue
		}
		if _, e, ok := c.lookup(nil, &id); ok {
			c.served(&id, &e, 1)
			others[key] = &e
		} else {
			missing = append(missing, key)
		}
	}
	stored := map[string][]byte{}
	for _, w := range c.joinMany(ctx, missing, stored, load, fault) {
		if w.began {
			own = append(own, w)
		} else {
			others[w.id.text] = nil
		}
	}
	for key := range stored {
		others[key] = nil
	}
	return own, others
}

// askMany puts what the loader alone brings of some keys into values, and compares it with what is stored of them.
func (c *Cache) askMany(ctx context.Context, keys map[string]*entry, values map[string][]byte, load LoadMany, fault func(error)) {
	if len(keys) == 0 {
		return
	}
	asked := slices.Sorted(maps.Keys(keys))
	ids, began := make([]*identity, len(asked)), c.watch()
	for i, key := range asked {
		id := c.plain(key)
		ids[i] = &id
	}
	var brought map[string][]byte
	err := ErrClosed
	if !c.closed.Load() {
		_, err = c.direct(ctx, &loader{load: func(ctx context.Context) (_ page, err error) {
			brought, err = load(ctx, asked)
			return page{}, err
		}}, ids...)
	}
	fault(err)
	for i, key := range asked {
		a, err := answer{source: Bypass}, err
		body, ok := brought[key]
		if ok && err == nil {
			values[key] = body
			a.body, a.sum = body, xxh3.Hash(body)
		} else if err == nil {
			err = ErrNotFound
		}
		c.observed(ids[i], began, &a, err)
		if e := keys[key]; e != nil {
			c.compare(ids[i], ids[i], e, &a, err)
		}
	}
}

// joinMany puts what is stored of some keys into values, and returns the calls to wait for.
func (c *Cache) joinMany(ctx context.Context, keys []string, values map[string][]byte, load LoadMany, fault func(error)) (waiters []*waiter) {
	missing := c.hitMany(keys, values)
	switch {
	case len(missing) == 0:
		return nil
	case ctx.Err() != nil:
		fault(context.Cause(ctx))
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		fault(err)
		return nil
	}
	var own []*call
	for _, id := range missing {
		w, hit, err := c.join(ctx, nil, &id)
		switch {
		case err != nil:
			fault(err)
		case w == nil || w.behind:
			values[id.text] = hit.body
		default:
			waiters = append(waiters, w)
		}
		if w != nil && w.began {
			own = append(own, w.call)
		}
	}
	if len(own) > 0 {
		c.earns(ctx)
		c.fly(ctx, own, loader{ttl: c.config.TTL}, func(ctx context.Context) error { return loadMany(ctx, own, load) })
	}
	return waiters
}

// hitMany puts what is stored of some keys into values, and returns the other ones, each once.
func (c *Cache) hitMany(keys []string, values map[string][]byte) (missing []identity) {
	seen := map[string]bool{}
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		id := c.plain(key)
		a, ok, err := c.hit(nil, &id)
		switch {
		case !ok:
			id.stand = a.stand
			missing = append(missing, id)
		case err == nil:
			values[key] = a.body
		}
	}
	return missing
}

// loadMany loads several keys at once and tells each call what came of its own.
func loadMany(ctx context.Context, calls []*call, load LoadMany) error {
	keys := make([]string, len(calls))
	for i, w := range calls {
		keys[i] = w.id.text
	}
	brought, err := load(ctx, keys)
	if err != nil {
		return err
	}
	for _, w := range calls {
		body, ok := brought[w.id.text]
		if w.body = body; !ok {
			w.err = ErrNotFound
		}
	}
	return nil
}

// SetMany stores values as [Cache.Set] does, all that it can, and joins the errors of the others.
func (c *Cache) SetMany(values map[string][]byte) error {
	var faults []error
	for key, value := range values {
		err := c.set(key, value)
		c.distrust(err)
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case err != nil:
			faults = append(faults, fmt.Errorf("%w: key %q", err, key))
		}
	}
	return errors.Join(errors.Join(faults...), c.settle(nil))
}

// DeleteMany forgets values as [Cache.Delete] does.
func (c *Cache) DeleteMany(keys ...string) error {
	for _, key := range keys {
		err := c.forget(key)
		if c.invalidated(err, KeyTag(key)); err != nil {
			return err
		}
	}
	return c.settle(nil)
}

// Warm stores values that are not there yet, as at start-up, and returns how many it stored: the
// cache declines some, and what is too large. Values must be of now: what is written while they are gathered is to be
// deleted after Warm. It stops at the end of ctx.
func (c *Cache) Warm(ctx context.Context, values iter.Seq2[string, []byte]) (stored int, err error) {
	for key, value := range values {
		if ctx.Err() != nil {
			return stored, context.Cause(ctx)
		}
		ok, err := c.warm(key, value)
		if err != nil {
			return stored, err
		}
		if ok {
			stored++
		}
	}
	return stored, nil
}

func (c *Cache) warm(key string, value []byte) (stored bool, err error) {
	id := c.plain(key)
	f := c.filling(&id, value)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return false, err
	}
	if _, _, ok := c.lookup(nil, &id); ok || c.core.Known(id.unit) || c.Mode() == Off {
		return false, nil
	}
	if c.put(&id, &f) != nil {
		return false, nil // too large: counted
	}
	_, _, stored = c.lookup(nil, &id)
	return stored, nil
}
