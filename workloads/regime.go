package workloads

import "slices"

// The places a session can be at.
const (
	publicLists = iota
	userLists
	flashLists
	placeKinds
)

// arrival is what a drawn arrival turns out to be: a session by its kind and place, or a write.
type arrival struct {
	visitor visitor
	place   int
	write   bool
	storm   bool
}

// regime is a stretch of the trace within which all rates stay.
type regime struct {
	until      int // requests; where the next regime begins
	habits     habits
	shift      int // public list of popularity rank r is number (r + shift) mod lists
	arrivals   []arrival
	cumulative []float64 // of the arrivals a read
}

// pageCounts tells for each place which share of its lists has how many pages.
type pageCounts [placeKinds][]float64

// mostPages is where counting stops: no session is expected to see more.
const mostPages = 1000

// regimes cuts the trace where an episode or a phase begins or ends.
func (c *ticketsConfig) regimes(counts *pageCounts) []regime {
	cuts := []float64{1}
	for phase := range c.phases {
		cuts = append(cuts, float64(phase)/float64(c.phases))
	}
	if c.flashShare > 0 {
		cuts = append(cuts, c.flash.from, c.flash.to)
	}
	if c.stormWrites > 0 {
		cuts = append(cuts, c.storm.from, c.storm.to)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var all []regime
	for i := 1; i < len(cuts); i++ {
		r := c.regimeAt((cuts[i-1]+cuts[i])/2, counts)
		r.until = int(cuts[i] * float64(c.n))
		all = append(all, r)
	}
	return all
}

// phaseShares and phaseP21 are the behaviours that phases go through, the configured one first.
var (
	phaseShares = [][visitorKinds]float64{1: {0.65, 0.20, 0.05, 0.05, 0.05}, 2: {0.55, 0.05, 0.30, 0.05, 0.05}, 3: {0.45, 0.05, 0.05, 0.25, 0.20}}
	phaseP21    = []float64{1: 0.60, 2: 0.05, 3: 0.20}
)

// regimeAt returns the rates in force at a part, 0..1, of the trace.
func (c *ticketsConfig) regimeAt(part float64, counts *pageCounts) regime {
	r, shares := regime{habits: c.habits}, c.shares
	phase := int(part * float64(c.phases))
	if behaviour := phase % len(phaseShares); behaviour > 0 {
		shares = phaseShares[behaviour]
		r.habits.b = bFor(r.habits.a, phaseP21[behaviour])
	}
	r.shift = phase * c.lists / c.phases
	flash := 0.0
	if c.flash.covers(part) {
		flash = c.flashShare
	}
	c.addSessions(&r, shares, flash, counts)
	r.add(arrival{write: true}, c.writes)
	if c.stormWrites > 0 && c.storm.covers(part) {
		r.add(arrival{write: true, storm: true}, max(0, c.stormWrites-c.writes))
	}
	return r
}

// addSessions adds starts such that each kind of visitor and each place gets its share of reads.
// Crawlers read public lists only; the other kinds share what they leave there.
func (c *ticketsConfig) addSessions(r *regime, shares [visitorKinds]float64, flash float64, counts *pageCounts) {
	places := [placeKinds]float64{publicLists: float64(c.public * (1 - flash)), userLists: float64((1 - c.public) * (1 - flash)), flashLists: flash}
	open := places[publicLists] + places[flashLists]
	crawled := shares[crawler]
	for kind := range visitorKinds {
		for place, share := range places {
			reads := 0.0
			switch {
			case kind == crawler && place != userLists && open > 0:
				reads = crawled * share / open
			case kind != crawler && place == userLists && crawled < 1:
				reads = shares[kind] / (1 - crawled) * share
			case kind != crawler && open > 0 && crawled < 1:
				reads = shares[kind] / (1 - crawled) * (open - crawled) * share / open
			}
			if reads <= 0 {
				continue
			}
			starts := reads / r.habits.meanViews(kind, counts[place])
			if kind == walker && place == userLists {
				starts = max(0, starts-c.followUps())
			}
			r.add(arrival{visitor: kind, place: place}, starts)
		}
	}
}

// followUps returns the sessions a read that users start to see their own write.
func (c *ticketsConfig) followUps() float64 {
	return float64(c.writes * (1 - c.events) * (1 - c.writePublic) * c.follow)
}

// add adds arrivals that come at rate a read.
func (r *regime) add(a arrival, rate float64) {
	if rate > 0 {
		r.arrivals = append(r.arrivals, a)
		r.cumulative = append(r.cumulative, r.total()+rate)
	}
}

// total returns all arrivals a read.
func (r *regime) total() float64 {
	if len(r.cumulative) == 0 {
		return 0
	}
	return r.cumulative[len(r.cumulative)-1]
}

// pick returns the arrival at u, 0..1.
func (r *regime) pick(u float64) arrival {
	u = float64(u * r.total())
	for i, bound := range r.cumulative {
		if u < bound {
			return r.arrivals[i]
		}
	}
	return r.arrivals[len(r.arrivals)-1]
}

// countPages finds the page counts of all places, weighted as sessions choose list, filter and limit.
func (m *market) countPages() *pageCounts {
	counts := &pageCounts{}
	for place, shelves := range [placeKinds][]shelf{m.public, m.users, m.flash} {
		counts[place] = make([]float64, mostPages+1)
		for i := range shelves {
			m.countShelf(&shelves[i], m.popular[place].share(i), counts[place])
		}
	}
	return counts
}

func (m *market) countShelf(s *shelf, share float64, counts []float64) {
	for filter := range s.filters {
		weight := share
		if s.filters > 1 {
			weight *= m.filters.share(filter)
		}
		for i, limit := range m.config.limits {
			pages := (s.filtered(filter) + limit - 1) / limit
			counts[min(pages, mostPages)] += float64(weight * m.config.limitWeight(i))
		}
	}
}

func (c *ticketsConfig) limitWeight(i int) float64 {
	if i == 0 {
		return c.limitShare
	}
	return 1 - c.limitShare
}
