package workloads

// The generator is called pages in specs; the file is not, since the format pages has that name.
func init() {
	registerKind(Kind{
		Name:   "pages",
		Doc:    "key trace of page walks: list = Zipf(m, alpha), next page with probability 0.6, id = list·1000 + page",
		Params: goldenParams(),
		New:    golden(walkPages),
	})
}

func walkPages(g *goldenKeys, yield func(uint64) bool) {
	draw := g.zipf()
	for left := g.n; left > 0; {
		list := draw()
		for page := uint64(1); page < 1000 && left > 0; page++ {
			if !yield(list*1000 + page) {
				return
			}
			left--
			if g.random.Float64() >= 0.6 {
				break
			}
		}
	}
}
