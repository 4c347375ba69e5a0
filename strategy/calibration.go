package strategy

// Calibration compares stated confidences with what came true. The zero value is empty.
type Calibration struct {
	Bins   [10]Bin
	brier  float64
	groups [depths][freqs]Bin // by depth and frequency: the base rates that a skill is measured against
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
func (c *Calibration) Add(w Watch, asked bool) {
	p := w.P()
	c.Bins[min(9, int(p*10))].add(p, asked)
	d := p - float64(flag(asked))
	c.brier += d * d
	row := int(w.Cell % features)
	f := 0
	switch {
	case row < 256:
		f = row % 128 / 32
	default:
		f = (row - 256) / 40
	}
	c.groups[int(w.Cell)/features/hazards][f].add(p, asked)
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
		return c.brier / float64(n)
	}
	return 0
}

// Skill returns the Brier skill score against always stating the base rate of the depth and
// frequency group, known in hindsight: 1 is perfect, 0 no better than the base rates.
func (c *Calibration) Skill() float64 {
	base := 0.0
	for _, g := range c.groups {
		for _, b := range g {
			if b.N > 0 {
				base += float64(b.Reused) * float64(b.N-b.Reused) / float64(b.N)
			}
		}
	}
	if base == 0 {
		return 0
	}
	return 1 - c.brier/base
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
