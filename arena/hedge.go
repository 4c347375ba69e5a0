package arena

import "math"

func init() { arbiters["hedge"] = newHedge }

// hedge is the default arbiter: exponential weights over all strategies' losses, which the
// shadows make known on every request (Freund & Schapire 1997), with the fixed share of
// Herbster & Warmuth (1998) that lets a strategy come back after a phase it lost.
// Differs from the papers: it acts on the leader instead of sampling, and changes the leader
// only on clear evidence and after a dwell of one lap, since every change costs a lap of
// mixed contents.
type hedge struct {
	logs     []float64 // log weights, greatest 0
	eta      float64   // weight that a miss of average cost loses
	share    float64
	scale    float64 // mean cost of a load, so that losses are about 1
	leader   int
	since    float64 // lap of the last switch
	waited   int     // requests since then
	patience int
	pend     int // requests since the share was last applied
}

// All is measured, see docs/decisions/0003-arbiter.md.
const (
	hedgeLead     = .15 // misses, as a part of the entries, that a challenger must be ahead to take over
	hedgeFloor    = 20  // misses it must be ahead at least
	hedgeHorizon  = 100 // cache-fulls of requests after which a lead is all but forgotten
	hedgeDwell    = 1   // laps between switches
	hedgePatience = 10  // or so many cache-fulls of requests: a ruler that writes nothing makes no laps
)

func newHedge(c ArbiterConfig) Arbiter {
	lead := max(hedgeFloor, hedgeLead*float64(c.Entries))
	return &hedge{logs: make([]float64, len(c.Arms)), leader: c.first(), eta: 1 / lead,
		patience: hedgePatience * c.Entries,
		share:    1 / (hedgeHorizon * max(200, float64(c.Entries)))}
}

const shareEvery = 64

func (h *hedge) Observe(o Outcome) {
	h.waited++
	if h.scale == 0 {
		h.scale = o.Cost
	}
	h.scale += (o.Cost - h.scale) * .001
	if o.Missed != 0 && o.Missed != 1<<len(h.logs)-1 {
		loss := h.eta * min(4, o.Cost/h.scale)
		for i := range h.logs {
			if o.Missed>>i&1 == 1 {
				h.logs[i] -= loss
			}
		}
	}
	if h.pend++; h.pend < shareEvery {
		return
	}
	h.pend = 0
	h.mix()
	h.elect(o.Lap)
}

// mix gives every strategy its share of the whole weight.
func (h *hedge) mix() {
	best, sum := math.Inf(-1), 0.0
	for _, l := range h.logs {
		best = max(best, l)
	}
	for _, l := range h.logs {
		sum += math.Exp(l - best)
	}
	a := 1 - math.Pow(1-h.share, shareEvery)
	for i, l := range h.logs {
		h.logs[i] = math.Log((1-a)*math.Exp(l-best) + a*sum/float64(len(h.logs)))
	}
}

// elect lets the heaviest strategy take over if it leads clearly and the ruler has had a lap.
func (h *hedge) elect(lap float64) {
	best := h.leader
	for i, l := range h.logs {
		if l > h.logs[best] {
			best = i
		}
	}
	if best == h.leader || lap-h.since < hedgeDwell && h.waited < h.patience {
		return
	}
	if h.logs[best]-h.logs[h.leader] > 1 {
		h.leader, h.since, h.waited = best, lap, 0
	}
}

func (h *hedge) Leader() int { return h.leader }
