package baseline

func init() {
	Register(Info{
		Name: "none",
		Doc:  "stores nothing: every request is a miss",
		Kind: "exact",
		New: func(cfg Config) (Policy, error) {
			_, err := newLedger(cfg)
			return none{}, err
		},
	})
}

// none is the line without a cache.
type none struct{}

func (none) Get(uint32) bool   { return false }
func (none) Put(uint32, int64) {}
func (none) Usage() Usage      { return Usage{} }
