package baseline

func init() {
	Register(Info{
		Name: "unbounded",
		Doc:  "never evicts, whatever the capacity: only first requests miss",
		Kind: "exact",
		New:  newUnbounded,
	})
}

// unbounded is the line of compulsory misses. It alone exceeds Config.Capacity, and books
// units above 4 GiB as 4 GiB.
type unbounded struct {
	ledger
	resident []bool
}

func newUnbounded(cfg Config) (Policy, error) {
	l, err := newLedger(cfg)
	if err != nil {
		return nil, err
	}
	return &unbounded{l, make([]bool, cfg.IDs)}, nil
}

func (p *unbounded) Get(id uint32) bool { return p.resident[id] }

func (p *unbounded) Put(id uint32, size int64) {
	size = min(size, maxSize)
	if p.resident[id] {
		p.resize(id, size)
		return
	}
	p.resident[id] = true
	p.admit(id, size)
}
