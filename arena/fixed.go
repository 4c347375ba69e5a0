package arena

func init() {
	arbiters["fixed"] = func(c ArbiterConfig) Arbiter { return fixed(c.first()) }
}

// fixed is the arbiter that never changes its mind: who rules first rules on, the shadows only watch.
type fixed int

func (fixed) Observe(Outcome) {}
func (f fixed) Leader() int   { return int(f) }
