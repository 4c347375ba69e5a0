package baseline

import "errors"

func init() {
	Register(Info{
		Name: "2q",
		Doc:  "2Q, full version: a FIFO for newcomers, ghosts, an LRU (VLDB 1994)",
		Kind: "exact",
		Params: []Param{
			{Name: "kin", Default: "0.25", Doc: "share of the capacity above which newcomers are evicted first"},
			{Name: "kout", Default: "0.5", Doc: "ghosts, as a share of the capacity"},
		},
		New: newTwoQ,
	})
}

// twoQ is Johnson and Shasha, "2Q: A Low Overhead High Performance Buffer Management
// Replacement Algorithm" (VLDB 1994), the algorithm "2Q, full version". The segments bear the
// paper's names.
//
// Differs from the paper: a unit found in A1out leaves it before room is made, so that it
// does not push another ghost out; and A1in is evicted from when Am is empty.
type twoQ struct {
	queues
	kin, kout int64
}

const (
	a1in segment = iota + 1
	am
	a1out
)

func newTwoQ(cfg Config) (Policy, error) {
	kin, kinErr := cfg.share("kin")
	kout, koutErr := cfg.share("kout")
	q, err := newQueues(cfg, 3, kout)
	if err := errors.Join(err, kinErr, koutErr); err != nil {
		return nil, err
	}
	return &twoQ{q, kin, kout}, nil
}

func (p *twoQ) Get(id uint32) bool {
	n := p.at[id]
	if p.in[n] == am {
		p.renew(n)
	}
	return p.in[n] == am || p.in[n] == a1in
}

func (p *twoQ) Put(id uint32, size int64) {
	was, to := p.where(id), a1in
	need := p.offer(id, size, was == a1in || was == am)
	if need > 0 && was == a1out {
		p.lose(p.at[id])
		to = am
	}
	for !p.fits(need) {
		p.reclaim()
	}
	if need > 0 {
		p.store(to, id, size)
	}
}

// reclaim evicts one unit: the paper's reclaimfor.
func (p *twoQ) reclaim() {
	if p.used[a1in] > p.kin || p.none(am) {
		p.demote(p.oldest(a1in), a1out, p.kout)
		return
	}
	p.evict(p.oldest(am))
}
