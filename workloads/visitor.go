package workloads

// visitor is a kind of client of the tickets workload.
type visitor uint8

const (
	walker    visitor = iota // a human who goes on with a rising chance (beta-geometric)
	catalogue                // a shopper: short, measured hazards
	crawler                  // a bot on public lists: probes, or walks far
	poller                   // an open tab that asks for page 1 again and again
	scroller                 // infinite scroll: quick steps
	visitorKinds
)

// habits are how visitors go on from page to page.
type habits struct {
	a, b       float64   // walkers: P(next | page n) = (b+n-1)/(a+b+n-1)
	catalogue  []float64 // P(next | page n); a session ends after the last
	probe      []float64 // crawlers: P(next) on pages 1, 2, 3, 4–10, beyond
	deep       float64   // share of crawler sessions that walk far
	deepNext   float64   // their P(next)
	crawlPages int       // no crawler goes beyond this page
	polls      float64   // mean page views of a poller's session
	scrollNext float64
}

// next returns the chance that a visitor goes on from page n (pollers: asks again).
func (h *habits) next(kind visitor, deep bool, n int) float64 {
	switch kind {
	case walker:
		return (h.b + float64(n-1)) / (h.a + h.b + float64(n-1))
	case catalogue:
		if n > len(h.catalogue) {
			return 0
		}
		return h.catalogue[n-1]
	case crawler:
		return h.crawl(deep, n)
	case poller:
		return 1 - 1/h.polls
	}
	return h.scrollNext
}

func (h *habits) crawl(deep bool, n int) float64 {
	switch {
	case n >= h.crawlPages:
		return 0
	case deep:
		return h.deepNext
	case n <= 3:
		return h.probe[n-1]
	case n <= 10:
		return h.probe[3]
	}
	return h.probe[4]
}

// meanViews returns the expected page views of a session on lists of which the share pages[m] has
// m pages; the last element stands for all longer lists.
func (h *habits) meanViews(kind visitor, pages []float64) float64 {
	switch kind {
	case poller:
		return h.polls
	case crawler:
		return float64(h.deep*h.walkViews(crawler, true, pages)) + float64((1-h.deep)*h.walkViews(crawler, false, pages))
	}
	return h.walkViews(kind, false, pages)
}

func (h *habits) walkViews(kind visitor, deep bool, pages []float64) float64 {
	mean, views, alive := 0.0, 0.0, 1.0
	for m := 1; m < len(pages); m++ {
		views += alive
		alive = float64(alive * h.next(kind, deep, m))
		mean += float64(pages[m] * views)
	}
	return mean
}
