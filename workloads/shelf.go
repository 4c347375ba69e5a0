package workloads

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// shelf is one feed of the tickets workload: a list that really has rows.
type shelf struct {
	list, scope string
	rows        int     // changed by inserts and deletes, never below 1
	version     uint64  // writes and invalidations so far
	rowBytes    float64 // mean bytes of a row's JSON
	keyset      bool    // paged by cursor
	filters     int     // filter combinations; the k-th leaves 1/k of the rows
	mark        uint64  // tells the feed in the hash of its sizes
}

// filtered returns the rows that filter (0-based) leaves.
func (s *shelf) filtered(filter int) int { return max(1, s.rows/(filter+1)) }

// size returns the bytes of a page: rows times the list's bytes a row, ± 10 % by a hash of feed,
// variant, first row and version. Equal content has equal size.
func (s *shelf) size(variant, first, rows int) uint32 {
	h := mix64(s.mark ^ mix64(uint64(variant)<<48^uint64(first)<<16^s.version<<1))
	wobble := 0.9 + float64(0.2*(float64(h>>11)/(1<<53)))
	return uint32(min(max(2, float64(float64(rows)*s.rowBytes)*wobble), math.MaxUint32))
}

// mix64 is the finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// newPublicShelves makes the public lists, most popular first. Rows: at least c.listRows, Pareto
// with exponent 2 above. prefix sets the flash crowd's lists apart.
func newPublicShelves(c *ticketsConfig, popular popularity, prefix string, random *rand.Rand) []shelf {
	shelves := make([]shelf, len(popular.cumulative))
	fat := evenly(popular)
	for i := range shelves {
		rows := float64(c.listRows) / math.Sqrt(1-random.Float64())
		shelves[i] = shelf{
			list: fmt.Sprintf("%s-%03d", prefix, i), scope: publicScope,
			rows:     int(min(rows, float64(50*c.listRows))),
			rowBytes: c.size.at(fat[i]) / float64(c.limits[0]),
			keyset:   c.isKeyset(i), filters: c.filters, mark: mix64(uint64(i)) ^ uint64(len(prefix)),
		}
	}
	return shelves
}

// newUserShelves makes one list a user: rows lognormal.
func newUserShelves(c *ticketsConfig, random *rand.Rand) []shelf {
	shelves := make([]shelf, c.users)
	for i := range shelves {
		z := normal(random)
		rows := float64(c.userRows * exactExp(float64(c.userSigma*z)))
		shelves[i] = shelf{
			list: "tickets", scope: fmt.Sprintf("user:%d", i),
			rows:     int(max(1, min(rows+0.5, 1e6))),
			rowBytes: c.size.at(random.Float64()) / float64(c.limits[0]),
			keyset:   c.isKeyset(i), filters: 1, mark: mix64(uint64(i) | 1<<40),
		}
	}
	return shelves
}

// isKeyset picks the share c.cursors of all lists by their index: every tenth, by default.
func (c *ticketsConfig) isKeyset(i int) bool {
	return math.Floor(float64(float64(i+1)*c.cursors)+0.5) > math.Floor(float64(float64(i)*c.cursors)+0.5)
}

// evenly gives each rank a probability such that, weighted by popularity, they are spread evenly
// over 0..1: what is drawn through them has its distribution over requests, not over lists.
func evenly(p popularity) []float64 {
	order := make([]int, len(p.cumulative))
	for i := range order {
		order[i] = i
	}
	const golden = 0.6180339887498949
	place := func(i int) float64 { return math.Mod(0.5+float64(float64(i)*golden), 1) }
	slices.SortFunc(order, func(a, b int) int {
		if place(a) < place(b) {
			return -1
		}
		return 1
	})
	spread, sum := make([]float64, len(order)), 0.0
	for _, rank := range order {
		share := p.share(rank)
		spread[rank] = sum + share/2
		sum += share
	}
	return spread
}

// normal draws from the standard normal distribution by the polar method (Marsaglia 1964).
func normal(random *rand.Rand) float64 {
	for {
		x, y := float64(2*random.Float64())-1, float64(2*random.Float64())-1
		if s := float64(x*x) + float64(y*y); s > 0 && s < 1 {
			return x * math.Sqrt(-2*exactLog(s)/s)
		}
	}
}
