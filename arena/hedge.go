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
	logs   []float64 // log weights, greatest 0
	eta    float64
	share  float64
	scale  float64 // mean cost of a load, so that losses are about 1
	leader int
	since  float64 // lap of the last switch
	pend   int     // requests since the share was last applied
}

const (
	hedgeHorizon = 8    // cache-fulls of requests that the weights remember
	hedgeFloor   = 2000 // requests they remember at least
	hedgeLead    = 4    // weight ratio at which a challenger takes over
	hedgeDwell   = 1    // laps between switches
)

func newHedge(c ArbiterConfig) Arbiter {
	horizon := max(hedgeFloor, hedgeHorizon*float64(c.Entries))
	k := float64(len(c.Arms))
	return &hedge{logs: make([]float64, len(c.Arms)), leader: c.first(), share: 1 / horizon,
		eta: math.Sqrt(8 * math.Log(max(2, k)) / horizon)}
}

const shareEvery = 64

func (h *hedge) Observe(o Outcome) {
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
	if best != h.leader && h.logs[best]-h.logs[h.leader] > math.Log(hedgeLead) && lap-h.since >= hedgeDwell {
		h.leader, h.since = best, lap
	}
}

func (h *hedge) Leader() int { return h.leader }
