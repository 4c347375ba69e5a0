package workloads

import "sort"

// popularity is a Zipf distribution over ranks 0..m-1: weight (rank+1)^-alpha.
type popularity struct{ cumulative []float64 }

func newPopularity(m int, alpha float64) popularity {
	p := popularity{make([]float64, m)}
	sum := 0.0
	for i := range p.cumulative {
		sum += exactExp(-float64(alpha * exactLog(float64(i+1))))
		p.cumulative[i] = sum
	}
	return p
}

// rank returns the rank at u, 0..1. O(log m).
func (p popularity) rank(u float64) int {
	last := len(p.cumulative) - 1
	return min(sort.SearchFloat64s(p.cumulative, float64(u*p.cumulative[last])), last)
}

// share returns the probability of a rank.
func (p popularity) share(rank int) float64 {
	weight := p.cumulative[rank]
	if rank > 0 {
		weight -= p.cumulative[rank-1]
	}
	return weight / p.cumulative[len(p.cumulative)-1]
}
