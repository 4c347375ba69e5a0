package arena

func init() {
	arbiters["fixed"] = func(c ArbiterConfig) Arbiter { return fixed(c.first()) }
}

// fixed is the arbiter that never changes its mind: conservative rules, the shadows only watch.
type fixed int

func (fixed) Observe(Outcome) {}
func (f fixed) Leader() int   { return int(f) }
