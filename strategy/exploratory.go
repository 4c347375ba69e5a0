package strategy

func init() {
	Register("exploratory", "admits where 1 - confidence is above 0.40 of the price: favours the novel", exploratory{})
}

// exploratory inverts the others: what surely comes back need not displace anything, what is
// novel gets its chance, and a hit alone keeps it. Least led by what was learned, it is the best
// single strategy where workloads replace one another: a splice of recorded traces, hot sets and
// loops (results/2026-11-21-arbiters). On a loop alone it only churns.
type exploratory struct{}

func (exploratory) Decide(c Candidate) Verdict {
	if c.Moment == MainTail {
		return admitIf(c.Hits > 0)
	}
	return admitIf(c.above(1-c.Confidence, 0.40*c.Price))
}

func (exploratory) Ahead(p float64) bool { return 1-p > 0.40 }

func (exploratory) Patience() float64 { return 4 }
