package folio

import (
	"time"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/core"
)

// shares count the bytes that each scope of a list holds, so that none takes more than its share. What an
// invalidation of the scope outdated is not held any more; what a tag outdated, or time, is until
// it is replaced or overwritten, or the scope is full and looked through.
type shares struct {
	limit   int64 // bytes; 0: nobody counts
	scopes  map[core.Tag]*share
	owners  []owner // by slot
	refused int64
}

// share is what one scope holds, since its last invalidation.
type share struct {
	bytes int64
	feed  core.Tag
	again int64 // when it may be looked through again
}

type owner struct {
	*share
	size int64
}

func newShares(part float64, g arena.Geometry) shares {
	s := shares{scopes: map[core.Tag]*share{}}
	if part > 0 {
		s.limit = max(1, int64(part*float64(g.Capacity())))
	}
	return s
}

// room reports whether a scope may hold what it is about to be given, in place of what is there of it.
// Under c.mu.
func (c *Cache) room(ids []identity, pieces []entry) bool {
	s, now := &c.shares, c.now()
	if s.limit == 0 {
		return true
	}
	more := int64(0)
	for i := range ids {
		slot, _ := c.core.Arena().Find(ids[i].unit)
		s.release(slot)
		more += int64(pieces[i].size())
	}
	h := s.scopes[ids[0].feed]
	if h == nil {
		h = new(share)
	}
	if h.bytes+more > s.limit && now >= h.again {
		h.again = now + int64(recount)
		for slot := range s.owners {
			if slot := arena.Slot(slot); s.owners[slot].share == h && !c.core.Valid(slot, h.feed, now) {
				s.release(slot)
			}
		}
	}
	if h.bytes+more > s.limit {
		s.refused++
		return false
	}
	return true
}

// recount is how often, at most, a scope that is full is looked through for what is outdated by a tag
// or too old.
const recount = time.Second

// follow books what became of a unit, and of others on its way.
func (s *shares) follow(steps []arena.Step, slot arena.Slot, feed core.Tag, size int) {
	if s.limit == 0 {
		return
	}
	for _, step := range steps {
		switch {
		case step.Do == arena.Drop:
			s.release(step.Slot)
		case step.Slot == slot && (step.Do == arena.ToProbation || step.Do == arena.ToMain):
			s.release(slot)
			s.own(slot, feed, int64(size))
		}
	}
}

func (s *shares) own(slot arena.Slot, feed core.Tag, size int64) {
	h := s.scopes[feed]
	if h == nil {
		h = &share{feed: feed}
		s.scopes[feed] = h
	}
	h.bytes += size
	for int(slot) >= len(s.owners) {
		s.owners = append(s.owners, owner{})
	}
	s.owners[slot] = owner{h, size}
}

// release books that a slot's copy is gone, if there was one.
func (s *shares) release(slot arena.Slot) {
	if s.limit == 0 || uint64(slot) >= uint64(len(s.owners)) || s.owners[slot].share == nil {
		return
	}
	o := s.owners[slot]
	s.owners[slot] = owner{}
	if o.share.bytes -= o.size; o.share.bytes == 0 && s.scopes[o.share.feed] == o.share {
		delete(s.scopes, o.share.feed)
	}
}

// outdate books that a scope holds nothing any more.
func (s *shares) outdate(feed core.Tag) { delete(s.scopes, feed) }

// flush books that no scope holds anything any more.
func (s *shares) flush() { clear(s.scopes) }

// metadata returns the bytes of heap that it takes, roughly.
func (s *shares) metadata() int64 { return int64(cap(s.owners))*16 + int64(len(s.scopes))*64 }
