// Package memcached is a tier on Memcached 1.4.20 or later.
//
//	shared, err := memcached.New(memcached.Config{Servers: []string{"localhost:11211"}})
//	cache, err := folio.New(folio.Config{MaxBytes: 256 << 20, Tier: shared})
//
// One number is the epoch and the count of its bumps; each count has an entry of the log under its number. A tag that
// values depend on has an item with a number that no tag had before; a bump deletes it. So every item may be evicted, or
// all of them: a value whose tags do not have the very numbers that it says is not current, and a log with a gap is lost.
//
// How old values are, and how long they live, goes by the clocks of those who write and read them.
package memcached

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"github.com/foliocache/folio/tier"
)

// Tier is a tier.Tier on Memcached, of one shard. Safe for concurrent use.
type Tier struct {
	config Config
	client *memcache.Client
	closed atomic.Bool
}

var _ tier.Tier = (*Tier)(nil)

const (
	patience   = time.Second            // for an answer, where nobody waits any more
	wait       = 100 * time.Millisecond // for something to be bumped
	atOnce     = 8                      // requests
	mostBumped = 256                    // tags; for more, another epoch is less
	entryTries = 3
	entryPause = 3 * time.Millisecond
	mostLog    = 1000 // entries that are read at once
	logLife    = 600  // s
	spareLife  = 3600 // s, that a tag's number outlives what depends on it
)

// New returns a tier. That a server cannot be reached is no error: it may come back.
func New(config Config) (*Tier, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	t := &Tier{config: config, client: memcache.NewFromSelector(servers(config.Servers))}
	t.client.Timeout, t.client.MaxIdleConns, t.client.DialContext = patience, config.Connections, config.dial
	return t, nil
}

// Shards returns 1.
func (t *Tier) Shards() int { return 1 }

// Close ends the connections.
func (t *Tier) Close() error {
	t.closed.Store(true)
	return t.client.Close()
}

// ask asks a server, until the context ends.
func ask[T any](ctx context.Context, t *Tier, do func() (T, error)) (v T, err error) {
	if t.closed.Load() {
		return v, tier.ErrClosed
	}
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := do()
		done <- answer{v, err}
		if t.closed.Load() {
			_ = t.client.Close() // its connection came back after the others were closed
		}
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-ctx.Done():
		return v, context.Cause(ctx)
	}
}

func (t *Tier) tell(ctx context.Context, do func() error) error {
	_, err := ask(ctx, t, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (t *Tier) items(ctx context.Context, keys []string) (map[string]*memcache.Item, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return ask(ctx, t, func() (map[string]*memcache.Item, error) { return t.client.GetMulti(keys) })
}

func (t *Tier) state() string            { return t.config.Prefix + ":n" }
func (t *Tier) logKey(s stamp) string    { return fmt.Sprintf("%s:l:%x", t.config.Prefix, uint64(s)) }
func (t *Tier) tagKey(tag uint64) string { return fmt.Sprintf("%s:t:%x", t.config.Prefix, tag) }
func (t *Tier) valueKey(name string) string {
	return fmt.Sprintf("%s:v:%x", t.config.Prefix, xxh3.HashString128(name).Bytes())
}
func (t *Tier) claimKey(name string) string {
	return fmt.Sprintf("%s:c:%x", t.config.Prefix, xxh3.HashString128(name).Bytes())
}

// stamp is an epoch, and a count in it.
type stamp uint64

// countBits are those of the count: after 268 million bumps another epoch begins by itself.
const countBits = 28

func (s stamp) epoch() uint64 { return uint64(s) >> countBits }
func (s stamp) mark() tier.Mark {
	return tier.Mark{Epoch: s.epoch(), N: uint64(s) & (1<<countBits - 1)}
}

func of(m tier.Mark) stamp { return stamp(m.Epoch<<countBits | m.N) }

// parse reads the number of an item; 0: there is none.
func parse(i *memcache.Item) stamp {
	if i == nil {
		return 0
	}
	n, _ := strconv.ParseUint(string(i.Value), 10, 64)
	if s := stamp(n); s.epoch() > 0 {
		return s
	}
	return 0
}

func (s stamp) text() []byte { return strconv.AppendUint(nil, uint64(s), 10) }

// newEpoch returns the beginning of one that never was.
func newEpoch() stamp { return stamp(1+rand.Uint64N(1<<35)) << countBits }

// now returns what the count is, of items that were just read: another epoch begins where it is lost.
func (t *Tier) now(ctx context.Context, items map[string]*memcache.Item) (stamp, error) {
	i := items[t.state()]
	for range 3 {
		if s := parse(i); s > 0 {
			return s, nil
		}
		new := &memcache.Item{Key: t.state(), Value: newEpoch().text()}
		var err error
		if i == nil {
			err = t.tell(ctx, func() error { return t.client.Add(new) })
		} else { // it is no number
			err = t.tell(ctx, func() error { return t.client.Set(new) })
		}
		if err != nil && !errors.Is(err, memcache.ErrNotStored) {
			return 0, failed(err)
		}
		if items, err = t.items(ctx, []string{t.state()}); err != nil {
			return 0, failed(err)
		}
		i = items[t.state()]
	}
	return 0, errors.New("tier/memcached: the count does not stay")
}

// An entry of the log is what it is for, the length of a name, the name, and tags.
const (
	number = iota // nothing: the count was needed
	begun         // tags are about to be bumped: for who writes
	done          // they have been: for who follows
)

// next counts, and adds an entry to the log. Once it has counted the entry is added, whatever becomes of ctx.
func (t *Tier) next(ctx context.Context, what byte, by string, tags []uint64) (stamp, error) {
	entry := append(append(make([]byte, 0, 2+len(by)+8*len(tags)), what, byte(len(by))), by...)
	for _, tag := range tags {
		entry = binary.BigEndian.AppendUint64(entry, tag)
	}
	count := func() (stamp, error) {
		n, err := t.client.Increment(t.state(), 1)
		if err != nil {
			return 0, err
		}
		s := stamp(n)
		if s.epoch() == 0 {
			return 0, fmt.Errorf("a count of %d: not what this package writes", n)
		}
		return s, t.client.Set(&memcache.Item{Key: t.logKey(s), Value: entry, Expiration: logLife})
	}
	s, err := ask(ctx, t, count)
	if errors.Is(err, memcache.ErrCacheMiss) {
		if _, err := t.now(ctx, nil); err != nil {
			return 0, err
		}
		s, err = ask(ctx, t, count)
	}
	return s, failed(err)
}

// entry reads one of the log.
func entry(i *memcache.Item) (what byte, b tier.Bump, ok bool) {
	if i == nil || len(i.Value) < 2 || len(i.Value) < 2+int(i.Value[1]) || (len(i.Value)-2-int(i.Value[1]))%8 != 0 {
		return 0, b, false
	}
	b.By = string(i.Value[2 : 2+i.Value[1]])
	for rest := i.Value[2+i.Value[1]:]; len(rest) > 0; rest = rest[8:] {
		b.Tags = append(b.Tags, binary.BigEndian.Uint64(rest))
	}
	return i.Value[0], b, true
}

// untouched reports whether none of some tags was bumped between two counts, as far as the log tells.
func (t *Tier) untouched(ctx context.Context, from, to stamp, tags []uint64) (bool, error) {
	if from.epoch() != to.epoch() || to > from+mostLog {
		return false, nil
	}
	var keys []string
	for s := from + 1; s <= to; s++ {
		keys = append(keys, t.logKey(s))
	}
	items, err := t.items(ctx, keys)
	for tries := 0; err == nil && len(items) < len(keys) && tries < entryTries; tries++ { // somebody has counted, and is about to say why
		time.Sleep(entryPause)
		items, err = t.items(ctx, keys)
	}
	if err != nil {
		return false, failed(err)
	}
	for _, k := range keys {
		_, b, ok := entry(items[k])
		if !ok || slices.ContainsFunc(b.Tags, func(tag uint64) bool { return slices.Contains(tags, tag) }) {
			return false, nil
		}
	}
	return true, nil
}

// Read is tier.Tier's: one round trip, one more where values depend on tags that were not asked for, and one for a claim.
func (t *Tier) Read(ctx context.Context, q tier.Question) (a tier.Answer, err error) {
	keys := []string{t.state()}
	for _, tag := range q.Tags {
		keys = append(keys, t.tagKey(tag))
	}
	for _, k := range q.Keys {
		keys = append(keys, t.valueKey(k.Name))
	}
	if q.Claim > 0 && len(q.Keys) > 0 {
		keys = append(keys, t.claimKey(q.Keys[0].Name))
	}
	items, err := t.items(ctx, keys)
	if err != nil {
		return a, failed(err)
	}
	now, err := t.now(ctx, items)
	if err != nil {
		return a, err
	}
	a.Moment = tier.Moment{now.mark()}
	if len(q.Keys) == 0 {
		return a, nil
	}
	if a.Values, err = t.values(ctx, &q, now, items); err != nil {
		return a, err
	}
	if q.Claim > 0 && a.Values[0].Body == nil {
		a.Claimed, err = t.claim(ctx, &q, now, items[t.claimKey(q.Keys[0].Name)])
	}
	return a, err
}

// values returns those that are current.
func (t *Tier) values(ctx context.Context, q *tier.Question, now stamp, items map[string]*memcache.Item) ([]tier.Value, error) {
	values, stamps, unknown := make([]tier.Value, len(q.Keys)), make([][]stamp, len(q.Keys)), []string(nil)
	at := map[uint64]stamp{}
	for _, tag := range q.Tags {
		at[tag] = parse(items[t.tagKey(tag)])
	}
	for i, k := range q.Keys {
		item := items[t.valueKey(k.Name)]
		if item == nil {
			continue
		}
		values[i], stamps[i] = open(item.Value, k, time.Now())
		for _, tag := range values[i].Tags {
			if _, ok := at[tag]; !ok {
				at[tag], unknown = 0, append(unknown, t.tagKey(tag))
			}
		}
	}
	more, err := t.items(ctx, unknown)
	if err != nil {
		return nil, failed(err)
	}
	for i := range values {
		for j, tag := range values[i].Tags {
			s := at[tag]
			if s == 0 {
				s = parse(more[t.tagKey(tag)])
			}
			if s != stamps[i][j] || s.epoch() != now.epoch() {
				values[i] = tier.Value{}
				break
			}
		}
	}
	return values, nil
}

// claim claims to load a value, unless somebody else has.
func (t *Tier) claim(ctx context.Context, q *tier.Question, now stamp, there *memcache.Item) (taken bool, err error) {
	by, at, ends := parseClaim(there)
	if there != nil && by != q.By && time.Now().Before(ends) {
		if taken, err = t.untouched(ctx, at, now, q.Tags); taken || err != nil {
			return taken, err
		}
	}
	own := &memcache.Item{Key: t.claimKey(q.Keys[0].Name), Value: fmt.Appendf(nil, "%d %d %s", now, time.Now().Add(q.Claim).UnixMicro(), q.By), Expiration: seconds(q.Claim) + 1}
	if there == nil {
		err = t.tell(ctx, func() error { return t.client.Add(own) })
	} else {
		own.CasID = there.CasID
		err = t.tell(ctx, func() error { return t.client.CompareAndSwap(own) })
	}
	if errors.Is(err, memcache.ErrNotStored) || errors.Is(err, memcache.ErrCASConflict) || errors.Is(err, memcache.ErrCacheMiss) {
		return true, nil // somebody else was faster
	}
	return false, failed(err)
}

// parseClaim reads whose a claim is, since when, and until when; what is none has ended.
func parseClaim(i *memcache.Item) (by string, at stamp, ends time.Time) {
	if i == nil {
		return "", 0, ends
	}
	if f := strings.SplitN(string(i.Value), " ", 3); len(f) == 3 {
		n, _ := strconv.ParseUint(f[0], 10, 64)
		micros, _ := strconv.ParseInt(f[1], 10, 64)
		by, at, ends = f[2], stamp(n), time.UnixMicro(micros)
	}
	return by, at, ends
}

// seconds rounds a time up.
func seconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }

// Bump is tier.Tier's: four round trips, and one for each few tags. Who writes is told before the numbers are deleted,
// and does not store what is of before; who follows is told after that, and finds nothing of before where he looks then.
func (t *Tier) Bump(ctx context.Context, by string, tags []uint64) (tier.Moment, error) {
	if len(tags) > tier.MaxTags || len(by) > 255 {
		return nil, tier.ErrValue
	}
	if len(tags) > mostBumped {
		return nil, t.Flush(ctx)
	}
	if _, err := t.next(ctx, begun, by, tags); err != nil {
		return nil, err
	}
	err := t.all(ctx, tags, func(tag uint64) error {
		if err := t.client.Delete(t.tagKey(tag)); !errors.Is(err, memcache.ErrCacheMiss) {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	at, err := t.next(ctx, done, by, tags)
	return tier.Moment{at.mark()}, err
}

// all does something for each of some tags, some at once.
func (t *Tier) all(ctx context.Context, tags []uint64, do func(tag uint64) error) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, tag := range tags {
		g.Go(func() error { return t.tell(ctx, func() error { return do(tag) }) })
	}
	return failed(g.Wait())
}

// Flush is tier.Tier's.
func (t *Tier) Flush(ctx context.Context) error {
	i := &memcache.Item{Key: t.state(), Value: newEpoch().text()}
	return failed(t.tell(ctx, func() error { return t.client.Set(i) }))
}

// Follow is tier.Tier's: it asks every Config.Poll, for 100 ms.
func (t *Tier) Follow(ctx context.Context, since tier.Mark) (l tier.Log, err error) {
	var gap time.Time // since when an entry is not there, which was counted
	for began := time.Now(); ; {
		items, err := t.items(ctx, []string{t.state()})
		if err != nil {
			return l, failed(err)
		}
		now, err := t.now(ctx, items)
		if err != nil {
			return l, err
		}
		last := time.Since(began) >= wait
		switch l.Until = now.mark(); {
		case since.Epoch == 0:
			return l, nil
		case now.epoch() != since.Epoch || now < of(since):
			l.Lost = true
			return l, nil
		case now > of(since):
			if l, err = t.entries(ctx, of(since), now); err != nil || len(l.Bumps) > 0 {
				return l, err
			}
			if l.Until != since {
				since, gap = l.Until, time.Time{}
			}
			if !l.More && last {
				return l, nil
			}
			if l.More && gap.IsZero() {
				gap = time.Now()
			}
			if l.More && time.Since(gap) >= wait { // whoever has counted it does not say what it was
				return tier.Log{Until: now.mark(), Lost: true}, nil
			}
		case last:
			return l, nil
		}
		select {
		case <-time.After(t.config.Poll):
		case <-ctx.Done():
			return tier.Log{}, context.Cause(ctx)
		}
	}
}

// entries reads the log, as far as it has no gap.
func (t *Tier) entries(ctx context.Context, from, to stamp) (l tier.Log, err error) {
	var keys []string
	for s := from + 1; s <= min(to, from+mostLog); s++ {
		keys = append(keys, t.logKey(s))
	}
	items, err := t.items(ctx, keys)
	if err != nil {
		return l, failed(err)
	}
	until := from
	for _, k := range keys {
		what, b, ok := entry(items[k])
		if !ok {
			break
		}
		if until++; what == done {
			l.Bumps = append(l.Bumps, b)
		}
	}
	l.Until, l.More = until.mark(), until < to
	return l, nil
}

// failed says what went wrong.
func failed(err error) error {
	if err == nil || errors.Is(err, tier.ErrClosed) {
		return err
	}
	return fmt.Errorf("tier/memcached: %w", err)
}
