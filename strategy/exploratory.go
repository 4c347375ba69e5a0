package strategy

func init() {
	Register("exploratory", "admits where 1 - confidence is above 0.40 of the price: favours the novel", exploratory{})
}

// exploratory inverts the others: what surely comes back need not displace anything, what is
// novel gets its chance. On loops somewhat longer than the cache, where everything comes back
// and nothing can wait for it, this freezes a part of the loop in main; the others churn.
type exploratory struct{}

func (exploratory) Decide(c Candidate) Verdict {
	if c.Moment == MainTail {
		return admitIf(c.Hits > 0)
	}
	return admitIf(1-c.Hope > 0.40*c.Price)
}
