package folio

import (
	"slices"
	"strings"
	"time"
)

// Event is something that a cache did, as Config.Observe is told of it.
type Event struct {
	Op   Op
	List string // empty with plain keys
	Key  string // canonical; empty with invalidations
	Tags []Tag  // invalidated; none: everything. What depends on them is not listed, see [Cache.Cascade]

	// What recordings name things by: hashes under the cache's seed of the key, of its scope's tag, and of Tags.
	Unit, Feed uint64
	Hashes     []uint64

	Source Source        // of a read's answer, unless Err
	Took   time.Duration // of a read, or of a load, waiting for its turn included
	Rows   int           // of a list's page
	Bytes  int
	Stored int // bytes that it takes in the store, of what a read got
	Err    error
}

// Op is what an [Event] is about.
type Op uint8

// What a cache does. A read that had to wait for a load is one of each.
const (
	Read       Op = iota // somebody asked
	Load                 // the origin was asked
	Invalidate           // somebody said what is outdated
	Differ               // what is stored is not what the origin has: see Stats.Differed
)

// String returns the operation's name.
func (o Op) String() string { return [...]string{"read", "load", "invalidate", "differ"}[o] }

// event tells whoever observes.
func (c *Cache) event(e Event) {
	if c.config.Observe != nil {
		c.config.Observe(e)
	}
}

// watch returns the time where anybody observes.
func (c *Cache) watch() (began time.Time) {
	if c.config.Observe != nil {
		began = time.Now()
	}
	return began
}

// observed tells of a read.
func (c *Cache) observed(id *identity, began time.Time, a *answer, err error) {
	if c.config.Observe != nil {
		c.config.Observe(Event{Op: Read, List: id.listName(), Key: id.text, Unit: id.unit, Feed: uint64(id.feed), Source: a.source, Took: time.Since(began),
			Rows: a.rows, Bytes: len(a.body), Stored: a.stored, Err: err})
	}
}

// loaded tells of a load that has ended.
func (c *Cache) loaded(w *call, began time.Time) {
	if c.config.Observe != nil {
		c.config.Observe(Event{Op: Load, List: w.id.listName(), Key: w.id.text, Took: time.Since(began), Rows: w.rows, Bytes: len(w.body), Err: w.err})
	}
}

// invalidated tells of an invalidation, unless it failed. Not under c.mu.
func (c *Cache) invalidated(err error, tags ...Tag) {
	c.distrust(err)
	if c.config.Observe != nil && err == nil {
		e := Event{Op: Invalidate, Tags: slices.Clone(tags)}
		for _, t := range c.all(tags) {
			e.Hashes = append(e.Hashes, uint64(t))
		}
		c.config.Observe(e)
	}
}

// listName returns the name of the list that an identity is of.
func (id *identity) listName() string {
	if id.space != listSpace {
		return ""
	}
	name, _, _ := strings.Cut(id.text, ":")
	return name
}
