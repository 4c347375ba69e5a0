package baseline

import "errors"

func init() {
	Register(Info{
		Name: "s3fifo",
		Doc:  "S3-FIFO: a small FIFO, a main FIFO and ghosts (SOSP 2023)",
		Kind: "exact",
		Params: []Param{
			{Name: "small", Default: "0.1", Doc: "share of the capacity for newcomers"},
			{Name: "ghost", Default: "0.9", Doc: "ghosts, as a share of the capacity"},
		},
		New: newS3FIFO,
	})
}

// s3fifo is Yang et al., "FIFO Queues are All You Need for Cache Eviction" (SOSP 2023),
// section 4, algorithm 1.
//
// Differs from the paper, as the authors' own simulator does (libCacheSim, S3FIFO.c): a unit
// that goes from small to main starts there with no hits, and ghosts are a queue of their
// own, bounded by a share of the capacity (by weight, with sizes).
type s3fifo struct {
	queues
	hits     []uint8 // by node, at most maxHits
	smallMin int64   // small is evicted from when it weighs this
	mainMax  int64
	ghostMax int64
}

const (
	small segment = iota + 1
	main
	ghost
)

const (
	maxHits     = 3 // where the counter stops
	promoteHits = 2 // what takes a unit from small to main
)

func newS3FIFO(cfg Config) (Policy, error) {
	smallMin, smallErr := cfg.share("small")
	ghostMax, ghostErr := cfg.share("ghost")
	q, err := newQueues(cfg, 3, ghostMax)
	if err := errors.Join(err, smallErr, ghostErr); err != nil {
		return nil, err
	}
	p := &s3fifo{queues: q, hits: make([]uint8, q.keys), ghostMax: ghostMax}
	p.smallMin = max(1, smallMin)
	p.mainMax = cfg.Capacity - p.smallMin
	return p, nil
}

func (p *s3fifo) Get(id uint32) bool {
	n := p.at[id]
	if p.in[n] != small && p.in[n] != main {
		return false
	}
	p.hits[n] = min(p.hits[n]+1, maxHits)
	return true
}

func (p *s3fifo) Put(id uint32, size int64) {
	was, to := p.where(id), small
	need := p.offer(id, size, was == small || was == main)
	if need > 0 && was == ghost {
		p.lose(p.at[id])
		to = main
	}
	for !p.fits(need) {
		p.makeRoom()
	}
	if need > 0 {
		p.hits[p.store(to, id, size)] = 0
	}
}

func (p *s3fifo) makeRoom() {
	if p.used[small] >= p.smallMin || p.none(main) {
		p.evictSmall()
		return
	}
	p.evictMain()
}

// evictSmall promotes what was hit and ends with the first unit that was not.
func (p *s3fifo) evictSmall() {
	for !p.none(small) {
		n := p.oldest(small)
		if p.hits[n] < promoteHits {
			p.demote(n, ghost, p.ghostMax)
			return
		}
		p.hits[n] = 0
		for p.used[main]+p.size(n) > p.mainMax && !p.none(main) {
			p.evictMain()
		}
		p.move(main, n)
	}
}

// evictMain gives units that were hit another round and evicts the first other one.
func (p *s3fifo) evictMain() {
	for {
		n := p.oldest(main)
		if p.hits[n] == 0 {
			p.evict(n)
			return
		}
		p.hits[n]--
		p.renew(n)
	}
}
