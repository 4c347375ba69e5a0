package core

import (
	"fmt"
	"slices"
)

// Flight names a load under way. Only a flight whose stamps are the current ones is joined, so
// that a reader who comes after a bump never gets what a load brings that began before it. A
// flight ends with the first Complete or Fail; its name is given again after 2^31 others. The
// zero Flight names none.
type Flight struct{ at, turn uint32 }

// loading is what the core knows of a flight.
type loading struct {
	turn   uint32 // odd while it is under way; of the flight's name
	latest bool   // of its key
	key    uint64
	tag    Tag        // the feed
	feed   Stamp      // its stamp before the load began
	born   int64      // when the load began
	on     dependence // on further tags
	step   step       // of the page that it is for, where it is a list's
	trail  trail      // that it leaves
	wanted bool       // somebody has asked for it since
	until  int64      // the copy that it replaces may be served until then, though it is outdated; 0: not
}

func (c *Core) flight(at uint32) Flight { return Flight{at, c.loads[at].turn} }

// start books a load as the latest one of its key.
func (c *Core) start(q *Query, feed Stamp) Flight {
	at := uint32(len(c.loads))
	if n := len(c.landed); n > 0 {
		at, c.landed = c.landed[n-1], c.landed[:n-1]
	} else {
		c.loads = append(c.loads, loading{})
	}
	l := &c.loads[at]
	l.turn++
	l.latest, l.key, l.tag, l.feed, l.born, l.on = true, q.Key, q.Feed, feed, q.Now, dependence{c.Bumps, slices.Clone(q.Tags)}
	l.step, l.trail, l.wanted, l.until = 0, trail{}, false, 0
	c.flying[l.key] = at
	return c.flight(at)
}

// underWay returns what is known of a flight, nil if it is over.
func (c *Core) underWay(f Flight) *loading {
	if int(f.at) >= len(c.loads) || c.loads[f.at].turn != f.turn || f.turn%2 == 0 {
		return nil
	}
	return &c.loads[f.at]
}

// land ends the flight at a place in loads; what is known of it stays until the next one starts there.
func (c *Core) land(at uint32) {
	l := &c.loads[at]
	l.turn++
	c.landed = append(c.landed, at)
	if l.latest {
		delete(c.flying, l.key)
	}
}

// dependence returns on what a unit depends beside its feed. It panics if the unit has a tag that the
// load's query has not.
func (c *Core) dependence(l *loading, u *Loaded) dependence {
	if u.Feed != l.tag {
		panic(fmt.Sprintf("core: unit of feed %d in a flight of feed %d", u.Feed, l.tag))
	}
	for _, t := range u.Tags {
		if !slices.Contains(l.on.tags, t) {
			panic(fmt.Sprintf("core: unit with tag %d in a flight without", t))
		}
	}
	if len(u.Revealed) == 0 && len(u.Tags) == len(l.on.tags) {
		return l.on // the same ones
	}
	return dependence{l.on.since, slices.Concat(u.Tags, u.Revealed)}
}

// current reports whether no tag of a load was bumped since it began.
func (c *Core) current(l *loading) bool {
	return c.Stamp(l.tag) == l.feed && c.unchanged(l.on)
}

// Stands reports whether a flight is under way and no tag of it was bumped since it began.
func (c *Core) Stands(f Flight) bool {
	l := c.underWay(f)
	return l != nil && c.current(l)
}

// Overtaken reports whether anything at all was bumped since a flight began: what only its result will
// tell that it depends on may be among that.
func (c *Core) Overtaken(f Flight) bool {
	l := c.underWay(f)
	return l == nil || l.on.since != c.Bumps
}
