// Package core decides what is valid: stamps, dependencies, flights and their revocation. It
// answers reads with an action, takes the loads' results, and invalidates, for the live cache
// and for the simulator alike.
//
// A deterministic state machine without clock, lock or I/O. Not for concurrent use.
package core

import (
	"fmt"

	"github.com/foliocache/folio/arena"
)

// Stamp is the version of a tag. Stamps are compared by equality, never by order: another
// epoch is another history.
type Stamp struct{ Epoch, N uint64 }

// Tag names what a write bumps: every list+scope is a tag, entries may carry more.
type Tag uint64

// Query asks for one unit.
type Query struct {
	Key   uint64  // hash of the unit's canonical key
	Feed  Tag     // the list+scope it belongs to
	Tags  []Tag   // further tags it depends on; the core keeps the slice
	Depth uint8   // depth bucket: 0 not a page, 1 page 1, 2 page 2, 3 pages 3–5, 4 pages 6–10, 5 deeper
	Cost  float32 // expected load time in ms; 0 = unknown
}

// Action is what the caller must do to answer a read.
type Action uint8

// The actions.
const (
	Serve      Action = iota // the stored value is valid: serve it
	Refresh                  // serve the stored value and load a new one behind
	Refetch                  // a value is stored, but load rather than serve it
	Wait                     // join the flight under way
	Load                     // load the range of the answer's flight, then Complete
	SecondTier               // ask the second tier, then Load or Complete
)

// Answer is the core's answer to a read.
type Answer struct {
	Action Action
	Ahead  int     // further pages that the load should bring along
	Flight *Flight // with Load and Wait
}

// Loaded is one unit that a flight brought.
type Loaded struct {
	Query
	Size uint32 // bytes of key and value, >= 1
}

// Core is the state of one cache.
type Core struct {
	arena   *arena.Arena
	epoch   uint64
	tags    map[Tag]*tag
	entries []entry // by the arena's slot
	flights map[flightKey]*Flight
	Counters
}

// Counters say what the core has seen.
type Counters struct {
	Revoked int64 // flights whose result was not kept because a tag was bumped meanwhile
	Bumps   int64
}

// entry is the validity of one resident unit.
type entry struct {
	feed Stamp
	more []stamped // beyond the feed
}

type stamped struct {
	tag   Tag
	stamp Stamp
}

// New builds a core over an arena. Epoch tells this history from all others.
func New(a *arena.Arena, epoch uint64) *Core {
	return &Core{arena: a, epoch: epoch, tags: map[Tag]*tag{}, flights: map[flightKey]*Flight{}}
}

// Arena returns the arena, to read its counters.
func (c *Core) Arena() *arena.Arena { return c.arena }

// Lookup books a read and says what to do.
func (c *Core) Lookup(q Query) Answer {
	slot, _ := c.arena.Find(q.Key)
	c.read(q.Feed)
	r := c.request(q)
	r.Stale = c.outdated(slot, q)
	if c.arena.Request(slot, r) {
		return Answer{Action: Serve}
	}
	k := flightKey{q.Key, c.stamp(q.Feed)}
	if f, ok := c.flights[k]; ok && c.current(f) {
		return Answer{Action: Wait, Flight: f}
	}
	f := &Flight{key: k, query: q, stamps: c.capture(q)}
	c.flights[k] = f
	return Answer{Action: Load, Flight: f}
}

// Complete takes a flight's result and reports whether it may be published: not if a tag of
// the flight was bumped since it began. Whatever the answer, the flight's own readers may have
// the value: they asked before the bump. The arena may still decline single units.
func (c *Core) Complete(f *Flight, units ...Loaded) bool {
	c.Fail(f)
	if !c.current(f) {
		c.Revoked++
		return false
	}
	for _, u := range units {
		c.keep(f, u)
	}
	return true
}

// Fail ends a flight whose load brought nothing.
func (c *Core) Fail(f *Flight) {
	if c.flights[f.key] == f {
		delete(c.flights, f.key)
	}
}

// keep offers one unit of a flight that is still current to the arena.
func (c *Core) keep(f *Flight, u Loaded) {
	if u.Feed != f.query.Feed {
		panic(fmt.Sprintf("core: unit of feed %d in a flight of feed %d", u.Feed, f.query.Feed))
	}
	slot, _ := c.arena.Find(u.Key)
	r := c.request(u.Query)
	r.Stale = c.outdated(slot, u.Query) // brought along by another unit's load, unread since the write
	slot = c.arena.Fill(slot, r, u.Size)
	if slot == arena.NoSlot {
		return
	}
	for len(c.entries) < c.arena.Slots() {
		c.entries = append(c.entries, entry{})
	}
	c.entries[slot] = entry{feed: f.key.feed, more: f.stamps}
}

func (c *Core) request(q Query) arena.Request {
	return arena.Request{Key: q.Key, Feed: uint64(q.Feed), Depth: q.Depth, Hazard: c.hazard(q.Feed), Cost: q.Cost}
}

// outdated reports whether the copies of a unit are of an older version: the composite's, and
// those that only shadows still hold.
func (c *Core) outdated(slot arena.Slot, q Query) bool {
	return slot != arena.NoSlot && !c.valid(c.entries[slot], q)
}

// valid reports whether an entry's stamps are the current ones.
func (c *Core) valid(e entry, q Query) bool {
	return e.feed == c.stamp(q.Feed) && c.unchanged(e.more)
}

func (c *Core) unchanged(stamps []stamped) bool {
	for _, s := range stamps {
		if c.stamp(s.tag) != s.stamp {
			return false
		}
	}
	return true
}

// Flight is a load under way. Flights are keyed by key and stamp, so that a reader who comes
// after a bump never joins a load that began before it.
type Flight struct {
	key    flightKey
	query  Query
	stamps []stamped // captured before the load began
}

type flightKey struct {
	key  uint64
	feed Stamp
}

// current reports whether no tag of the flight was bumped since it began.
func (c *Core) current(f *Flight) bool {
	return c.stamp(f.query.Feed) == f.key.feed && c.unchanged(f.stamps)
}

func (c *Core) capture(q Query) []stamped {
	if len(q.Tags) == 0 {
		return nil
	}
	s := make([]stamped, len(q.Tags))
	for i, t := range q.Tags {
		s[i] = stamped{t, c.stamp(t)}
	}
	return s
}
