package strategy

func init() {
	Register("aggressive", "admits everything of usual size; main's tail weeds", aggressive{weed})
}

// aggressive stores everything for a lap, but what is larger than usual and hopeless, and leaves the judgement to main's
// tail, where the most is known about a unit.
type aggressive struct{ weed float64 }

// weed is the confidence below which even aggressive lets go, for a unit of the usual size. Measured at main's tail: .05
// to .10 differ by 0.1 points on the traces it is best on, .20 loses 1.5.
const weed = 0.075

func (s aggressive) Decide(c Candidate) Verdict {
	return admitIf(c.Moment != MainTail && c.Size <= 1 || c.above(c.Confidence, s.weed))
}

// Ahead takes whatever the budget allows.
func (aggressive) Ahead(float64) bool { return true }

func (aggressive) Patience() float64 { return 2 }

// At is aggressive with another confidence to weed below.
func (aggressive) At(threshold float64) Strategy { return aggressive{threshold} }
