package baseline

func init() {
	Register(Info{
		Name: "fifo",
		Doc:  "first in, first out",
		Kind: "exact",
		New:  func(cfg Config) (Policy, error) { return newFIFO(cfg) },
	})
}

// only is the segment of policies with a single queue.
const only segment = 1

// fifo evicts the unit stored longest ago; hits change nothing.
type fifo struct{ queues }

func newFIFO(cfg Config) (*fifo, error) {
	q, err := newQueues(cfg, 1, 0)
	if err != nil {
		return nil, err
	}
	return &fifo{q}, nil
}

func (p *fifo) Get(id uint32) bool { return p.at[id] != 0 }

func (p *fifo) Put(id uint32, size int64) {
	need := p.offer(id, size, p.at[id] != 0)
	for !p.fits(need) {
		p.evict(p.oldest(only))
	}
	if need > 0 {
		p.store(only, id, size)
	}
}
