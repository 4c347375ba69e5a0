package arena

import "math"

func init() {
	arbiters["exp3"] = func(c ArbiterConfig) Arbiter {
		return &exp3{epoch: newEpoch(c), logs: make([]float64, len(c.Arms))}
	}
}

// exp3 is the adversarial bandit (Auer et al., SIAM J. Computing 2002, section 3): it sees the
// ruling strategy's losses only. Registered to show what full information is worth.
type exp3 struct {
	epoch
	logs []float64
}

const exp3Gamma = .1 // share of the choices that explore

func (x *exp3) Observe(o Outcome) {
	loss, over := x.observe(o)
	if !over {
		return
	}
	p := x.chances()
	x.logs[x.ruling] += exp3Gamma / float64(len(p)) * (1 - loss) / p[x.ruling]
	p = x.chances()
	draw := x.random.Float64()
	for i, c := range p {
		x.ruling = i
		if draw -= c; draw < 0 {
			break
		}
	}
}

// chances returns the probability of each strategy.
func (x *exp3) chances() []float64 {
	top, sum := math.Inf(-1), 0.0
	for _, l := range x.logs {
		top = max(top, l)
	}
	p := make([]float64, len(x.logs))
	for i, l := range x.logs {
		p[i] = math.Exp(l - top)
		sum += p[i]
	}
	for i := range p {
		p[i] = (1-exp3Gamma)*p[i]/sum + exp3Gamma/float64(len(p))
	}
	return p
}
