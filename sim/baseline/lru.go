package baseline

func init() {
	Register(Info{
		Name: "lru",
		Doc:  "evicts the unit asked for longest ago",
		Kind: "exact",
		New: func(cfg Config) (Policy, error) {
			p, err := newFIFO(cfg)
			if err != nil {
				return nil, err
			}
			return &lru{*p}, nil
		},
	})
}

// lru is a FIFO queue in which a hit makes its unit the newest again.
type lru struct{ fifo }

func (p *lru) Get(id uint32) bool {
	n := p.at[id]
	if n == 0 {
		return false
	}
	p.unlink(n)
	p.pushBack(uint32(only), n)
	return true
}
