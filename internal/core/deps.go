package core

import (
	"errors"
	"slices"

	"github.com/foliocache/folio/internal/board"
)

// tag is what the core knows of a tag that was bumped or has dependents. A tag it does not
// know stands at {epoch, 0}.
type tag struct {
	stamp      Stamp
	dependents []Tag
	last       int64       // number of its last bump among all
	bumped     int64       // when that was
	reads      board.Reads // since the last bump
	hazard     float32
	hot        uint64 // the key that most of its reads heard of were for, if one had most of them
	list       uint32 // of that
	votes      uint8
}

// MaxClosure bounds the tags that one invalidation may bump.
const MaxClosure = 10_000

// ErrClosure reports that an invalidation would bump more than MaxClosure tags; nothing was
// bumped.
var ErrClosure = errors.New("core: invalidation reaches too many tags")

// at returns the stamp of a tag that may be unknown.
func (k *tag) at(epoch uint64) Stamp {
	if k == nil {
		return Stamp{Epoch: epoch}
	}
	return k.stamp
}

// Stamp returns a tag's current version.
func (c *Core) Stamp(t Tag) Stamp { return c.tags[t].at(c.config.Epoch) }

func (c *Core) known(t Tag) *tag {
	k, ok := c.tags[t]
	if !ok {
		k = &tag{stamp: Stamp{Epoch: c.config.Epoch}}
		c.tags[t] = k
	}
	return k
}

// Depend declares that whatever carries dependent is outdated when on is invalidated.
func (c *Core) Depend(dependent, on Tag) {
	k := c.known(on)
	for _, d := range k.dependents {
		if d == dependent {
			return
		}
	}
	k.dependents = append(k.dependents, dependent)
}

// Closure lists the tags that an invalidation of some would bump: them and all their dependents,
// breadth first, each once. It fails with ErrClosure beyond MaxClosure tags.
func (c *Core) Closure(tags ...Tag) ([]Tag, error) {
	all := slices.Clone(tags)
	if len(tags) == 1 {
		if k := c.tags[tags[0]]; k == nil || len(k.dependents) == 0 {
			return all, nil
		}
	}
	all = all[:0]
	seen := map[Tag]bool{}
	add := func(tags []Tag) {
		for _, t := range tags {
			if !seen[t] {
				seen[t] = true
				all = append(all, t)
			}
		}
	}
	add(tags)
	for i := 0; i < len(all); i++ {
		if k, ok := c.tags[all[i]]; ok {
			add(k.dependents)
		}
		if len(all) > MaxClosure {
			return nil, ErrClosure
		}
	}
	return all, nil
}

// Invalidate outdates everything that carries one of some tags or depends on it, loads under way
// included, and returns the tags that it bumped. O(1) in the number of pages.
func (c *Core) Invalidate(now int64, tags ...Tag) ([]Tag, error) {
	all, err := c.Closure(tags...)
	if err != nil {
		return nil, err
	}
	c.Bump(now, all)
	return all, nil
}

// Bump outdates everything that carries one of some tags, and nothing that only depends on them.
func (c *Core) Bump(now int64, tags []Tag) {
	for _, t := range tags {
		c.bump(now, c.known(t))
	}
}

// Adopt sets a tag's version, of a cache that was before this one: nothing depends on it yet.
func (c *Core) Adopt(t Tag, n uint64) { c.known(t).stamp.N = n }

// Flush outdates everything, loads under way included. O(1) in the number of units.
func (c *Core) Flush() {
	c.config.Epoch++
	for _, k := range c.tags {
		k.stamp.Epoch = c.config.Epoch
	}
}

// hazardWeight is the part of a feed's hazard that its last gap between two bumps makes up.
const hazardWeight = .25

func (c *Core) bump(now int64, k *tag) {
	c.Bumps++
	k.bumped = now
	k.last = c.Bumps
	k.stamp.N++
	n := k.reads.Take()
	k.hazard += hazardWeight * (1/float32(n+1) - k.hazard)
	c.consider(k, n)
}

// Reads returns where the reads of a feed are to be counted that the core is told of by Overhear, or not
// at all; nil while it was never bumped.
func (c *Core) Reads(feed Tag) *board.Reads {
	if k := c.tags[feed]; k != nil && k.stamp.N > 0 {
		return &k.reads
	}
	return nil
}

// read books a read of a feed.
func (k *tag) read() {
	if k != nil && k.stamp.N > 0 {
		k.reads.Add()
	}
}

// threat returns a feed's write hazard as a level: 0 never written, 1 less than one write per
// four reads, 2 more.
func (k *tag) threat() uint8 {
	if k == nil || k.stamp.N == 0 {
		return 0
	}
	if k.hazard < .2 {
		return 1
	}
	return 2
}
