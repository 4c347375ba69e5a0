package sim

import "time"

// checker judges every read from outside the core. It keeps version numbers of its own: a
// read that begins after a write must not be served what was loaded before it.
type checker struct {
	feeds []uint32 // writes so far; nil while the trace has none
	held  []uint32 // the version that a unit's youngest published load had read
	born  []int64  // and when that load began, in µs; nil: copies live for ever
	ttl   int64    // µs
}

func newChecker(t *Trace, units int, ttl time.Duration) checker {
	c := checker{ttl: ttl.Microseconds()}
	if t.ops != nil {
		c.feeds, c.held = make([]uint32, t.feedCount), make([]uint32, units)
	}
	if ttl > 0 {
		c.born = make([]int64, units)
	}
	return c
}

func (c *checker) wrote(feed uint32) { c.feeds[feed]++ }

func (c *checker) version(feed uint32) uint32 {
	if c.feeds == nil {
		return 0
	}
	return c.feeds[feed]
}

// published books that the cache took a unit from a load that began at some time and had read
// some version.
func (c *checker) published(unit, version uint32, began int64) {
	if c.held != nil {
		c.held[unit] = version
	}
	if c.born != nil {
		c.born[unit] = began
	}
}

// served returns 1 if the cache just served a copy that is outdated or too old, else 0.
func (c *checker) served(unit, feed uint32, now int64) int64 {
	if c.held != nil && c.held[unit] != c.feeds[feed] || c.born != nil && now-c.born[unit] >= c.ttl {
		return 1
	}
	return 0
}
