package arena

import "math"

func init() {
	arbiters["thompson"] = func(c ArbiterConfig) Arbiter {
		return &thompson{epoch: newEpoch(c), arms: make([]posterior, len(c.Arms))}
	}
}

// thompson is the Bayesian bandit with forgetting (Raj & Kalyani 2017): it draws each
// strategy's loss from a normal posterior and lets the least rule. It sees the ruling
// strategy's losses only. Registered to show what full information is worth.
type thompson struct {
	epoch
	arms []posterior
}

// posterior is what is known of one strategy's loss: discounted sums over its epochs.
type posterior struct{ n, sum float64 }

const (
	thompsonForget = .9  // weight of an epoch after one more
	thompsonSpread = .05 // deviation of one epoch's loss
)

func (t *thompson) Observe(o Outcome) {
	loss, over := t.observe(o)
	if !over {
		return
	}
	for i := range t.arms {
		t.arms[i].n *= thompsonForget
		t.arms[i].sum *= thompsonForget
	}
	t.arms[t.ruling].n++
	t.arms[t.ruling].sum += loss
	least := math.Inf(1)
	for i, a := range t.arms {
		mean := (a.sum + loss) / (a.n + 1) // an unknown strategy is as good as the ruling one
		if draw := mean + thompsonSpread*t.random.NormFloat64()/math.Sqrt(a.n+1); draw < least {
			t.ruling, least = i, draw
		}
	}
}
