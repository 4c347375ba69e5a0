package strategy

// Price tracks what a byte of main is worth at the moment, relative to its usual worth, so
// that thresholds loosen when the ring has room to spare and tighten when even its tail still
// earns. The price is k = clip(λ/λ₀, MinPrice, MaxPrice): λ the value per byte earned in the
// last quarter of the lap, λ₀ the same over the whole lap, each a unit's first hit after its
// insertion weighted by its load cost per byte. The zero value is ready: no hit seen, lowest
// price. Not for concurrent use.
//
// Idea: marginal hit density of LHD (Beckmann et al., NSDI'18, section 3) and the shadow
// price of main's bytes.
type Price struct {
	quarters [4]float64
	k        float64 // 0: no hit yet
}

// The clip of the price. Differs from the design's first sketch, .25 to 1.25: measured, see
// docs/decisions/0002-arms.md.
const (
	MinPrice = 0.40
	MaxPrice = 0.80
)

// Hit books a unit's first hit since it was written to main, age laps (>= 0) after it, worth
// value (load cost per byte; > 0).
func (p *Price) Hit(age, value float64) {
	p.quarters[min(3, int(age*4))] += value
	all := p.quarters[0] + p.quarters[1] + p.quarters[2] + p.quarters[3]
	p.k = min(MaxPrice, max(MinPrice, 4*p.quarters[3]/all))
}

// Decay ages the books; the arena calls it a fixed number of times a lap. It leaves the price alone:
// all quarters age alike.
func (p *Price) Decay() {
	for i := range p.quarters {
		p.quarters[i] *= priceDecay
	}
}

const priceDecay = 0.9

// K returns the price, MinPrice..MaxPrice.
func (p *Price) K() float64 {
	if p.k == 0 {
		return MinPrice
	}
	return p.k
}
