package baseline

import "math"

func init() {
	Register(Info{
		Name: "gdsf",
		Doc:  "Greedy-Dual-Size-Frequency, cost 1: frequency by size, with aging (HP Labs 1998)",
		Kind: "exact",
		New:  newGDSF,
	})
}

// gdsf is Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency
// Caching Policy" (HPL-98-69R1, 1998), in the variant for hit ratio: the value of
// a unit is L + hits / size, where L is the value of the last victim.
//
// Differs from the paper: of equal values the one set first is evicted first.
type gdsf struct {
	directory
	radix
	hits []uint32 // by node: requests since admission
	age  float64  // L
}

func newGDSF(cfg Config) (Policy, error) {
	d, err := newDirectory(cfg, radixRings, 0)
	if err != nil {
		return nil, err
	}
	return &gdsf{directory: d, radix: newRadix(d.keys), hits: make([]uint32, d.keys)}, nil
}

func (p *gdsf) Get(id uint32) bool {
	n := p.at[id]
	if n == 0 {
		return false
	}
	if p.hits[n] != math.MaxUint32 {
		p.hits[n]++
	}
	p.unlink(n)
	p.value(n)
	return true
}

// value enters a node under its value. Floats that are not negative sort as their bits do.
func (p *gdsf) value(n uint32) {
	h := p.age + float64(p.hits[n])/float64(p.size(n))
	p.push(n, math.Float64bits(h))
}

func (p *gdsf) Put(id uint32, size int64) {
	n := p.at[id]
	switch {
	case p.tooLarge(size):
		if n != 0 {
			p.evict(n)
		}
	case n != 0:
		if p.resize(n, size) != 0 {
			p.unlink(n)
			p.value(n)
		}
		p.makeRoom(0)
	default:
		p.makeRoom(size)
		n = p.enlist(id)
		p.admit(n, size)
		p.hits[n] = 1
		p.value(n)
	}
}

func (p *gdsf) makeRoom(size int64) {
	for !p.fits(size) {
		n := p.least()
		p.age = math.Float64frombits(p.last)
		p.evict(n)
	}
}

func (p *gdsf) evict(n uint32) {
	p.release(n)
	p.unlink(n)
	p.forget(n)
}
