package strategy

func init() {
	Register("static", "S3-FIFO's own rule, no confidence: two hits in probation, or a ghost", static{})
}

// static is the rule of S3-FIFO (Yang et al., SOSP'23, section 4.1) in the same rings: the
// anchor of the competition where confidence has nothing to go by, because what is asked for
// again depends on when rather than on what.
type static struct{}

func (static) Decide(c Candidate) Verdict {
	switch c.Moment {
	case Fill:
		return Admit
	case LeaveProbation:
		return admitIf(c.Hits > 1)
	}
	return admitIf(c.Credit > 0)
}
