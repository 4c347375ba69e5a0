package compare

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/foliocache/folio/sim"
)

const (
	resamples = 10000
	rare      = 10 // draws on the other side of zero, fewer of which say too little about how probable that is
	chance    = 1  // seed of the resampling: a comparison says the same every time
)

// mostSeeds is the largest number that is recommended.
const mostSeeds = 100

// delta is how the hits of two sides differ.
type delta struct {
	hits     []float64 // of each block of time, head less base, means over the seeds
	requests []float64 // of each block
	seeds    float64   // standard error of the mean over the seeds, as a share of the requests
	freedom  float64   // degrees of it; 0: one seed only, of which nobody knows
}

// difference compares the rows of all seeds of two sides, which are of the same requests.
func difference(from, to []sim.Row) delta {
	blocks := from[0].Parts.Requests
	d := delta{hits: make([]float64, len(blocks)), requests: make([]float64, len(blocks))}
	all := 0.
	for b, n := range blocks {
		d.requests[b] = float64(n)
		all += float64(n)
		d.hits[b] = meanHits(to, b) - meanHits(from, b)
	}
	if all > 0 {
		d.seeds, d.freedom = bySeed(from, to, all)
	}
	return d
}

func meanHits(rows []sim.Row, block int) float64 {
	sum := 0.
	for i := range rows {
		sum += float64(rows[i].Parts.Hits[block])
	}
	return sum / float64(len(rows))
}

// bySeed returns by how much the difference would differ with other seeds: its standard error and that one's degrees of
// freedom. Rows of the same seeds are compared with each other, others all with all (Welch, Biometrika 1947).
func bySeed(from, to []sim.Row, requests float64) (deviation, freedom float64) {
	k, paired := len(from), len(from) == len(to)
	for i := range from {
		paired = paired && from[i].Seed == to[i].Seed
	}
	hits := func(rows []sim.Row) []float64 {
		all := make([]float64, len(rows))
		for i := range rows {
			all[i] = float64(rows[i].Hits) / requests
		}
		return all
	}
	a, b := hits(from), hits(to)
	switch {
	case min(k, len(to)) < 2:
		return 0, 0
	case paired:
		for i := range b {
			b[i] -= a[i]
		}
		return math.Sqrt(stat.Variance(b, nil) / float64(k)), float64(k - 1)
	}
	va, vb := stat.Variance(a, nil)/float64(k), stat.Variance(b, nil)/float64(len(b))
	if va+vb == 0 {
		return 0, float64(k + len(b) - 2)
	}
	return math.Sqrt(va + vb), (va + vb) * (va + vb) / (va*va/float64(k-1) + vb*vb/float64(len(b)-1))
}

// outlook returns between what the difference in points would lie on other traffic, all but alpha of the time, and how
// probable one as large, either way, were if there is none.
func (d delta) outlook(alpha float64) (between [2]float64, p float64) {
	random := rand.New(rand.NewPCG(chance, 0))
	t := distuv.StudentsT{Sigma: 1, Nu: d.freedom, Src: random}
	draws, low, high := make([]float64, resamples), 0, 0
	for i := range draws {
		hits, requests := 0., 0.
		for range d.hits {
			b := random.IntN(len(d.hits))
			hits += d.hits[b]
			requests += d.requests[b]
		}
		x := 100 * hits / max(1, requests)
		if d.seeds > 0 {
			x += 100 * d.seeds * t.Rand()
		}
		if draws[i] = x; x <= 0 {
			low++
		}
		if x >= 0 {
			high++
		}
	}
	slices.Sort(draws)
	between = [2]float64{stat.Quantile(alpha/2, stat.Empirical, draws, nil), stat.Quantile(1-alpha/2, stat.Empirical, draws, nil)}
	p = min(1, 2*float64(1+min(low, high))/(resamples+1))
	if min(low, high) < rare {
		p = min(p, d.tail())
	}
	return between, p
}

// tail returns the probability of a difference as large, either way, where hardly any draw shows it: of Student's t with
// both parts' variances, and degrees of freedom by Welch's rule.
func (d delta) tail() float64 {
	share, blocks := d.blocks()
	seeds := d.seeds * d.seeds
	if share == 0 || blocks+seeds == 0 {
		return 0
	}
	parts := blocks * blocks / float64(max(1, len(d.hits)-1))
	if d.freedom > 0 {
		parts += seeds * seeds / d.freedom
	}
	t := distuv.StudentsT{Sigma: 1, Nu: (blocks + seeds) * (blocks + seeds) / parts}
	return 2 * t.CDF(-math.Abs(share)/math.Sqrt(blocks+seeds))
}

// blocks returns the difference as a share of the requests, and the variance that it has because blocks differ.
func (d delta) blocks() (share, variance float64) {
	requests := floats.Sum(d.requests)
	share = floats.Sum(d.hits) / max(1, requests)
	for b := range d.hits {
		off := (d.hits[b] - share*d.requests[b]) / max(1, requests)
		variance += off * off
	}
	return share, variance
}

// wanted returns how many seeds of each side, instead of so many, would tell a difference as large: more than
// those, and 0 if no number up to mostSeeds would. They do four times in five if it is so large, and three in four as far as
// so many seeds can know. The seeds' part falls with their number, that of the blocks stays.
func (d delta) wanted(seeds int, alpha float64) int {
	if d.seeds == 0 {
		return 0
	}
	share, blocks := d.blocks()
	for k := seeds + 1; k <= mostSeeds; k++ {
		more := float64(k-1) / float64(seeds-1)
		t := distuv.StudentsT{Sigma: 1, Nu: d.freedom * more}
		deviation := math.Sqrt(blocks + d.seeds*d.seeds*float64(seeds)/float64(k))
		if math.Abs(share) >= deviation*(t.Quantile(1-alpha/2)+distuv.UnitNormal.Quantile(.8)) {
			return k
		}
	}
	return 0
}

// judge makes each row's probability one of all rows together (Holm, Scandinavian Journal of Statistics 1979), and says
// what may be said.
func (r *Result) judge() {
	order := make([]int, 0, len(r.Rows))
	for i := range r.Rows {
		if r.Rows[i].Verdict != Same {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.Rows[a].P, r.Rows[b].P) })
	most := 0.
	for k, i := range order {
		row := &r.Rows[i]
		most = max(most, min(1, row.P*float64(len(order)-k)))
		row.P = most
		switch {
		case row.P > r.Alpha:
		case row.Points > 0:
			row.Verdict = Better
		case row.Points < 0:
			row.Verdict = Worse
		}
	}
	for i := range r.Rows {
		if row := &r.Rows[i]; row.To.StaleServed > 0 && row.From.StaleServed == 0 {
			row.Verdict = Worse
		}
	}
	r.Verdict = Same
	for _, v := range []Verdict{Better, Undecided, Worse} {
		if slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Verdict == v }) || v == Undecided && len(r.Missing) > 0 {
			r.Verdict = v
		}
	}
}
