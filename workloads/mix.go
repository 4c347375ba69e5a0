package workloads

func init() {
	registerKind(Kind{
		Name:   "mix",
		Doc:    "key trace: 80 % Zipf(m, alpha), otherwise the next id of an endless scan",
		Params: goldenParams(),
		New: golden(func(g *goldenKeys, yield func(uint64) bool) {
			draw, scan := g.zipf(), uint64(1)<<32
			for range g.n {
				var id uint64
				if g.random.Float64() < 0.8 {
					id = draw()
				} else {
					scan++
					id = scan
				}
				if !yield(id) {
					return
				}
			}
		}),
	})
}
