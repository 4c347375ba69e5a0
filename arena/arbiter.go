package arena

import (
	"fmt"
	"slices"
	"sort"
)

// Arbiter chooses the strategy that rules, from what every strategy's shadow would have had
// to load. Not for concurrent use.
type Arbiter interface {
	// Observe books one request that the shadows saw.
	Observe(Outcome)
	// Leader returns the index of the strategy that should rule.
	Leader() int
}

// Outcome is one request as the shadows saw it.
type Outcome struct {
	Missed uint32  // bit i: strategy i's shadow missed
	Cost   float64 // of a load, > 0
	Lap    float64 // how often the composite's main ring was written round so far
}

// ArbiterConfig is what an arbiter is built for.
type ArbiterConfig struct {
	Arms    []string // the strategies' names
	Entries int      // units that the cache holds, roughly
	Pages   bool     // most of what is asked for are pages of lists
	Seed    uint64
}

var arbiters = map[string]func(ArbiterConfig) Arbiter{}

// Arbiters returns the names of the arbiters.
func Arbiters() []string {
	names := make([]string, 0, len(arbiters))
	for n := range arbiters {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func newArbiter(name string, c ArbiterConfig) (Arbiter, error) {
	n, ok := arbiters[name]
	if !ok {
		return nil, fmt.Errorf("arena: no arbiter %q; there are %v", name, Arbiters())
	}
	return n(c), nil
}

// first returns the arm that rules before anything is known: aggressive where pages are asked for, most of which come
// again soon or never; conservative otherwise, where it competes, since what it leaves out can still be let in.
// Measured: docs/decisions/0003-arbiter.md.
func (c ArbiterConfig) first() int {
	if i := slices.Index(c.Arms, "aggressive"); c.Pages && i >= 0 {
		return i
	}
	return max(0, slices.Index(c.Arms, "conservative"))
}
