package folio

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/store"
)

// Cache holds the values of lists and of plain keys within one bound of memory. Safe for
// concurrent use.
type Cache struct {
	config Config
	seed   uint64
	hash   hasher
	start  time.Time

	store      *store.Store
	largest    int // bytes of an entry that the store can hold
	versions   *versions
	journal    *journal
	board      *board.Board // of hits, where shadows see a sample; else nil
	once       board.Once   // copies whose first hit was told
	spent      *board.Spent // of copies' allowances
	patience   []float64    // of strategies,
	strategies []string     // and their names
	loads      *semaphore.Weighted
	verifying  *semaphore.Weighted
	warming    *semaphore.Weighted // loads that nobody waits for
	idle       chan func()         // what goroutines without work wait for
	lists      sync.Map            // by name

	mu       sync.Mutex // guards core, what the store is told, and the fields down to shares
	core     *core.Core
	calls    map[core.Flight]*call
	unwaited map[*call]context.CancelFunc // those that nobody waits for
	names    map[core.Tag]Tag             // of tags that others depend on, or that depend on others
	random   *rand.Rand                   // of jitter
	later    map[later]*appointment
	ahead    map[core.Tag]int // appointments of tags
	held     held             // tags that are being written
	intents  map[*Intent]bool // the writes
	shares   shares           // of scopes

	// The fill under way, under mu too: the entries that it is stored as, whose they are, what the
	// core is told of them, and what the store shall hold.
	ids     []identity
	pieces  []entry
	units   []core.Loaded
	filled  []filled
	scratch []byte

	lost      atomic.Pointer[error] // why a bump could not be kept, until that is logged
	fleet     *fleet                // what is shared with other instances; nil: nothing is
	keeper    *keeper               // of the contents; nil: nobody keeps them
	restoring *core.Copy            // of before a restart, while it is put back

	mode    atomic.Uint32
	keyTags atomic.Bool // something may depend on a plain key
	closed  atomic.Bool // set under mu

	stop    context.CancelFunc // of all loads
	stopped context.Context
	running sync.WaitGroup // loads, and who tells the core
	free    sync.Once      // of the store
	counts  counts
}

// filled is what the store shall hold of a unit.
type filled struct {
	id    *identity
	value []byte
}

// counts are the shell's own counters; the arena has the others.
type counts struct {
	hits, misses, waits         atomic.Int64
	loads, loadErrors, panicked atomic.Int64
	loadNanos, rows             atomic.Int64
	stale, tooLarge, unchanged  atomic.Int64
	refreshed                   atomic.Int64
	warmRows, warmNanos         atomic.Int64
	around, verified, differed  atomic.Int64
}

// New makes a cache. The error joins every fault of the config; each is an [ErrConfig]. Close ends it.
func New(config Config) (*Cache, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	c := &Cache{config: config, seed: config.Seed, hash: xxh3Hash, start: config.Now(), versions: new(versions),
		journal: newJournal(runtime.GOMAXPROCS(0)), loads: semaphore.NewWeighted(int64(config.MaxLoads)), verifying: semaphore.NewWeighted(max(1, int64(config.MaxLoads)/8)), warming: semaphore.NewWeighted(max(1, int64(config.MaxLoads)/8)), idle: make(chan func()), calls: map[core.Flight]*call{}, unwaited: map[*call]context.CancelFunc{}, names: map[core.Tag]Tag{}, later: map[later]*appointment{}, ahead: map[core.Tag]int{}, held: held{}, intents: map[*Intent]bool{}}
	if c.seed == 0 {
		c.seed = rand.Uint64()
	}
	c.mode.Store(uint32(config.Mode))
	if config.Tier != nil {
		var err error
		if c.fleet, err = newFleet(c); err != nil {
			return nil, err
		}
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	memoryLimits().warn(config.Logger, config.MaxBytes, c.store)
	c.stopped, c.stop = context.WithCancel(context.Background())
	if c.fleet != nil {
		c.fleet.start()
	}
	c.running.Go(c.learn)
	if c.keeper != nil && config.SaveEvery > 0 {
		c.running.Go(c.saveNowAndThen)
	}
	return c, nil
}

// open makes the store and the books of it, with what they had before a restart.
func (c *Cache) open() error {
	saved, err := c.unpack(c.config.Dir)
	if err != nil {
		return err
	}
	c.random = rand.New(rand.NewPCG(c.seed, 1))
	err = c.build()
	if err != nil && saved != nil {
		err = errors.Join(err, saved.Close())
	}
	if err != nil {
		return errors.Join(err, c.keeper.close())
	}
	if err = c.restore(saved); err != nil {
		c.store.Close()
	}
	return err
}

// build makes the store and the books of it.
func (c *Cache) build() error {
	s, err := store.New(c.config.values(), c.config.OnHeap)
	if err != nil {
		return configError(err)
	}
	s.Geometry.Most = uint32(c.config.entries(s.Geometry.Capacity()))
	a, err := arena.New(arena.Config{Geometry: s.Geometry, Entries: int(c.config.values()) / c.config.kept(),
		Rule: c.config.Strategy, Arbiter: c.config.Arbiter, Exact: c.config.Exact, Seed: c.seed, Steps: true})
	if err != nil {
		s.Close()
		return configError(err)
	}
	c.store, c.largest = s, int(s.Geometry.Largest())
	c.shares = newShares(c.config.MaxShare, s.Geometry)
	c.board = a.Board()
	c.core = core.New(a, core.Config{Epoch: 1, Placed: c.placed, Second: int64(time.Second), Seed: c.seed, Budget: c.config.WarmBudget,
		Rules: core.Rules{Late: int64(c.config.StaleWhileRevalidate), Early: c.config.EarlyRefresh}})
	c.spent = c.core.Spent()
	c.strategies = a.Names()
	for i := range c.strategies {
		c.patience = append(c.patience, a.Answerer(uint8(i)).Patience())
	}
	c.versions.epoch.Store(1)
	return nil
}

// Close ends the cache: loads under way are cancelled and waited for, as long as ctx allows, and
// the memory is given back. Calls after it fail with [ErrClosed]. Idempotent. A loader that calls it
// waits for itself, as long as ctx allows.
func (c *Cache) Close(ctx context.Context) error {
	c.mu.Lock()
	for l, a := range c.later {
		if a.timer.Stop(); c.fleet != nil && !c.closed.Load() {
			if err := c.bump(c.number(l.tag)); err != nil { // others are told now or never
				c.config.Logger.Error("folio: an invalidation that was due is lost", "tag", l.tag, "error", err)
			}
		}
	}
	c.closed.Store(true)
	c.mu.Unlock()
	c.stop()
	done := make(chan struct{})
	go func() {
		c.running.Wait()
		c.free.Do(func() {
			c.saveLast()
			c.store.Close()
		})
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ready opens what changes the core, under c.mu: the cache is not closed, and the core knows of the
// reads before.
func (c *Cache) ready() error {
	if c.closed.Load() {
		return ErrClosed
	}
	c.journal.drain(c.core)
	return nil
}

// now returns the time since the cache's start, in ns.
func (c *Cache) now() int64 { return int64(c.config.Now().Sub(c.start)) }

// lookup appends the valid value of an identity to dst, if there is one. Of its entry, the numbers
// are right. No lock, and no allocation beyond dst unless it is in pieces.
func (c *Cache) lookup(dst []byte, id *identity) (value []byte, e entry, ok bool) {
	return c.find(dst, id, 0)
}

// find is lookup for values that may be too old by so many ns.
func (c *Cache) find(dst []byte, id *identity, late int64) (value []byte, e entry, ok bool) {
	if id.past {
		return dst, e, false
	}
	v, ring, ok := c.store.Get(dst, id.key, id.unit)
	if !ok || c.closed.Load() {
		return dst, e, false
	}
	e, ok = parseEntry(v[len(dst):])
	e.ring = ring
	if !ok || !id.is(&e) || !e.current(c.versions) {
		return dst, entry{}, false
	}
	if e.expires > 0 || e.soft > 0 || c.fleet != nil {
		now := c.now() - late
		if e.expires > 0 && now >= e.expires || e.soft > 0 && !id.raw && (late == 0 || now >= e.soft) || c.fleet != nil && !c.fleet.trusts(e.since(), now, late > 0) {
			return dst, entry{}, false
		}
	}
	if e.pieces > 0 {
		v, ok = c.assemble(v[:len(dst)], id, &e)
		return v, e, ok
	}
	return v[:len(dst)+len(e.body)], e, true
}

// served notes a hit that the core did not answer; hits: 1, or 0 if it counts as none.
func (c *Cache) served(id *identity, e *entry, hits int64) {
	now := int64(0) // of no concern
	if e.expires > 0 {
		now = e.expires - 1 // it was still alive, whatever the time is when the core hears of it
	}
	r, told := id.read(now), true
	if c.board != nil {
		c.board.Hit(e.slot, e.ring)
		e.reads.Add()
		r.noted, told = true, c.core.Arena().Sampled(uint64(id.feed))
	}
	c.note(r, hits, told)
	for n := 1; n < int(e.pieces); n++ {
		p := c.piece(id, n)
		c.note(p.read(now), 0, true)
	}
}

// note counts some hits, and has the core told of a read, some time.
func (c *Cache) note(r read, hits int64, told bool) {
	if c.journal.strict {
		c.mu.Lock()
		c.journal.drain(c.core)
		c.mu.Unlock()
	}
	if !c.journal.add(r, hits, told) {
		c.journal.lost.Add(1)
	}
}

// learnShare is the part of one processor that learning from reads may take: a quarter, so some
// 800,000 reads a second.
const learnShare = 4

// learn tells the core what readers were served, until the cache is closed.
func (c *Cache) learn() {
	for {
		select {
		case <-c.stopped.Done():
			return
		case <-c.journal.full:
			began := time.Now()
			c.mu.Lock()
			c.journal.drain(c.core)
			c.mu.Unlock()
			time.Sleep(time.Since(began) * (learnShare - 1))
		}
	}
}

// placed is told by the core of the unit being filled; the store follows.
func (c *Cache) placed(unit int, slot arena.Slot, _ bool) {
	steps, f := c.core.Arena().Steps(), &c.filled[unit]
	k := c.core.Placing()
	if c.restoring != nil {
		k = c.restoring
	}
	setPlaced(f.value, slot, k)
	if k.Told {
		c.once.Grow(c.core.Arena().Slots())
		c.once.Clear(slot)
	}
	c.store.Follow(steps, slot, f.id.key, f.value)
	c.shares.follow(steps, slot, f.id.feed, len(f.value))
}
