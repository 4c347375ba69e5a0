package baseline

func init() {
	Register(Info{
		Name: "arc",
		Doc:  "ARC: recency and frequency, balanced by ghost hits (FAST 2003)",
		Kind: "exact",
		New:  newARC,
	})
}

// arc is Megiddo and Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache" (FAST
// 2003), figure 4, with a real-valued target p. The segments bear the paper's names.
//
// Differs from the paper: lengths are weights, so that with sizes one step of p is as large
// as the unit that was missed too early, and a step may take several evictions.
type arc struct {
	queues
	p float64 // target weight of t1
}

const (
	t1 segment = iota + 1
	t2
	b1
	b2
)

func newARC(cfg Config) (Policy, error) {
	q, err := newQueues(cfg, 4, cfg.Capacity)
	if err != nil {
		return nil, err
	}
	return &arc{queues: q}, nil
}

// Get is case I of the paper; the others belong to Put.
func (p *arc) Get(id uint32) bool {
	n := p.at[id]
	if p.in[n] != t1 && p.in[n] != t2 {
		return false
	}
	p.move(t2, n)
	return true
}

func (p *arc) Put(id uint32, size int64) {
	from, to := p.where(id), t2
	need := p.offer(id, size, from == t1 || from == t2)
	if need == 0 {
		p.makeRoom(0, nowhere)
		p.bound()
		return
	}
	switch from {
	case b1:
		p.p = min(p.p+p.step(size, b1, b2), float64(p.capacity))
		p.lose(p.at[id])
	case b2:
		p.p = max(p.p-p.step(size, b2, b1), 0)
		p.lose(p.at[id])
	default:
		p.makeWay(size)
		to = t1
	}
	p.makeRoom(size, from)
	p.store(to, id, size)
	p.bound()
}

// step is how far a hit among the ghosts of one side moves p, δ in the paper.
func (p *arc) step(size int64, hit, other segment) float64 {
	return float64(size) * max(1, float64(p.used[other])/float64(p.used[hit]))
}

// makeWay is the part of case IV that keeps t1 and b1 in bounds before a new unit comes.
func (p *arc) makeWay(size int64) {
	for p.used[t1]+p.used[b1]+size > p.capacity {
		if p.none(b1) {
			p.evict(p.oldest(t1))
		} else {
			p.lose(p.oldest(b1))
		}
	}
}

// makeRoom repeats the paper's REPLACE until size fits; from is where the missed unit was.
func (p *arc) makeRoom(size int64, from segment) {
	for !p.fits(size) {
		held := float64(p.used[t1])
		if p.none(t2) || (!p.none(t1) && (held > p.p || (from == b2 && held == p.p))) {
			p.demote(p.oldest(t1), b1, 2*p.capacity)
		} else {
			p.demote(p.oldest(t2), b2, 2*p.capacity)
		}
	}
}

// bound forgets the ghosts that are too many: with equal sizes the one of b2 that case IV
// deletes in part B, where the paper does it before REPLACE.
func (p *arc) bound() {
	p.trim(b1, max(0, p.capacity-p.used[t1]))
	p.trim(b2, max(0, 2*p.capacity-p.used[t1]-p.used[t2]-p.used[b1]))
}
