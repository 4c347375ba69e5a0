package baseline

func init() {
	Register(Info{
		Name: "lfu",
		Doc:  "evicts the unit with the fewest hits in the cache, oldest first",
		Kind: "exact",
		New:  newLFU,
	})
}

// lfu counts only while a unit is resident: who comes back starts at one. A hit goes to the
// back of the next count's queue, and the victim is the front of the lowest.
type lfu struct {
	directory
	frequencies
}

func newLFU(cfg Config) (Policy, error) {
	d, err := newDirectory(cfg, 1, 0)
	if err != nil {
		return nil, err
	}
	return &lfu{d, newFrequencies(d.keys)}, nil
}

func (p *lfu) Get(id uint32) bool {
	n := p.at[id]
	if n == 0 {
		return false
	}
	p.touch(n)
	return true
}

func (p *lfu) Put(id uint32, size int64) {
	n := p.at[id]
	switch {
	case p.tooLarge(size):
		if n != 0 {
			p.evict(n)
		}
	case n != 0:
		p.resize(n, size)
		p.makeRoom(0)
	default:
		p.makeRoom(size)
		n = p.enlist(id)
		p.admit(n, size)
		p.add(n, 1)
	}
}

func (p *lfu) makeRoom(size int64) {
	for !p.fits(size) {
		p.evict(p.least())
	}
}

func (p *lfu) evict(n uint32) {
	p.release(n)
	p.drop(n)
	p.forget(n)
}
