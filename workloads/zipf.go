package workloads

import (
	"iter"
	"math"
	"math/rand/v2"
	"sort"
)

func init() {
	registerKind(Kind{
		Name:   "zipf",
		Doc:    "key trace: id = Zipf(m, alpha)",
		Params: goldenParams(),
		New: golden(func(g *goldenKeys, yield func(uint64) bool) {
			draw := g.zipf()
			for range g.n {
				if !yield(draw()) {
					return
				}
			}
		}),
	})
}

// goldenKeys are the parameters and the random numbers of the generators zipf, loop, mix and
// pages, whose ids are those of generate.go.txt beside the golden miss counts, byte for byte.
type goldenKeys struct {
	n, m   int
	alpha  float64
	random *rand.Rand
}

func goldenParams() []Param {
	return []Param{
		{Name: "n", Default: "200000", Doc: "requests"},
		{Name: "m", Default: "20000", Doc: "distinct ids (loop: its length; pages: lists)"},
		{Name: "alpha", Default: "0.9", Doc: "Zipf exponent"},
		{Name: "seed", Default: "1", Doc: "of the random numbers, PCG(seed, 0)"},
	}
}

// golden makes a Kind's New out of a loop that yields ids until it is told to stop.
func golden(loop func(g *goldenKeys, yield func(uint64) bool)) func(Values) (iter.Seq2[Request, error], int64, error) {
	return func(v Values) (iter.Seq2[Request, error], int64, error) {
		n, m := v.Int("n", 1, math.MaxInt), v.Int("m", 1, 1<<30)
		alpha, seed := v.Float("alpha", 0, 100), v.Uint64("seed")
		if err := v.Err(); err != nil {
			return nil, 0, err
		}
		requests := func(yield func(Request, error) bool) {
			g := &goldenKeys{n: n, m: m, alpha: alpha, random: rand.New(rand.NewPCG(seed, 0))}
			loop(g, func(id uint64) bool { return yield(Request{ID: id}, nil) })
		}
		return requests, int64(n), nil
	}
}

// zipf returns a sampler of 1..m by the inverse of the cumulative distribution. It costs
// 8·m bytes and O(log m) a draw. math.Pow makes the last bit of a weight depend on GOARCH, so a
// draw that falls on that very bit would give another id there.
func (g *goldenKeys) zipf() func() uint64 {
	cumulative, sum := make([]float64, g.m), 0.0
	for i := range cumulative {
		sum += math.Pow(float64(i+1), -g.alpha)
		cumulative[i] = sum
	}
	return func() uint64 {
		k := sort.SearchFloat64s(cumulative, g.random.Float64()*sum)
		return uint64(min(k, g.m-1)) + 1
	}
}
