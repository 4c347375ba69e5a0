// Package core decides what is valid: stamps, dependencies, flights and their revocation. It
// answers reads with an action, takes the loads' results, and invalidates, for the live cache
// and for the simulator alike.
//
// A deterministic state machine without clock, lock or I/O. Not for concurrent use.
package core

import (
	"math/rand/v2"
	"unsafe"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/chunked"
)

// Stamp is the version of a tag. Stamps are compared by equality, never by order: another
// epoch is another history.
type Stamp struct{ Epoch, N uint64 }

// mark is what is kept of a stamp for each slot: as good as all of it, unless a tag is bumped four billion
// times while a copy of its is there.
type mark struct{ epoch, n uint32 }

func (s Stamp) mark() mark { return mark{uint32(s.Epoch), uint32(s.N)} }

// Tag names what a write bumps: every list+scope is a tag, entries may carry more.
type Tag uint64

// Query asks for one unit.
type Query struct {
	Key   uint64  // hash of the unit's canonical key
	Feed  Tag     // the list+scope it belongs to
	Tags  []Tag   // further tags it depends on
	Depth uint8   // depth bucket: 0 not a page, 1 page 1, 2 page 2, 3 pages 3–5, 4 pages 6–10, 5 deeper
	Cost  float32 // expected load time in ms; 0 = unknown
	Now   int64   // in any unit, since some start; needed where copies have a time to live
	Lost  bool    // the store has lost the copy that the books may say it has
	Want  Action  // what a valid copy is good for, see [Copy.Ask]: Serve, Refresh or Refetch
	Busy  bool    // the origin has enough to do with what readers wait for

	// For pages of lists whose loads may bring further ones:
	List   uint32 // whose readers are learned from together, from 1; 0: of none
	Before uint64 // key of the page before; 0: there is none
	Blind  bool   // nobody knows the page before
	Rows   uint32 // of a full page, as [Core.Took] counts them; 0: 1
}

// rows returns those of a full page.
func (q *Query) rows() float64 { return float64(max(1, q.Rows)) }

// Action is what the caller must do to answer a read.
type Action uint8

// The actions.
const (
	Serve      Action = iota // the stored value is valid: serve it
	Refresh                  // serve the stored value; if there is a flight, load a new one behind
	Refetch                  // a value is stored, but load rather than serve it, as with Load
	Wait                     // join the flight under way
	Load                     // load the range of the answer's flight, then Complete
	SecondTier               // ask the second tier, then Load or Complete
)

// Answer is the core's answer to a read.
type Answer struct {
	Action Action
	Ahead  int    // with a load: further pages that it should bring along, see Branch
	Next   bool   // with Serve: the page behind should be loaded by itself, see Warm
	Flight Flight // with Load, Refetch, Wait, and where a Refresh is to load
}

// Loaded is one unit that a flight brought. Its Tags are some of the flight's query's: what was not
// captured before the load cannot be told from what changed meanwhile.
type Loaded struct {
	Query
	// Revealed are further tags that only the load's result told: the unit is not kept if one of
	// them was bumped since the load began.
	Revealed []Tag
	Size     uint32 // bytes of key and value, >= 1
	// TTL is the copy's time to live, from the start of its load on, in the unit of Query.Now;
	// 0: for ever. Who waits for a flight gets what it brings, however long it takes.
	TTL     int64
	Replace bool // the copy there, valid as it may be

	Last bool    // of the pages that a load brought, and there may be one behind it at the origin
	Main bool    // its copy was in main when it was saved
	Took float64 // its load, in the unit of Query.Now
	Fate Fate    // of the copy there, if it was valid or only too old
	// Before is for how long another instance had it, when the flight began that brought it from there; its TTL began with that.
	Before int64
}

// Core is the state of one cache.
type Core struct {
	arena   *arena.Arena
	config  Config
	tags    map[Tag]*tag
	stored  chunked.Slice[mark]       // of the feed, when a slot's unit was loaded
	expires chunked.Slice[int64]      // when a slot's copy does; 0: never
	mortal  bool                      // copies with a time to live were seen: expires is in use
	more    map[arena.Slot]dependence // on its further tags, where it has any
	kept    int                       // tags in more
	walks   []*walk                   // by the number of their list
	trails  chunked.Slice[trail]      // of a slot's page; in use where there are walks
	room    room
	Ahead   Ahead
	fresh   fresh
	purse   purse
	bandits map[class]bandit
	random  *rand.Rand // of bandits
	loads   []loading
	landed  []uint32          // places in loads that are free
	flying  map[uint64]uint32 // the latest load of each key under way
	Counters
}

// Counters say what the core has seen.
type Counters struct {
	Revoked int64 // flights whose result was not kept because a tag was bumped meanwhile
	Bumps   int64
}

// dependence says on what further tags something depends, as they were when so many bumps had been.
type dependence struct {
	since int64
	tags  []Tag
}

// Config says what a core is part of.
type Config struct {
	Epoch  uint64  // tells this history from all others
	Second int64   // in the unit of Query.Now; 0: 1
	Seed   uint64  // of random choices
	Rules  Rules   // of what is of no list
	Budget float64 // loads that nobody waits for, for each that somebody does, 0..1
	Copies bool    // something is kept of all copies, see [Core.Copy], not only of those of lists with a promise
	// Placed, where set, is told of every unit that Complete offered to the arena, by its number
	// there, before the next one is: stored says whether a new copy is, [arena.Arena.Steps] what a
	// store does for it.
	Placed func(unit int, slot arena.Slot, stored bool)
}

// New builds a core over an arena.
func New(a *arena.Arena, config Config) *Core {
	config.Second = max(1, config.Second)
	return &Core{arena: a, config: config, tags: map[Tag]*tag{}, more: map[arena.Slot]dependence{}, flying: map[uint64]uint32{},
		fresh: fresh{rules: []Rules{config.Rules}, promises: map[uint32]*promise{}, spent: new(board.Spent)}, bandits: map[class]bandit{}, random: rand.New(rand.NewPCG(config.Seed, 2))}
}

// Arena returns the arena, to read its counters.
func (c *Core) Arena() *arena.Arena { return c.arena }

// Lookup books a read and says what to do. It keeps nothing of q but copies.
func (c *Core) Lookup(q *Query) Answer {
	late := c.late(q)
	hit, slot, feed := c.read(q)
	if hit && q.Want == Serve {
		return Answer{Action: Serve, Next: c.further(slot, q)}
	}
	if p := c.fresh.promises[q.List]; p != nil {
		p.asked(hit && q.Want == Refresh)
	}
	a := Answer{Action: Load}
	switch {
	case hit:
		a.Action = q.Want
	case late > q.Now:
		a.Action = Refresh
	}
	if at, ok := c.flying[q.Key]; ok {
		l := &c.loads[at]
		if c.current(l) {
			l.wanted = true
			if a.Action == Refresh || l.until > q.Now && !q.Lost {
				return Answer{Action: Refresh}
			}
			return Answer{Action: Wait, Flight: c.flight(at)}
		}
		l.latest = false
	}
	a.Flight = c.start(q, feed.at(c.config.Epoch))
	if !hit {
		c.loads[a.Flight.at].until = late
	}
	if w := c.walk(q.List); w != nil {
		c.beyond(q)
		l := &c.loads[a.Flight.at]
		l.step = c.step(q, feed)
		l.trail.step = l.step
		a.Ahead = w.ahead(q, l.step, c.price())
	}
	return a
}

// Epoch returns the one that stamps are of now.
func (c *Core) Epoch() uint64 { return c.config.Epoch }

// Known reports whether anything is known of a key: a copy, a memory of one, or a load under way.
func (c *Core) Known(key uint64) bool {
	slot, _ := c.arena.Find(key)
	return slot != arena.NoSlot || c.Loading(key)
}

// Loading reports whether a load of a key is under way.
func (c *Core) Loading(key uint64) bool {
	_, ok := c.flying[key]
	return ok
}

// Read books a read and reports whether the stored value is valid: what is left of Lookup for
// a shell that has served the value already.
func (c *Core) Read(q *Query) bool {
	hit, _, _ := c.read(q)
	return hit
}

// Overhear books a valid read that was noted on the arena's board, and its feed's Reads, where the feed is
// sampled.
func (c *Core) Overhear(q *Query) {
	slot := arena.NoSlot
	if len(c.more) > 0 || q.List > 0 {
		slot, _ = c.arena.Find(q.Key)
	}
	if slot != arena.NoSlot {
		c.arrived(slot, q)
	}
	feed := c.tags[q.Feed]
	c.vote(q, feed)
	c.arena.Overhear(&arena.Request{Key: q.Key, Feed: uint64(q.Feed), Depth: q.Depth, Hazard: feed.threat(), Cost: q.Cost, Version: c.version(slot, q, feed)})
}

// read books a read and returns where its unit is and what is known of its feed, too.
func (c *Core) read(q *Query) (hit bool, slot arena.Slot, feed *tag) {
	slot, resident := c.arena.Find(q.Key)
	feed = c.tags[q.Feed]
	feed.read()
	r := c.request(slot, q, feed, q.Now)
	r.Stale = r.Stale || q.Lost && resident
	hit = c.arena.Request(slot, &r)
	if hit {
		c.arrived(slot, q)
	}
	if !hit || c.arena.Sampled(uint64(q.Feed)) { // of other hits the core may not hear
		c.vote(q, feed)
	}
	return hit, slot, feed
}

// Consider books a read as Read does, of what [Copy.Told] says is to be told at once, and reports whether the page
// behind it should be loaded by itself, see Warm.
func (c *Core) Consider(q *Query) bool {
	hit, slot, _ := c.read(q)
	return hit && c.further(slot, q)
}

// Begin books a load that nobody asked for: of data at hand. Who reads its key meanwhile waits
// for it.
func (c *Core) Begin(q *Query) Flight {
	if at, ok := c.flying[q.Key]; ok {
		c.loads[at].latest = false
	}
	return c.start(q, c.Stamp(q.Feed))
}

// Complete takes a flight's result and reports whether it may be published: not if a tag of
// the flight was bumped since it began, nor if the flight is over. Whatever the answer, the
// flight's own readers may have the value: they asked before the bump. The arena may still
// decline single units.
func (c *Core) Complete(f Flight, units ...Loaded) bool {
	l := c.underWay(f)
	if l == nil {
		return false
	}
	c.land(f.at)
	if !c.current(l) {
		c.Revoked++
		return false
	}
	for i := range units {
		c.keep(l, i, &units[i])
	}
	return true
}

// Fail ends a flight whose load brought nothing. It does nothing if the flight is over.
func (c *Core) Fail(f Flight) {
	if c.underWay(f) != nil {
		c.land(f.at)
	}
}

// keep offers one unit of a flight that is still current to the arena. A valid copy stays, and
// keeps its age, unless it is to be replaced.
func (c *Core) keep(l *loading, number int, u *Loaded) {
	on := c.dependence(l, u)
	if !c.unchanged(on) {
		c.Revoked++
		return
	}
	slot, resident := c.arena.Find(u.Key)
	r := c.request(slot, &u.Query, c.tags[u.Feed], max(u.Now, l.born))
	r.Stale, r.Version = r.Stale || u.Replace && resident, c.sum(c.tags[u.Feed], on.tags)
	known := slot != arena.NoSlot
	r.Main = u.Main
	slot, stored := c.arena.Fill(slot, &r, u.Size)
	c.renew(slot, known, l, u)
	if slot != arena.NoSlot && (stored || r.Stale || !resident) {
		c.stored.Grow(c.arena.Slots())
		*c.stored.At(slot) = l.feed.mark()
		c.expire(slot, l.born-u.Before, u.TTL)
		c.came(slot, l, u, stored)
		if len(on.tags) > 0 || len(c.more) > 0 {
			c.depend(slot, on)
		}
	}
	if c.config.Placed != nil {
		c.config.Placed(number, slot, stored)
	}
}

// depend notes on what a slot's copies depend.
func (c *Core) depend(slot arena.Slot, on dependence) {
	c.kept += len(on.tags) - len(c.more[slot].tags)
	if len(on.tags) > 0 {
		c.more[slot] = on
	} else {
		delete(c.more, slot)
	}
}

// expire notes until when a slot's copy lives. From the first mortal copy on, all slots have a place.
func (c *Core) expire(slot arena.Slot, born, ttl int64) {
	c.mortal = c.mortal || ttl > 0
	if !c.mortal {
		return
	}
	c.expires.Grow(c.arena.Slots())
	*c.expires.At(slot) = 0
	if ttl > 0 {
		*c.expires.At(slot) = born + ttl
	}
}

// request describes a read or a load to the arena. Copies are stale if they are of an older
// version or too old: the composite's, and those that only shadows still hold, be it that the
// unit was brought along by another's load and not read since the write.
func (c *Core) request(slot arena.Slot, q *Query, feed *tag, now int64) arena.Request {
	return arena.Request{Key: q.Key, Feed: uint64(q.Feed), Depth: q.Depth, Hazard: feed.threat(), Cost: q.Cost,
		Stale: slot != arena.NoSlot && !c.valid(slot, feed, now), Version: c.version(slot, q, feed)}
}

// version returns a number that every bump of what a query depends on changes: what sampled
// shadows, which hold what the composite has forgotten, tell versions by. Where a copy is known, it
// says what that is.
func (c *Core) version(slot arena.Slot, q *Query, feed *tag) uint32 {
	if len(c.more) > 0 {
		if on := c.more[slot]; len(on.tags) > 0 {
			return c.sum(feed, on.tags)
		}
	}
	return c.sum(feed, q.Tags)
}

// sum is the version of what depends on a feed and on further tags.
func (c *Core) sum(feed *tag, tags []Tag) uint32 {
	n := uint32(feed.at(c.config.Epoch).N) + uint32(c.config.Epoch)<<24
	for _, t := range tags {
		n += uint32(c.Stamp(t).N)
	}
	return n
}

// valid reports whether a slot's copies are young enough and their stamps the current ones.
func (c *Core) valid(slot arena.Slot, feed *tag, now int64) bool {
	if c.mortal {
		if end := *c.expires.At(slot); end > 0 && now >= end {
			return false
		}
	}
	return *c.stored.At(slot) == feed.at(c.config.Epoch).mark() && (len(c.more) == 0 || c.unchanged(c.more[slot]))
}

// unchanged reports whether none of the tags was bumped since.
func (c *Core) unchanged(on dependence) bool {
	for _, t := range on.tags {
		if k := c.tags[t]; k != nil && k.last > on.since {
			return false
		}
	}
	return true
}

// Valid reports whether the copies of a slot in use are young enough, and nothing they depend on
// was bumped since.
func (c *Core) Valid(slot arena.Slot, feed Tag, now int64) bool {
	return c.valid(slot, c.tags[feed], now)
}

// Metadata returns the bytes of heap that the core takes beside its arena, roughly: what single
// units and tags depend on is left out.
func (c *Core) Metadata() int64 {
	const mapped = 2 // bytes that a map takes for a byte in it
	return c.stored.Bytes() + c.expires.Bytes() + c.trails.Bytes() + c.fresh.copies.Bytes() + c.fresh.spent.Bytes() + int64(len(c.walks))*int64(unsafe.Sizeof(walk{})) +
		int64(cap(c.loads))*int64(unsafe.Sizeof(loading{})) + int64(cap(c.landed))*4 +
		mapped*(int64(len(c.tags))*int64(8+8+unsafe.Sizeof(tag{}))+int64(len(c.more))*int64(4+unsafe.Sizeof(dependence{}))+int64(len(c.flying))*12) + int64(c.kept)*int64(unsafe.Sizeof(Tag(0)))
}
