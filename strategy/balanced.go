package strategy

func init() {
	Register("balanced", "admits above 0.40 of the price, at main's tail too", usual)
}

// usual is balanced as it is.
var usual = balanced{.40}

// balanced trusts the confidence alone, at every moment: a unit without a hit in this lap
// stays if it is likely to be asked for, and a unit with one goes if it is not.
type balanced struct{ above float64 }

func (b balanced) Decide(c Candidate) Verdict { return admitIf(c.above(c.Confidence, b.above*c.Price)) }

func (b balanced) Ahead(p float64) bool { return p > b.above }

func (balanced) Patience() float64 { return 1 }

// At is balanced with another part of the price.
func (balanced) At(threshold float64) Strategy { return balanced{threshold} }
