package core

import "math"

// bandit learns whose answers cost least, per read, of one list at one depth: what it hears of is only what
// the strategy cost that was picked. Thompson sampling (Agrawal & Goyal, AISTATS 2013), on ratios.
type bandit []arm

// arm is one strategy's cost so far, old ones forgotten.
type arm struct{ n, cost, reads, square float64 }

const (
	armForget = .995
	armFirst  = 4 // outcomes that all arms are believed to have had alike
)

// pick returns the arm whose cost a read is the lowest, each drawn from what is believed of it.
func (b bandit) pick(normal func() float64) int {
	all := arm{n: 1, cost: 1, reads: 1}
	for _, a := range b {
		all.n, all.cost, all.reads, all.square = all.n+a.n, all.cost+a.cost, all.reads+a.reads, all.square+a.square
	}
	mean, reads, square := all.cost/all.reads, all.reads/all.n, max(all.square/all.n, 1e-9)
	best, least := 0, math.Inf(1)
	for i, a := range b {
		of := a.reads + armFirst*reads
		drawn := (a.cost+armFirst*mean*reads)/of + normal()*math.Sqrt(a.square+armFirst*square)/of
		if drawn < least {
			best, least = i, drawn
		}
	}
	return best
}

// charge books what an arm cost over some reads.
func (b bandit) charge(i int, cost, reads float64) {
	a := &b[i]
	mean := cost
	if a.reads > 0 {
		mean = a.cost / a.reads * reads
	}
	a.n, a.cost, a.reads = a.n*armForget+1, a.cost*armForget+cost, a.reads*armForget+reads
	a.square = a.square*armForget + (cost-mean)*(cost-mean)
}

// class is a list's pages of one depth.
type class struct {
	list  uint32
	depth uint8
}

// bandit returns that of a list's pages of some depth.
func (c *Core) bandit(list uint32, depth uint8) bandit {
	at := class{list, depth}
	b, ok := c.bandits[at]
	if !ok {
		b = make(bandit, len(c.arena.Names()))
		c.bandits[at] = b
	}
	return b
}

// pick chooses whose answers a copy gives.
func (c *Core) pick(list uint32, depth uint8) uint8 {
	return uint8(c.bandit(list, depth).pick(c.random.NormFloat64))
}

// charge books what a strategy's answers cost, in loads, over some reads.
func (c *Core) charge(list uint32, depth, strategy uint8, cost, reads float64) {
	c.bandit(list, depth).charge(int(strategy), cost, reads)
}
