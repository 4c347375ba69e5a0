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
	stored  []Stamp                  // of the feed, when a slot's unit was loaded
	more    map[arena.Slot][]stamped // of its further tags, where it has any
	flights map[uint64]*Flight       // the latest of each key
	Counters
}

// Counters say what the core has seen.
type Counters struct {
	Revoked int64 // flights whose result was not kept because a tag was bumped meanwhile
	Bumps   int64
}

type stamped struct {
	tag   Tag
	stamp Stamp
}

// New builds a core over an arena. Epoch tells this history from all others.
func New(a *arena.Arena, epoch uint64) *Core {
	return &Core{arena: a, epoch: epoch, tags: map[Tag]*tag{}, more: map[arena.Slot][]stamped{}, flights: map[uint64]*Flight{}}
}

// Arena returns the arena, to read its counters.
func (c *Core) Arena() *arena.Arena { return c.arena }

// Lookup books a read and says what to do.
func (c *Core) Lookup(q Query) Answer {
	slot, _ := c.arena.Find(q.Key)
	feed := c.tags[q.Feed]
	feed.read()
	if c.arena.Request(slot, c.request(slot, q, feed)) {
		return Answer{Action: Serve}
	}
	if f, ok := c.flights[q.Key]; ok && c.current(f) {
		return Answer{Action: Wait, Flight: f}
	}
	f := &Flight{key: q.Key, tag: q.Feed, feed: feed.at(c.epoch), stamps: c.capture(q)}
	c.flights[q.Key] = f
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
	if u.Feed != f.tag {
		panic(fmt.Sprintf("core: unit of feed %d in a flight of feed %d", u.Feed, f.tag))
	}
	slot, _ := c.arena.Find(u.Key)
	slot = c.arena.Fill(slot, c.request(slot, u.Query, c.tags[u.Feed]), u.Size)
	if slot == arena.NoSlot {
		return
	}
	for len(c.stored) < c.arena.Slots() {
		c.stored = append(c.stored, Stamp{})
	}
	c.stored[slot] = f.feed
	if len(f.stamps) > 0 {
		c.more[slot] = f.stamps
	} else if len(c.more) > 0 {
		delete(c.more, slot)
	}
}

// request describes a read or a load to the arena. Copies are stale if they are of an older
// version: the composite's, and those that only shadows still hold, be it that the unit was
// brought along by another's load and not read since the write.
func (c *Core) request(slot arena.Slot, q Query, feed *tag) arena.Request {
	return arena.Request{Key: q.Key, Feed: uint64(q.Feed), Depth: q.Depth, Hazard: feed.threat(), Cost: q.Cost,
		Stale: slot != arena.NoSlot && !c.valid(slot, feed)}
}

// valid reports whether the stamps of a slot's copies are the current ones.
func (c *Core) valid(slot arena.Slot, feed *tag) bool {
	return c.stored[slot] == feed.at(c.epoch) && (len(c.more) == 0 || c.unchanged(c.more[slot]))
}

func (c *Core) unchanged(stamps []stamped) bool {
	for _, s := range stamps {
		if c.stamp(s.tag) != s.stamp {
			return false
		}
	}
	return true
}

// Flight is a load under way. Only a flight whose stamps are the current ones is joined, so
// that a reader who comes after a bump never gets what a load brings that began before it.
type Flight struct {
	key    uint64
	tag    Tag       // the feed
	feed   Stamp     // its stamp before the load began
	stamps []stamped // those of further tags
}

// current reports whether no tag of the flight was bumped since it began.
func (c *Core) current(f *Flight) bool {
	return c.stamp(f.tag) == f.feed && c.unchanged(f.stamps)
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
