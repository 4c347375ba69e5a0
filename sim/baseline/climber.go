package baseline

// climber seeks the window size with the highest hit ratio by hill climbing: Einziger,
// Eytan, Friedman and Manes, "Adaptive Software Cache Management" (Middleware 2018), in the
// form and with the constants of Caffeine and otter v2. The window goes on in the direction
// that paid and turns around otherwise.
//
// Differs from Caffeine: a step is made at once, not in parts, and what cannot be moved
// into the window is not taken back from its bound.
type climber struct {
	requests, hits int64
	last           float64 // hit ratio of the last sample
	step           float64 // capacity units to move by next; its sign is the direction
	first          float64 // size of a first step and of one after a change of the workload
}

const (
	climbShare   = 0.0625 // of the capacity: the first step
	climbDecay   = 0.98   // each step is shorter by this factor,
	climbRestart = 0.05   // until the hit ratio changes by this much
)

func newClimber(capacity int64) *climber {
	first := climbShare * float64(capacity)
	return &climber{step: -first, first: first}
}

// count records a request.
func (c *climber) count(hit bool) {
	c.requests++
	if hit {
		c.hits++
	}
}

// next ends a sample and returns by how much the window should grow.
func (c *climber) next() int64 {
	ratio := float64(c.hits) / float64(c.requests)
	change := ratio - c.last
	move := c.step
	if change < 0 {
		move = -move
	}
	c.step = move * climbDecay
	if change >= climbRestart || change <= -climbRestart {
		c.step = c.first
		if move < 0 {
			c.step = -c.first
		}
	}
	c.last, c.requests, c.hits = ratio, 0, 0
	return int64(move)
}
