package folio

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/tier"
)

// fleet is a cache's part in what several instances share: it asks the tier for what its own memory has not, has the
// tier keep what is loaded, tells it what is outdated, and hears from its log what others have outdated.
//
// What is stored here is trusted as long as the log is known to be read up to a lease ago, or for a lease after its
// load began. So nothing is served that was loaded before an invalidation which another instance had acknowledged more
// than a lease before the read began, whatever becomes of the tier.
type fleet struct {
	cache   *Cache
	tier    tier.Tier
	lease   int64  // ns
	by      string // this instance in the log
	version string // of what is stored, as a part of keys
	parcel  *parcel
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]

	// By the cache's clock, ns:
	read  []atomic.Int64 // when each shard's log was asked last that has answered; 0: never
	until atomic.Int64   // what is stored is trusted up to then,
	since atomic.Int64   // if its load began later than that

	mu    sync.Mutex
	heard []tier.Mark         // of each shard's log: what was bumped up to there is outdated here
	told  []tier.Mark         // and what this instance has bumped is in it up to there
	owed  map[core.Tag]uint64 // outdated here, and not known to be in the tier: by which turn it is asked for
	all   bool                // everything is
	turn  uint64
	tries []chan<- error // who waits for the next try to end
	some  chan struct{}  // something is owed

	claims atomic.Int64 // made so far
	writes chan write
	counts tierCounts
}

// write is a page that the tier is to keep.
type write struct {
	claim string
	after tier.Moment
	value tier.Value
	page  page
	took  time.Duration
	born  int64
	id    identity
}

type tierCounts struct {
	hits, misses, errors, refused, skipped atomic.Int64
	writes, unwritten                      atomic.Int64
	heard, lost                            atomic.Int64
	used, most                             atomic.Int64 // bytes
}

// TierStats tell of the tier that instances share.
type TierStats struct {
	Hits    int64 // reads that it answered,
	Misses  int64 // or did not; then the origin was asked
	Errors  int64 // reads and writes that failed or took too long
	Skipped int64 // reads that it was not asked for: it has failed too often lately, or something is owed to it
	Refused int64 // values that came back and are none that a cache has written

	Writes    int64 // values that it was given,
	Unwritten int64 // or not, as they came too fast, or are too large

	Heard int64 // invalidations of other instances
	Lost  int64 // times that nobody could tell what they were, so that nothing stored here is trusted any more
	Owed  int64 // tags that are invalidated here, and not known to others yet

	Used int64 // bytes that the tier takes, of all who use it,
	Most int64 // and may take; 0: nobody knows. Both are of some seconds ago.

	Lease time.Duration // for how long what is stored here may be trusted from now on; 0: it may not
}

const (
	tierSeed       = 0x666f6c696f2f7631 // of hashes, that all instances have
	tierWriters    = 2
	tierQueue      = 1024
	tierRetry      = 50 * time.Millisecond // after a failure, at first
	tierRetryMost  = time.Second
	tierMeasure    = 10 * time.Second
	tierOpen       = time.Second // for how long the breaker stays open
	tierTries      = 5           // failures in a row that open it
	followPatience = 500 * time.Millisecond
	mostOwed       = 100_000
	claimLife      = time.Second // how long the others wait for the one who loads a page
	claimWait      = 2 * time.Millisecond
	claimWaitMost  = 20 * time.Millisecond
)

// ErrPending reports that something is outdated here, and that the tier could not be told: other instances may serve it.
// They are told as soon as that is possible, as long as this process lives.
var ErrPending = errors.New("folio: other instances do not know of the invalidation yet")

func newFleet(c *Cache) (*fleet, error) {
	p, err := newParcel(c.config.TierKeys)
	if err != nil {
		return nil, configError(err)
	}
	looks := c.config.Version
	if p.envelope != nil {
		looks += "\x00sealed" // who does not seal would not read it
	}
	f := &fleet{parcel: p, cache: c, tier: c.config.Tier, lease: int64(c.config.Lease), by: strconv.FormatUint(rand.Uint64(), 36),
		version: fmt.Sprintf("%08x:", uint32(xxh3.HashString(looks))), owed: map[core.Tag]uint64{}, some: make(chan struct{}, 1), writes: make(chan write, tierQueue)}
	f.read = make([]atomic.Int64, f.tier.Shards())
	f.since.Store(-1)
	f.heard, f.told = make([]tier.Mark, len(f.read)), make([]tier.Mark, len(f.read))
	f.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{Name: "tier", Timeout: tierOpen,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= tierTries }})
	return f, nil
}

// start begins what goes on until the cache is closed.
func (f *fleet) start() {
	for shard := range f.read {
		f.cache.running.Go(func() { f.follow(shard) })
	}
	for range tierWriters {
		f.cache.running.Go(f.writeOn)
	}
	f.cache.running.Go(f.tell)
	if s, ok := f.tier.(tier.Sizer); ok {
		f.cache.running.Go(func() { f.measure(s) })
	}
}

// measure asks now and then how full the tier is.
func (f *fleet) measure(s tier.Sizer) {
	for f.cache.stopped.Err() == nil {
		ctx, cancel := context.WithTimeout(f.cache.stopped, tierMeasure)
		used, most, err := s.Size(ctx)
		if cancel(); err == nil {
			f.counts.used.Store(used)
			f.counts.most.Store(most)
		}
		f.cache.pause(tierMeasure)
	}
}

// trusts reports whether what was loaded from some time on may be served now; failing: or as its load fails, which may be
// later than the lease has it.
func (f *fleet) trusts(born, now int64, failing bool) bool {
	return born > f.since.Load() && (failing || now < f.until.Load() || now < born+f.lease)
}

// follow hears what others outdate.
func (f *fleet) follow(shard int) {
	c, at, wait := f.cache, tier.Mark{Shard: shard}, tierRetry
	for c.stopped.Err() == nil {
		asked := c.now()
		ctx, cancel := context.WithTimeout(c.stopped, followPatience)
		l, err := f.tier.Follow(ctx, at)
		cancel()
		if err != nil {
			c.pause(wait)
			wait = min(2*wait, tierRetryMost/4)
			continue
		}
		wait = tierRetry
		if l.Until.Shard != shard || !f.heed(&l, at.Epoch == 0) {
			continue
		}
		at = l.Until
		f.mu.Lock()
		f.heard[shard] = at
		f.mu.Unlock()
		if !l.More {
			f.renew(shard, asked)
		}
	}
}

// pause waits, or until the cache is closed.
func (c *Cache) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.stopped.Done():
	}
}

// heed outdates what others have. first: nothing of before is known.
func (f *fleet) heed(l *tier.Log, first bool) bool {
	c := f.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready() != nil {
		return false
	}
	if l.Lost || first {
		f.since.Store(c.now())
	}
	if l.Lost {
		f.counts.lost.Add(1)
	}
	var tags []core.Tag
	for _, b := range l.Bumps {
		if b.By == f.by || len(b.Tags) == 0 {
			continue // done before the tier was told; nothing but a number
		}
		f.counts.heard.Add(1)
		for _, t := range b.Tags {
			tags = append(tags, core.Tag(t))
		}
	}
	if len(tags) == 0 {
		return true
	}
	all, err := c.core.Closure(tags...)
	if err != nil {
		f.since.Store(c.now()) // too many to say which
		return true
	}
	c.overtake(all)
	return true
}

// renew begins a lease, as of when a shard's log was asked.
func (f *fleet) renew(shard int, asked int64) {
	f.read[shard].Store(asked + 1)
	first := asked + 1
	for i := range f.read {
		at := f.read[i].Load()
		if at == 0 {
			return
		}
		first = min(first, at)
	}
	f.until.Store(first - 1 + f.lease)
}

// consult fills in what the tier has of some calls. It reports whether nothing is left to load.
func (c *Cache) consult(ctx context.Context, calls []*call) bool {
	f := c.fleet
	if f == nil || c.Mode() != On {
		return false
	}
	keys, tags := []tier.Key(nil), []uint64(nil)
	for _, w := range calls {
		keys = append(keys, f.key(&w.id))
		tags = f.tags(tags, &w.id, nil)
	}
	if calls[0].id.alone {
		keys = nil
	}
	if calls[0].id.open { // what its rows depend on may lie in any shard: each has a tag of its number
		for shard := range f.read {
			tags = append(tags, uint64(shard))
		}
	}
	if f.owes(tags) {
		f.counts.skipped.Add(1)
		return false
	}
	q, w := tier.Question{Tags: tags, Keys: keys, By: f.by + strconv.FormatInt(f.claims.Add(1), 36)}, calls[0]
	if len(keys) > 0 && (len(calls) == 1 || calls[1].main != nil) { // of one page, and what its load brings along
		q.Claim = claimLife
	}
	began := time.Now()
	for wait := claimWait; ; wait = min(2*wait, claimWaitMost) {
		a, ok := f.ask(ctx, q)
		if !ok {
			return false
		}
		if w.after = a.Moment; q.Claim > 0 && !a.Claimed {
			w.claim = q.By
		}
		switch {
		case len(keys) > 0 && f.fill(calls, a.Values):
			f.counts.hits.Add(1)
			return true
		case !a.Claimed || time.Since(began) > 2*claimLife: // those who had claimed it have died, one after the other
			f.counts.misses.Add(1)
			return false
		}
		c.pause(wait)
	}
}

// ask reads from the tier.
func (f *fleet) ask(ctx context.Context, q tier.Question) (a tier.Answer, ok bool) {
	done, err := f.breaker.Allow()
	if err != nil {
		f.counts.skipped.Add(1)
		return a, false
	}
	ctx, cancel := context.WithTimeout(ctx, f.cache.config.TierTimeout)
	defer cancel()
	a, err = f.tier.Read(ctx, q)
	if done(err); err != nil {
		f.counts.errors.Add(1)
	}
	return a, err == nil
}

// fill fills calls in with values that are theirs. Those of pages that are brought along may be missing, others not.
func (f *fleet) fill(calls []*call, values []tier.Value) bool {
	pages, took := make([]page, len(calls)), make([]time.Duration, len(calls))
	for i, w := range calls {
		var err error
		pages[i], took[i], err = f.parcel.decode(&w.id, &values[i])
		if err == nil && f.owes(f.tags(nil, &w.id, pages[i].revealed)) { // what its rows depend on is known by now
			err = errNothing
		}
		if err == nil && w.main != nil && pages[i].empty { // where the list ends is known of a page that somebody asks for
			err = errNothing
		}
		if err == nil && !f.cache.fresh(w, values[i].Age) {
			err = errNothing
		}
		if err != nil && !errors.Is(err, errNothing) {
			f.counts.refused.Add(1)
		}
		if err != nil && w.main == nil {
			return false
		}
		if err != nil {
			pages[i].body = nil
		}
	}
	for i, w := range calls {
		if w.shared = pages[i].body != nil; w.shared {
			w.page, w.took, w.age = pages[i], took[i], max(0, values[i].Age)
		} else {
			w.err = errNotBrought
		}
	}
	return true
}

// fresh reports whether what the tier has for a call is young enough: younger than what is stored, if that will not do,
// and not too likely to be stale, where its list promises something.
func (c *Cache) fresh(w *call, age time.Duration) bool {
	born := w.born - int64(age)
	if w.id.stand.want != core.Serve && born <= w.id.stand.born {
		return false
	}
	if w.id.promise == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q := w.id.query(w.born)
	return c.core.Would(&q, born, w.main == nil)
}

// key returns what the tier knows a page by.
func (f *fleet) key(id *identity) tier.Key {
	name := id.listName()
	return tier.Key{Name: f.version + name[:min(len(name), 64)] + ":" + hex.EncodeToString(id.key[:]), Home: uint64(id.feed)}
}

// tags adds what a page depends on.
func (f *fleet) tags(to []uint64, id *identity, revealed []core.Tag) []uint64 {
	to = append(to, uint64(id.feed))
	for _, all := range [][]core.Tag{id.tags, revealed} {
		for _, t := range all {
			to = append(to, uint64(t))
		}
	}
	return to
}

// keep has the tier keep what a call has brought, some time. Under the cache's lock.
func (f *fleet) keep(w *call, life time.Duration) {
	after := w.after
	if w.main != nil {
		after = w.main.after
	}
	if after == nil || w.shared {
		return
	}
	if len(w.revealed) > maxTags { // nobody would read it
		f.counts.unwritten.Add(1)
		return
	}
	v := write{claim: w.claim, after: after, page: w.page, took: w.took, born: w.born, id: w.id, value: tier.Value{Key: f.key(&w.id), TTL: life, Tags: f.tags(nil, &w.id, w.revealed)}}
	v.page.decoded, v.page.asides = nil, nil
	select {
	case f.writes <- v:
		w.claim = "" // the write ends it
	default:
		f.counts.unwritten.Add(1)
	}
}

// release ends a call's claim, where nothing came of it.
func (f *fleet) release(w *call) {
	if w.claim == "" || w.shared {
		return
	}
	select {
	case f.writes <- write{claim: w.claim, value: tier.Value{Key: f.key(&w.id)}}:
	default: // it ends by itself
	}
}

// writeOn writes what is to be kept, until the cache is closed.
func (f *fleet) writeOn() {
	for {
		select {
		case <-f.cache.stopped.Done():
			return
		case w := <-f.writes:
			f.write(&w)
		}
	}
}

func (f *fleet) write(w *write) {
	if w.after != nil {
		if w.value.Age = time.Duration(f.cache.now() - w.born); w.value.TTL > 0 {
			w.value.TTL = max(time.Millisecond, w.value.TTL-w.value.Age)
		}
		w.value.Body = f.parcel.encode(&w.value.Key, &w.id, &w.page, w.took)
		if w.value.Check() != nil || len(w.page.body) > sharedMost {
			f.counts.unwritten.Add(1)
			w.value.Body = nil
		}
	}
	done, err := f.breaker.Allow()
	if err != nil {
		f.counts.unwritten.Add(1)
		return
	}
	ctx, cancel := context.WithTimeout(f.cache.stopped, f.cache.config.TierTimeout)
	defer cancel()
	err = f.tier.Write(ctx, w.claim, w.after, []tier.Value{w.value})
	if errors.Is(err, tier.ErrValue) { // by this tier's own bounds
		done(nil)
		f.counts.unwritten.Add(1)
		return
	}
	if done(err); err != nil {
		f.counts.errors.Add(1)
		return
	}
	if w.value.Body != nil {
		f.counts.writes.Add(1)
	}
}

// stats tells of the tier.
func (f *fleet) stats() (s TierStats) {
	if f == nil {
		return s
	}
	n := &f.counts
	f.mu.Lock()
	s.Owed = int64(len(f.owed))
	f.mu.Unlock()
	s.Hits, s.Misses, s.Errors, s.Skipped, s.Refused = n.hits.Load(), n.misses.Load(), n.errors.Load(), n.skipped.Load(), n.refused.Load()
	s.Writes, s.Unwritten, s.Heard, s.Lost = n.writes.Load(), n.unwritten.Load(), n.heard.Load(), n.lost.Load()
	s.Used, s.Most = n.used.Load(), n.most.Load()
	s.Lease = time.Duration(max(0, f.until.Load()-f.cache.now()))
	return s
}
