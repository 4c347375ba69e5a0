package workloads

import "time"

// clock makes a log's times count from its first line and never fall: a line written late (a log
// is written when an answer ends) takes the time of the line before it.
type clock struct {
	started     bool
	start, last time.Duration
}

func (c *clock) since(t time.Duration) time.Duration {
	if !c.started {
		c.started, c.start = true, t
	}
	c.last = max(c.last, t-c.start)
	return c.last
}
