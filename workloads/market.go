package workloads

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// market is the world of the tickets workload: its feeds, the sessions under way and the clock.
type market struct {
	config               *ticketsConfig
	random               *rand.Rand
	public, users, flash []shelf
	popular              [placeKinds]popularity
	filters              popularity
	sorts                []float64   // cumulative
	variants             [][2]string // by filter·sorts + sort: with and without a filter's list
	cursors              []string    // text by the rows that are left from the cursor on
	loadMedian           float64     // of the shape
	regimes              []regime
	regime               *regime
	agenda               agenda
	now                  time.Duration // of the latest event; below 0 in the warm-up
	arrives              time.Duration // when the next arrival is due
	emitted              int
	stopped              bool
	emit                 func(Request, visit) bool
}

// visit tells tests whose request one is.
type visit struct {
	visitor visitor
	place   int
	more    bool // the list has a page after this
	follow  bool // the session starts to see its own write
}

// session is one visitor's way through one list.
type session struct {
	shelf   *shelf
	left    int32 // keyset: rows from the next page's first on, as the cursor tells
	page    int32 // the next page, 1 = first
	filter  int16
	sort    int8
	limit   int16
	visitor visitor
	place   int8
	total   bool
	deep    bool // crawlers: walks far
	follow  bool
}

func newMarket(c *ticketsConfig) *market {
	m := &market{config: c, random: rand.New(rand.NewPCG(c.seed, 0)), now: -c.warmup, loadMedian: c.load.at(0.5)}
	m.popular = [placeKinds]popularity{newPopularity(c.lists, c.alpha), newPopularity(c.users, c.userAlpha), newPopularity(c.flashLists, c.alpha)}
	m.filters = newPopularity(c.filters, c.filterAlpha)
	m.public = newPublicShelves(c, m.popular[publicLists], "events", m.random)
	m.users = newUserShelves(c, m.random)
	if c.flashLists > 0 {
		m.flash = newPublicShelves(c, m.popular[flashLists], "new-events", m.random)
	}
	m.nameVariants()
	m.regimes = c.regimes(m.countPages())
	return m
}

// nameVariants spells every filter and sort in canonical order of parameters.
func (m *market) nameVariants() {
	sum := 0.0
	for _, share := range m.config.sorts {
		sum += share
		m.sorts = append(m.sorts, sum)
	}
	for filter := range m.config.filters {
		for sort := range m.config.sorts {
			text := "sort=" + sortName(sort)
			filtered := text
			if filter > 0 {
				filtered += fmt.Sprintf("&state=%d", filter)
			}
			m.variants = append(m.variants, [2]string{text, filtered})
		}
	}
}

func sortName(i int) string {
	names := [...]string{"-created", "date", "price"}
	if i < len(names) {
		return names[i]
	}
	return strconv.Itoa(i)
}

// run emits n requests in order of time, or fewer if emit returns false.
func (m *market) run(emit func(Request, visit) bool) {
	m.emit = emit
	m.regime = &m.regimes[0]
	m.schedule()
	for m.emitted < m.config.n && !m.stopped {
		for m.emitted >= m.regime.until && len(m.regimes) > 1 {
			m.regimes = m.regimes[1:]
			m.regime = &m.regimes[0]
		}
		if at, ok := m.agenda.next(); ok && at <= m.arrives {
			due := m.agenda.take()
			m.now = due.at
			m.view(due.session)
			continue
		}
		m.now = m.arrives
		if m.accept() {
			m.arrive(m.regime.pick(m.random.Float64()))
		}
		m.schedule()
	}
}

// schedule draws the next arrival at the highest rate of the day; accept thins it (Lewis and
// Shedler 1979).
func (m *market) schedule() {
	peak := m.config.rate * (1 + m.config.cycle) * m.regime.total()
	m.arrives = m.now + seconds(-exactLog(1-m.random.Float64())/peak)
}

func (m *market) accept() bool {
	swing := float64(m.config.cycle * exactSin(m.now.Seconds()/m.config.day))
	return float64(m.random.Float64()*(1+m.config.cycle)) < 1+swing
}

func (m *market) arrive(a arrival) {
	switch {
	case a.storm:
		m.write(&m.public[m.ranked(int(m.random.Float64()*float64(m.config.stormLists)))])
	case a.write:
		m.writeSomewhere()
	default:
		m.view(m.start(a))
	}
}

// ranked returns the number of the public list that has a popularity rank now.
func (m *market) ranked(rank int) int { return (rank + m.regime.shift) % len(m.public) }

// pick draws a list of a place by popularity.
func (m *market) pick(place int) *shelf {
	rank := m.popular[place].rank(m.random.Float64())
	switch place {
	case publicLists:
		return &m.public[m.ranked(rank)]
	case userLists:
		return &m.users[rank]
	}
	return &m.flash[rank]
}

// start draws what lasts through a session.
func (m *market) start(a arrival) session {
	return m.startOn(m.pick(a.place), a)
}

func (m *market) startOn(s *shelf, a arrival) session {
	c, begun := m.config, session{shelf: s, page: 1, visitor: a.visitor, place: int8(a.place), limit: int16(m.config.limits[1])}
	if s.filters > 1 {
		begun.filter = int16(m.filters.rank(m.random.Float64()))
	}
	u := float64(m.random.Float64() * m.sorts[len(m.sorts)-1])
	for int(begun.sort) < len(m.sorts)-1 && u >= m.sorts[begun.sort] {
		begun.sort++
	}
	if m.random.Float64() < c.limitShare {
		begun.limit = int16(c.limits[0])
	}
	begun.total = m.random.Float64() < c.totals
	begun.deep = a.visitor == crawler && m.random.Float64() < m.regime.habits.deep
	return begun
}

// view emits a session's next page and makes the appointment for the one after it.
func (m *market) view(s session) {
	rows, limit := s.shelf.filtered(int(s.filter)), int(s.limit)
	first := int(s.page-1) * limit
	if s.shelf.keyset && s.page > 1 {
		first = max(0, rows-int(s.left))
	}
	if first >= rows {
		return // deletes took the page away
	}
	page := Request{
		Time: m.now, List: s.shelf.list, Scope: s.shelf.scope, Variant: m.variant(s),
		Limit: uint32(limit), Page: uint32(s.page), Rows: uint32(min(limit, rows-first)), Total: s.total && s.page == 1,
	}
	skipped := first
	if s.shelf.keyset {
		skipped = 0
		if s.page > 1 {
			page.Cursor = m.cursor(int(s.left))
		}
	}
	page.Offset = uint32(skipped)
	variant := int(s.filter)*len(m.sorts) + int(s.sort)
	page.Size = s.shelf.size(variant, first, int(page.Rows))
	page.Load = m.loadTime(&page)
	end := first + int(page.Rows)
	m.send(page, visit{s.visitor, int(s.place), end < rows, s.follow})
	m.goOn(s, rows-end)
}

// goOn draws whether and when a session views another page; left rows are after the last one.
func (m *market) goOn(s session, left int) {
	if left == 0 && s.visitor != poller {
		return
	}
	if m.random.Float64() >= m.regime.habits.next(s.visitor, s.deep, int(s.page)) {
		return
	}
	if s.visitor != poller {
		s.page++
	}
	s.left, s.follow = int32(left), false
	m.agenda.put(m.now+m.pause(s.visitor), s)
}

func (m *market) pause(kind visitor) time.Duration {
	c := m.config
	switch kind {
	case poller:
		return c.pollGap
	case crawler:
		return seconds(c.crawlGap.at(m.random.Float64()))
	case scroller:
		return seconds(c.scrollGap.at(m.random.Float64()))
	}
	return seconds(c.gap.at(m.random.Float64()))
}

func (m *market) variant(s session) string {
	pair := &m.variants[int(s.filter)*len(m.sorts)+int(s.sort)]
	if s.shelf.filters > 1 {
		return pair[1]
	}
	return pair[0]
}

// cursor names the row from which left rows are left: inserts at the head do not move it.
func (m *market) cursor(left int) string {
	for len(m.cursors) <= left {
		m.cursors = append(m.cursors, "")
	}
	if m.cursors[left] == "" {
		m.cursors[left] = "c" + strconv.Itoa(left)
	}
	return m.cursors[left]
}

// loadBase brings the median over the default stream to load_ms; the factors below shift it.
const loadBase = 0.893

// loadTime draws what the origin takes: the measured shape, more for more rows, for rows skipped
// by offset (a keyset skips none) and for a total.
func (m *market) loadTime(r *Request) time.Duration {
	c := m.config
	full := float64(r.Rows) / float64(c.limits[0])
	cost := 1 - c.loadRows + float64(c.loadRows*full) + float64(c.loadOffset*float64(r.Offset)/1000)
	if r.Total {
		cost += c.loadSum
	}
	shape := c.load.at(m.random.Float64()) / m.loadMedian
	return time.Duration(min(float64(loadBase*c.loadMS*cost)*shape*1e6, mostSeconds*1e9))
}

// writeSomewhere does one ordinary write: an event, or one row of a public or a user's list.
func (m *market) writeSomewhere() {
	c := m.config
	switch {
	case m.random.Float64() < c.events:
		m.write(m.pick(publicLists))
		m.invalidateUsers()
	case m.random.Float64() < c.writePublic:
		m.write(m.pick(publicLists))
	default:
		own := m.pick(userLists)
		m.write(own)
		if m.random.Float64() < c.follow {
			s := m.startOn(own, arrival{visitor: walker, place: userLists})
			s.follow = true
			m.agenda.put(m.now+seconds(float64((1-m.random.Float64())*c.followS)), s)
		}
	}
}

// write changes one row. A delete that would empty the list is an update.
func (m *market) write(s *shelf) {
	r := Request{Time: m.now, Op: Update, List: s.list, Scope: s.scope}
	u, v := m.random.Float64(), m.random.Float64()
	switch {
	case u < m.config.inserts:
		r.Op = Insert
		s.rows++
	case u >= m.config.inserts+m.config.updates && s.rows > 1:
		r.Op = Delete
	}
	if r.Op != Insert {
		r.Position = uint32(float64(float64(s.rows) * float64(v*v)))
	}
	if r.Op == Delete {
		s.rows--
	}
	s.version++
	m.send(r, visit{})
}

// invalidateUsers tells the feeds, all different, of which an event changed a row.
func (m *market) invalidateUsers() {
	hit := make(map[int]bool, m.config.eventUsers)
	for len(hit) < m.config.eventUsers {
		user := int(m.random.Float64() * float64(len(m.users)))
		if hit[user] {
			continue
		}
		hit[user] = true
		s := &m.users[user]
		s.version++
		m.send(Request{Time: m.now, Op: Invalidate, List: s.list, Scope: s.scope}, visit{})
	}
}

// send emits a request unless the warm-up runs or the trace is complete.
func (m *market) send(r Request, v visit) {
	if m.now < 0 || m.stopped || m.emitted >= m.config.n {
		return
	}
	m.emitted++
	m.stopped = !m.emit(r, v)
}
