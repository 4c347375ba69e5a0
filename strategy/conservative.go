package strategy

func init() {
	Register("conservative", "admits above 0.70 of the price; main keeps what earned credit", conservative{.70})
}

// conservative lets few units into main and lets go slowly of those that proved themselves:
// main's tail spends the credit of earlier hits, as S3-FIFO's counters do (Yang et al.,
// SOSP'23, section 4.1).
type conservative struct{ above float64 }

func (s conservative) Decide(c Candidate) Verdict {
	if c.Moment == MainTail {
		return admitIf(c.Credit > 0)
	}
	return admitIf(c.above(c.Confidence, s.above*c.Price))
}

func (s conservative) Ahead(p float64) bool { return p > s.above }

func (conservative) Patience() float64 { return .5 }

// At is conservative with another part of the price.
func (conservative) At(threshold float64) Strategy { return conservative{threshold} }
