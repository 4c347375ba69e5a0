package baseline

func init() {
	Register(Info{
		Name: "sieve",
		Doc:  "SIEVE: lazy promotion by a moving hand (NSDI 2024)",
		Kind: "exact",
		New:  newSieve,
	})
}

// sieve is Zhang et al., "SIEVE is Simpler than LRU" (NSDI 2024), section 3, algorithm 1:
// a FIFO queue that is never reordered, and a hand that moves from old to new, spares the
// visited units and evicts the first other one.
type sieve struct {
	queues
	visited []bool // by node
	hand    uint32 // where the search goes on; the queue's end stands for its oldest unit
}

func newSieve(cfg Config) (Policy, error) {
	q, err := newQueues(cfg, 1, 0)
	if err != nil {
		return nil, err
	}
	return &sieve{q, make([]bool, q.keys), uint32(only)}, nil
}

func (p *sieve) Get(id uint32) bool {
	n := p.at[id]
	if n == 0 {
		return false
	}
	p.visited[n] = true
	return true
}

func (p *sieve) Put(id uint32, size int64) {
	if p.hand == p.at[id] && p.tooLarge(size) {
		p.hand = p.after(p.hand)
	}
	need := p.offer(id, size, p.at[id] != 0)
	for !p.fits(need) {
		p.evict(p.victim())
	}
	if need > 0 {
		p.visited[p.store(only, id, size)] = false
	}
}

// victim moves the hand to the first unit not visited, and past it.
func (p *sieve) victim() uint32 {
	for {
		n := p.hand
		if n == uint32(only) {
			n = p.oldest(only)
		}
		p.hand = p.after(n)
		if !p.visited[n] {
			return n
		}
		p.visited[n] = false
	}
}
