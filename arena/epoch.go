package arena

import "math/rand/v2"

// epoch gathers what a bandit sees: the misses of the strategy that rules, and only those,
// over a lap of the composite's main ring.
type epoch struct {
	ruling   int
	cost     float64 // of all requests of the epoch
	lost     float64 // of its misses
	requests int
	since    float64 // lap of its start
	random   *rand.Rand
}

// shortest is the least number of requests in an epoch.
const shortest = 1024

func newEpoch(c ArbiterConfig) epoch {
	return epoch{ruling: c.first(), random: rand.New(rand.NewPCG(c.Seed, 1))}
}

// observe books a request and reports whether the epoch is over, and with what loss, 0..1.
func (e *epoch) observe(o Outcome) (loss float64, over bool) {
	e.requests++
	e.cost += o.Cost
	if o.Missed>>e.ruling&1 == 1 {
		e.lost += o.Cost
	}
	if e.requests < shortest || o.Lap-e.since < 1 {
		return 0, false
	}
	loss = e.lost / e.cost
	e.cost, e.lost, e.requests, e.since = 0, 0, 0, o.Lap
	return loss, true
}

func (e *epoch) Leader() int { return e.ruling }
