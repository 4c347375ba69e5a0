package strategy

func init() {
	Register("balanced", "admits above 0.40 of the price, at main's tail too", balanced{})
}

// balanced trusts the confidence alone, at every moment: a unit without a hit in this lap
// stays if it is likely to be asked for, and a unit with one goes if it is not.
type balanced struct{}

func (balanced) Decide(c Candidate) Verdict { return admitIf(c.above(c.Confidence, 0.40*c.Price)) }

func (balanced) Ahead(p float64) bool { return p > 0.40 }

func (balanced) Patience() float64 { return 1 }
