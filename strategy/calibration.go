package strategy

// Calibration compares stated confidences with what came true. The zero value is empty.
type Calibration struct {
	Bins    [10]Bin
	Squares float64 // sum of the squared errors of the probabilities stated
	Base    float64 // the same of the base rates of depth and frequency
}

// Bin counts the statements whose probability fell into one tenth of 0..1.
type Bin struct {
	Stated float64 // sum of the probabilities stated
	N      int64   // statements whose outcome is known
	Reused int64   // those that came true
}

func (b *Bin) add(p float64, asked bool) {
	b.Stated += p
	b.N++
	b.Reused += int64(flag(asked))
}

// Add books the outcome of a statement.
func (c *Calibration) Add(s Statement, asked bool) {
	p, base, outcome := s.P(), s.Base(), float64(flag(asked))
	c.Bins[min(9, int(p*10))].add(p, asked)
	c.Squares += (p - outcome) * (p - outcome)
	c.Base += (base - outcome) * (base - outcome)
}

// N returns the number of settled statements.
func (c *Calibration) N() int64 {
	n := int64(0)
	for _, b := range c.Bins {
		n += b.N
	}
	return n
}

// Brier returns the mean squared error of the statements, 0 (perfect) to 1; 0 without any.
func (c *Calibration) Brier() float64 {
	if n := c.N(); n > 0 {
		return c.Squares / float64(n)
	}
	return 0
}

// Skill returns the Brier skill score against always stating the base rate of the unit's depth
// and frequency, as far as it was known at that moment: 1 is perfect, 0 no better than the base
// rates. Differs from the usual score in that the base rates have no hindsight either.
func (c *Calibration) Skill() float64 {
	if c.Base == 0 {
		return 0
	}
	return 1 - c.Squares/c.Base
}

// ECE returns the expected calibration error over the ten bins, 0..1.
func (c *Calibration) ECE() float64 {
	n, sum := c.N(), 0.0
	if n == 0 {
		return 0
	}
	for _, b := range c.Bins {
		sum += max(b.Stated-float64(b.Reused), float64(b.Reused)-b.Stated)
	}
	return sum / float64(n)
}
