package workloads

func init() {
	registerKind(Kind{
		Name:   "loop",
		Doc:    "key trace: id = i mod m, the worst case of recency",
		Params: goldenParams(),
		New: golden(func(g *goldenKeys, yield func(uint64) bool) {
			for i := range g.n {
				if !yield(uint64(i%g.m) + 1) {
					return
				}
			}
		}),
	})
}
