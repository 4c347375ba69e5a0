package baseline

func init() {
	Register(Info{
		Name: "clock",
		Doc:  "FIFO with a second chance: one reference bit (Corbató 1968)",
		Kind: "exact",
		New:  newClock,
	})
}

// clock is Corbató's "A Paging Experiment with the Multics System" (1968) with one
// reference bit, clear on arrival.
//
// Differs from the paper: the circular buffer is a FIFO queue, in which the unit passed
// over goes to the back. The order of eviction is the same.
type clock struct {
	queues
	referenced []bool // by node
}

func newClock(cfg Config) (Policy, error) {
	q, err := newQueues(cfg, 1, 0)
	if err != nil {
		return nil, err
	}
	return &clock{q, make([]bool, q.keys)}, nil
}

func (p *clock) Get(id uint32) bool {
	n := p.at[id]
	if n == 0 {
		return false
	}
	p.referenced[n] = true
	return true
}

func (p *clock) Put(id uint32, size int64) {
	need := p.offer(id, size, p.at[id] != 0)
	for !p.fits(need) {
		p.evict(p.victim())
	}
	if need > 0 {
		p.referenced[p.store(only, id, size)] = false
	}
}

// victim passes over the referenced units and takes their bits.
func (p *clock) victim() uint32 {
	for {
		n := p.oldest(only)
		if !p.referenced[n] {
			return n
		}
		p.referenced[n] = false
		p.renew(n)
	}
}
