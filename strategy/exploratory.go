package strategy

func init() {
	Register("exploratory", "admits where 1 - confidence is above 0.40 of the price: favours the novel", exploratory{.40})
}

// exploratory inverts the others: what surely comes back need not displace anything, what is
// novel gets its chance, and a hit alone keeps it. Least led by what was learned, it is the best
// single strategy where workloads replace one another: a splice of recorded traces, hot sets and
// loops (results/2026-11-21-arbiters). On a loop alone it only churns.
type exploratory struct{ above float64 }

func (s exploratory) Decide(c Candidate) Verdict {
	if c.Moment == MainTail {
		return admitIf(c.Hits > 0)
	}
	return admitIf(c.above(1-c.Confidence, s.above*c.Price))
}

func (s exploratory) Ahead(p float64) bool { return 1-p > s.above }

func (exploratory) Patience() float64 { return 4 }

// At is exploratory with another part of the price.
func (exploratory) At(threshold float64) Strategy { return exploratory{threshold} }
