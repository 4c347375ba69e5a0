package folio

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/core"
)

// versions is a view of the core's stamps that readers may ask without the core's lock. It is
// changed under that lock, right after the core, and before an invalidation returns.
type versions struct {
	epoch  atomic.Uint32
	bumped [bumpedBits / 64]atomic.Uint64 // the residues of all tags ever bumped: most never are
	shards [versionShards]struct {
		mu sync.RWMutex
		n  map[core.Tag]tagVersion
		_  [32]byte // a cache line of its own
	}
}

const (
	bumpedBits    = 1 << 16
	versionShards = 64
)

// tagVersion is how often a tag was bumped, and where its reads since are counted.
type tagVersion struct {
	n     uint64
	reads *board.Reads
	soft  int64 // what was loaded before, by the cache's clock, is too old; 0: nothing is for that
}

// get returns a tag's version; none if it was never bumped.
func (v *versions) get(t core.Tag) tagVersion {
	if v.bumped[t%bumpedBits/64].Load()>>(t%64)&1 == 0 {
		return tagVersion{}
	}
	s := &v.shards[t>>16%versionShards]
	s.mu.RLock()
	n := s.n[t]
	s.mu.RUnlock()
	return n
}

// set says what the core says. Not concurrently with itself.
func (v *versions) set(t core.Tag, n uint64, reads *board.Reads) {
	v.update(t, func(now *tagVersion) { *now = tagVersion{n: n, reads: reads} })
}

// soften says that what depends on a tag and was loaded before a time is too old. Not concurrently with set.
func (v *versions) soften(t core.Tag, before int64) {
	v.update(t, func(now *tagVersion) { now.soft = before })
}

func (v *versions) update(t core.Tag, change func(*tagVersion)) {
	s := &v.shards[t>>16%versionShards]
	s.mu.Lock()
	if s.n == nil {
		s.n = map[core.Tag]tagVersion{}
	}
	now := s.n[t]
	change(&now)
	s.n[t] = now
	s.mu.Unlock()
	v.bumped[t%bumpedBits/64].Or(1 << (t % 64)) // last: who sees it finds the version
}

// each tells of all tags that were ever bumped, as they are when it comes to them.
func (v *versions) each(do func(core.Tag, uint64) error) error {
	for i := range v.shards {
		s := &v.shards[i]
		s.mu.RLock()
		all := maps.Clone(s.n)
		s.mu.RUnlock()
		for t, version := range all {
			if err := do(t, version.n); err != nil {
				return err
			}
		}
	}
	return nil
}
