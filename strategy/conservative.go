package strategy

func init() {
	Register("conservative", "admits above 0.70 of the price; main keeps what earned credit", conservative{})
}

// conservative lets few units into main and lets go slowly of those that proved themselves:
// main's tail spends the credit of earlier hits, as S3-FIFO's counters do (Yang et al.,
// SOSP'23, section 4.1).
type conservative struct{}

func (conservative) Decide(c Candidate) Verdict {
	if c.Moment == MainTail {
		return admitIf(c.Credit > 0)
	}
	return admitIf(c.above(c.Confidence, 0.70*c.Price))
}

func (conservative) Ahead(p float64) bool { return p > 0.70 }

func (conservative) Patience() float64 { return .5 }
