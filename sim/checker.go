package sim

// checker judges every read from outside the core. It keeps version numbers of its own: a
// read that begins after a write must not be served what was loaded before it.
type checker struct {
	feeds []uint32 // writes so far; nil while the trace has none
	held  []uint32 // the version that a unit's youngest published load had read
}

func newChecker(t *Trace, units int) checker {
	if t.ops == nil {
		return checker{}
	}
	return checker{feeds: make([]uint32, t.feedCount), held: make([]uint32, units)}
}

func (c *checker) wrote(feed uint32) { c.feeds[feed]++ }

func (c *checker) version(feed uint32) uint32 {
	if c.feeds == nil {
		return 0
	}
	return c.feeds[feed]
}

// published books that the cache took a load that had read some version.
func (c *checker) published(unit, version uint32) {
	if c.held != nil {
		c.held[unit] = version
	}
}

// served returns 1 if the cache just served an outdated copy, else 0.
func (c *checker) served(unit, feed uint32) int64 {
	if c.held == nil || c.held[unit] == c.feeds[feed] {
		return 0
	}
	return 1
}
