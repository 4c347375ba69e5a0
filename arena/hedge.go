package arena

import "math"

func init() { arbiters["hedge"] = newHedge }

// hedge is the default arbiter: exponential weights over all strategies' losses, which the
// shadows make known on every request (Freund & Schapire 1997), with the fixed share of
// Herbster & Warmuth (1998) that lets a strategy come back after a phase it lost.
// Differs from the papers: it acts on the leader instead of sampling, and changes the leader
// only on clear evidence, a great lead or a steady one, and after a dwell of one lap, since
// every change costs a lap of mixed contents.
type hedge struct {
	arms     []arm
	eta      float64 // weight that a miss of average cost loses
	share    float64 // of all weight that is spread evenly, every so often
	scale    float64 // mean cost of a load, so that losses are about 1
	leader   int
	since    float64 // lap of the last switch
	waited   int     // requests since then
	patience int
	pend     int // requests since the share was last applied
	block    int // requests that a block has
	seen     int // of them, those of the block under way
}

// arm is what hedge knows of one strategy. Its lead is its weight's over the leader's.
type arm struct {
	weight  float64 // log; the greatest is 0
	began   float64 // its lead when the block under way began
	squares float64 // of its gains in each block since it was last behind
	steady  bool    // the lead was, when the last block ended
}

// All is measured, see docs/decisions/0003-arbiter.md.
const (
	hedgeLead     = .15 // misses, as a part of the entries, that a challenger must be ahead to take over
	hedgeFloor    = 20  // misses it must be ahead at least
	hedgeSteady   = .2  // of that lead will do if it is steady:
	hedgeEven     = 2   // so many times the root of the sum of its blocks' squared gains
	hedgeBlocks   = 2   // of which a cache-full of requests has so many
	hedgeHorizon  = 100 // cache-fulls of requests after which a lead is all but forgotten
	hedgeDwell    = 1   // laps between switches
	hedgePatience = 10  // or so many cache-fulls of requests: a ruler that writes nothing makes no laps
)

func newHedge(c ArbiterConfig) Arbiter {
	lead := max(hedgeFloor, hedgeLead*float64(c.Entries))
	return &hedge{arms: make([]arm, len(c.Arms)), leader: c.first(), eta: 1 / lead,
		patience: hedgePatience * c.Entries, block: c.Entries / hedgeBlocks,
		share: 1 - math.Pow(1-1/(hedgeHorizon*max(200, float64(c.Entries))), shareEvery)}
}

const shareEvery = 64

func (h *hedge) Observe(o Outcome) {
	h.waited++
	if h.scale == 0 {
		h.scale = o.Cost
	}
	h.scale += (o.Cost - h.scale) * .001
	if o.Missed != 0 && o.Missed != 1<<len(h.arms)-1 {
		loss := h.eta * min(4, o.Cost/h.scale)
		for i := range h.arms {
			if o.Missed>>i&1 == 1 {
				h.arms[i].weight -= loss
			}
		}
	}
	if h.pend++; h.pend < shareEvery {
		return
	}
	h.pend = 0
	h.mix()
	if h.seen += shareEvery; h.seen >= h.block {
		h.seen = 0
		h.book()
	}
	h.elect(o.Lap)
}

// mix gives every strategy its share of the whole weight.
func (h *hedge) mix() {
	best, sum := math.Inf(-1), 0.0
	for _, a := range h.arms {
		best = max(best, a.weight)
	}
	for _, a := range h.arms {
		sum += math.Exp(a.weight - best)
	}
	for i := range h.arms {
		a := &h.arms[i]
		a.weight = math.Log((1-h.share)*math.Exp(a.weight-best) + h.share*sum/float64(len(h.arms)))
	}
}

// lead returns how far a strategy is ahead of the leader, in leads that suffice.
func (h *hedge) lead(a *arm) float64 { return a.weight - h.arms[h.leader].weight }

// book ends a block, and with it tells which leads are steady: one won in n equal gains is √n
// times the root of the sum of their squares, one won at a stroke just once.
func (h *hedge) book() {
	for i := range h.arms {
		a := &h.arms[i]
		lead := h.lead(a)
		if a.squares += (lead - a.began) * (lead - a.began); lead <= 0 {
			a.squares = 0
		}
		a.began = lead
		a.steady = lead > hedgeSteady && lead > hedgeEven*math.Sqrt(a.squares)
	}
}

// elect lets the heaviest strategy take over if it leads clearly and the ruler has had a lap.
func (h *hedge) elect(lap float64) {
	best := h.leader
	for i := range h.arms {
		if a := &h.arms[i]; a.weight > h.arms[best].weight && (a.steady || h.lead(a) > 1) {
			best = i
		}
	}
	if best == h.leader || lap-h.since < hedgeDwell && h.waited < h.patience {
		return
	}
	h.leader, h.since, h.waited = best, lap, 0
	for i := range h.arms {
		h.arms[i].steady = false // that was over another
	}
}

func (h *hedge) Leader() int { return h.leader }
