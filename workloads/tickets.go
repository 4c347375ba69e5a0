package workloads

import (
	"fmt"
	"iter"
	"math"
	"strconv"
	"time"
)

// The tickets workload is the project's yardstick: visitors of several kinds walk through the
// pages of public and of users' lists, while writes change the rows. Nobody has logged such a
// site with its writes and cursors; the numbers are measured elsewhere, one by one.
//
// Time runs in two clocks merged: arrivals (a Poisson process whose rate follows the day: starts
// of sessions, and writes) and an agenda of the next views of all sessions under way. Shares are
// of requests: sessions start so much less often as they are longer, by their exact expected
// length on the lists at the start. A hidden warm-up fills the agenda before time 0.
//
// All parameters, with their defaults. "calibration" is traces-calibration.json beside the traces,
// "issue" the definition of the yardstick, "ours" a choice where nothing was measured.
//
//	parameter     default            meaning                                              source
//	n             2000000            requests: reads, writes and invalidations            issue
//	seed          1                  PCG(seed, 0); 1–8 tune, the rest judge               issue
//	rate          20                 reads a second, mean over a day                      issue
//	cycle         0.5                daily swing of the rate, a sine from mean upwards    issue
//	day           86400              seconds of that cycle                                issue
//	warmup        3600               hidden seconds before time 0                         ours
//	public        0.5                share of reads on public lists                       issue
//	lists         200                public lists                                         issue
//	alpha         0.9                their Zipf popularity                                issue
//	list_rows     2000               their least rows; Pareto (2) above, at most 50 ×     issue; ours
//	filters       12                 filter combinations; the k-th leaves 1/k of the rows issue; ours
//	filter_alpha  0.9                their Zipf popularity                                ours
//	users         20000              users, a list each                                   issue
//	user_alpha    0                  their Zipf popularity; 0 = all alike                 ours
//	user_rows     15                 median rows of theirs, lognormal                     issue
//	user_sigma    1.3                its sigma                                            issue
//	walkers       0.80               share of reads by humans, beta-geometric             issue
//	a, b          2.54, 1.22         P(next | n) = (b+n-1)/(a+b+n-1)                      calibration, Excite
//	catalogue     0.05               share of catalogue visitors                          issue
//	catalogue_next .604,.629,.524,.341  P(next | n); the cap is one page more             calibration, e-shop
//	crawlers      0.05               share of crawlers, on public lists only              issue
//	crawl_pages   40                 no crawler goes further                              issue
//	crawl_probe   .056,.157,.288,.37,.61  P(next) at page 1, 2, 3, 4–10, beyond           calibration, bots
//	crawl_deep    0.1                share of crawler sessions that walk instead          ours
//	crawl_next    0.97               P(next) of these                                     ours
//	pollers       0.05               share of pollers of page 1                           issue
//	poll_gap      30                 seconds between polls                                calibration
//	polls         30                 mean polls of a session                              ours
//	scrollers     0.05               share of infinite scroll                             issue
//	scroll_next   0.7                P(next) of these                                     ours
//	gap           10:6,25:18,50:40,75:104,90:287  seconds between pages, humans           calibration, Excite
//	scroll_gap    50:1,90:8          the same, infinite scroll                            calibration, imooc
//	crawl_gap     10:4,50:5,90:10    the same, crawlers                                   calibration
//	sorts         0.80,0.15,0.05     shares of the sort orders                            issue
//	limit, limit2 20, 50             rows a page; sizes are stated at limit               issue
//	limit_share   0.9                share of sessions with the first                     issue
//	cursors       0.1                share of lists paged by keyset                       issue
//	totals        0.5                share of sessions whose page 1 asks for the total    issue
//	writes        0.01               writes a read                                        issue
//	inserts, updates, deletes  0.5, 0.4, 0.1  their shares; updates and deletes hit row ⌊rows·u²⌋  issue; ours
//	write_public  0.5                share of single writes on public lists, by popularity ours
//	follow        0.3                share of users' writes that their page 1 follows     issue
//	follow_s      2                  within so many seconds                               issue
//	events        0.05               share of writes that touch many feeds                issue
//	event_users   20                 users' lists that each of them invalidates           issue
//	size          50:3587,90:10715   bytes of a full page of limit rows                   calibration, JSON
//	load          10:84,50:185,75:413,90:853,99:2175  shape of the load time              calibration, imooc
//	load_ms       50                 median of the load time                              issue
//	load_rows     0.4                share of it that grows with rows (1 at limit rows)   ours
//	load_offset   1                  more of it for 1000 rows skipped by offset           ours
//	load_total    0.3                more of it for a total                               ours
//	flash_lists, flash_share, flash_from, flash_to  0, 0, 0.4, 0.6   new lists that take this share of reads between these parts of the trace
//	storm_writes, storm_lists, storm_from, storm_to  0, 20, 0.4, 0.6 writes a read, the added ones on so many hottest lists
//	phases        1                  parts of the trace; each shifts popularity and behaviour
func init() {
	registerKind(Kind{
		Name:    "tickets",
		Doc:     "paginated lists with visitors and writes: the yardstick",
		Params:  ticketsParams,
		Presets: ticketsPresets,
		New:     newTickets,
	})
}

var ticketsParams = []Param{
	{Name: "n", Default: "2000000", Doc: "requests: reads, writes and invalidations"},
	{Name: "seed", Default: "1", Doc: "of the random numbers, PCG(seed, 0)"},
	{Name: "rate", Default: "20", Doc: "reads a second, mean over a day"},
	{Name: "cycle", Default: "0.5", Doc: "daily swing of the rate"},
	{Name: "day", Default: "86400", Doc: "seconds of the daily cycle"},
	{Name: "warmup", Default: "3600", Doc: "hidden seconds before time 0"},
	{Name: "public", Default: "0.5", Doc: "share of reads on public lists"},
	{Name: "lists", Default: "200", Doc: "public lists"},
	{Name: "alpha", Default: "0.9", Doc: "their Zipf popularity"},
	{Name: "list_rows", Default: "2000", Doc: "their least rows"},
	{Name: "filters", Default: "12", Doc: "filter combinations of public lists"},
	{Name: "filter_alpha", Default: "0.9", Doc: "their Zipf popularity"},
	{Name: "users", Default: "20000", Doc: "users, a list each"},
	{Name: "user_alpha", Default: "0", Doc: "their Zipf popularity; 0 = all alike"},
	{Name: "user_rows", Default: "15", Doc: "median rows of users' lists, lognormal"},
	{Name: "user_sigma", Default: "1.3", Doc: "its sigma"},
	{Name: "walkers", Default: "0.80", Doc: "share of reads by humans, beta-geometric"},
	{Name: "a", Default: "2.54", Doc: "P(next | page n) = (b+n-1)/(a+b+n-1)"},
	{Name: "b", Default: "1.22", Doc: "see a"},
	{Name: "catalogue", Default: "0.05", Doc: "share of reads by catalogue visitors"},
	{Name: "catalogue_next", Default: ".604,.629,.524,.341", Doc: "their P(next | page n)"},
	{Name: "crawlers", Default: "0.05", Doc: "share of reads by crawlers, public lists only"},
	{Name: "crawl_pages", Default: "40", Doc: "no crawler goes further"},
	{Name: "crawl_probe", Default: ".056,.157,.288,.37,.61", Doc: "P(next) at page 1, 2, 3, 4-10, beyond"},
	{Name: "crawl_deep", Default: "0.1", Doc: "share of crawler sessions that walk instead"},
	{Name: "crawl_next", Default: "0.97", Doc: "P(next) of these"},
	{Name: "pollers", Default: "0.05", Doc: "share of reads by pollers of page 1"},
	{Name: "poll_gap", Default: "30", Doc: "seconds between polls"},
	{Name: "polls", Default: "30", Doc: "mean polls of a session"},
	{Name: "scrollers", Default: "0.05", Doc: "share of reads by infinite scroll"},
	{Name: "scroll_next", Default: "0.7", Doc: "P(next) of these"},
	{Name: "gap", Default: "10:6,25:18,50:40,75:104,90:287", Doc: "seconds between pages, humans, percent:value"},
	{Name: "scroll_gap", Default: "50:1,90:8", Doc: "the same, infinite scroll"},
	{Name: "crawl_gap", Default: "10:4,50:5,90:10", Doc: "the same, crawlers"},
	{Name: "sorts", Default: "0.80,0.15,0.05", Doc: "shares of the sort orders"},
	{Name: "limit", Default: "20", Doc: "rows a page"},
	{Name: "limit2", Default: "50", Doc: "rows a page, the rest of the sessions"},
	{Name: "limit_share", Default: "0.9", Doc: "share of sessions with limit"},
	{Name: "cursors", Default: "0.1", Doc: "share of lists paged by keyset"},
	{Name: "totals", Default: "0.5", Doc: "share of sessions whose page 1 asks for the total"},
	{Name: "writes", Default: "0.01", Doc: "writes a read"},
	{Name: "inserts", Default: "0.5", Doc: "share of writes at the head"},
	{Name: "updates", Default: "0.4", Doc: "share of writes in place"},
	{Name: "deletes", Default: "0.1", Doc: "share of writes that remove a row"},
	{Name: "write_public", Default: "0.5", Doc: "share of single writes on public lists"},
	{Name: "follow", Default: "0.3", Doc: "share of users' writes that their page 1 follows"},
	{Name: "follow_s", Default: "2", Doc: "within so many seconds"},
	{Name: "events", Default: "0.05", Doc: "share of writes that touch many feeds"},
	{Name: "event_users", Default: "20", Doc: "users' lists that each of them invalidates"},
	{Name: "size", Default: "50:3587,90:10715", Doc: "bytes of a full page of limit rows, percent:value"},
	{Name: "load", Default: "10:84,50:185,75:413,90:853,99:2175", Doc: "shape of the load time, percent:value"},
	{Name: "load_ms", Default: "50", Doc: "median of the load time"},
	{Name: "load_rows", Default: "0.4", Doc: "share of it that grows with rows"},
	{Name: "load_offset", Default: "1", Doc: "more of it for 1000 rows skipped by offset"},
	{Name: "load_total", Default: "0.3", Doc: "more of it for a total"},
	{Name: "flash_lists", Default: "0", Doc: "new lists of a flash crowd"},
	{Name: "flash_share", Default: "0", Doc: "share of reads on these"},
	{Name: "flash_from", Default: "0.4", Doc: "part of the trace at which they appear"},
	{Name: "flash_to", Default: "0.6", Doc: "part of the trace at which the crowd is gone"},
	{Name: "storm_writes", Default: "0", Doc: "writes a read during a storm; 0 = none"},
	{Name: "storm_lists", Default: "20", Doc: "hottest lists that it hits"},
	{Name: "storm_from", Default: "0.4", Doc: "part of the trace at which it begins"},
	{Name: "storm_to", Default: "0.6", Doc: "part of the trace at which it ends"},
	{Name: "phases", Default: "1", Doc: "parts of the trace; each shifts popularity and behaviour"},
}

var ticketsPresets = []Preset{
	{"flashcrowd", "24 new lists take 35 % of the reads for a fifth of the trace", map[string]string{"flash_lists": "24", "flash_share": "0.35"}},
	{"phases", "popularity and behaviour change every quarter", map[string]string{"phases": "4"}},
	{"writestorm", "a write for 3 reads for a fifth of the trace, on the 20 hottest lists", map[string]string{"storm_writes": "0.333333"}},
	{"p21-05", "walkers go on from page 1 with probability .05", walkersBand(0.05)},
	{"p21-20", "walkers go on from page 1 with probability .20", walkersBand(0.20)},
	{"p21-40", "walkers go on from page 1 with probability .40", walkersBand(0.40)},
	{"p21-60", "walkers go on from page 1 with probability .60", walkersBand(0.60)},
}

// defaultA is the default of a.
const defaultA = 2.54

func walkersBand(p21 float64) map[string]string {
	return map[string]string{"b": strconv.FormatFloat(bFor(defaultA, p21), 'g', 6, 64)}
}

// bFor solves b/(a+b) = p21.
func bFor(a, p21 float64) float64 { return a * p21 / (1 - p21) }

// ticketsConfig is the parameters, checked.
type ticketsConfig struct {
	n                                     int
	seed                                  uint64
	rate, cycle, day                      float64
	warmup                                time.Duration
	public, alpha, filterAlpha            float64
	lists, listRows, filters              int
	users                                 int
	userAlpha, userRows, userSigma        float64
	shares                                [visitorKinds]float64
	habits                                habits
	pollGap                               time.Duration
	gap, scrollGap, crawlGap              quantiles
	sorts                                 []float64
	limits                                [2]int
	limitShare, cursors, totals           float64
	writes, inserts, updates              float64
	writePublic, follow, followS          float64
	events                                float64
	eventUsers                            int
	size, load                            quantiles
	loadMS, loadRows, loadOffset, loadSum float64
	flash                                 episode
	flashLists                            int
	flashShare                            float64
	storm                                 episode
	stormWrites                           float64
	stormLists                            int
	phases                                int
}

// episode is a stretch of the trace, as parts of n.
type episode struct{ from, to float64 }

func (e episode) covers(part float64) bool { return part >= e.from && part < e.to }

func newTickets(v Values) (iter.Seq2[Request, error], int64, error) {
	c, err := parseTickets(v)
	if err != nil {
		return nil, 0, err
	}
	requests := func(yield func(Request, error) bool) {
		newMarket(c).run(func(r Request, _ visit) bool { return yield(r, nil) })
	}
	return requests, int64(c.n), nil
}

func parseTickets(v Values) (*ticketsConfig, error) {
	c := &ticketsConfig{
		n: v.Int("n", 1, 1e9), seed: v.Uint64("seed"),
		rate: v.Float("rate", 0.5, 1e6), cycle: v.Float("cycle", 0, 1), day: v.Float("day", 1, 1e9),
		warmup: seconds(v.Float("warmup", 0, 1e6)),
		public: v.Float("public", 0, 1), alpha: v.Float("alpha", 0, 10), filterAlpha: v.Float("filter_alpha", 0, 10),
		lists: v.Int("lists", 1, 1e6), listRows: v.Int("list_rows", 1, 1e6), filters: v.Int("filters", 1, 1000),
		users: v.Int("users", 1, 1e6), userAlpha: v.Float("user_alpha", 0, 10),
		userRows: v.Float("user_rows", 1, 1e6), userSigma: v.Float("user_sigma", 0, 5),
		pollGap: seconds(v.Float("poll_gap", 1e-3, 1e6)),
		gap:     v.quantiles("gap"), scrollGap: v.quantiles("scroll_gap"), crawlGap: v.quantiles("crawl_gap"),
		sorts: v.Floats("sorts", 1, 0, 1), limits: [2]int{v.Int("limit", 1, 10000), v.Int("limit2", 1, 10000)},
		limitShare: v.Float("limit_share", 0, 1), cursors: v.Float("cursors", 0, 1), totals: v.Float("totals", 0, 1),
		writes: v.Float("writes", 0, 10), inserts: v.Float("inserts", 0, 1), updates: v.Float("updates", 0, 1),
		writePublic: v.Float("write_public", 0, 1), follow: v.Float("follow", 0, 1), followS: v.Float("follow_s", 0, 1e6),
		events: v.Float("events", 0, 1), eventUsers: v.Int("event_users", 0, 10000),
		size: v.quantiles("size"), load: v.quantiles("load"),
		loadMS: v.Float("load_ms", 0, 1e6), loadRows: v.Float("load_rows", 0, 1),
		loadOffset: v.Float("load_offset", 0, 1e3), loadSum: v.Float("load_total", 0, 1e3),
		flash: v.episode("flash"), flashLists: v.Int("flash_lists", 0, 1e6), flashShare: v.Float("flash_share", 0, 1),
		storm: v.episode("storm"), stormWrites: v.Float("storm_writes", 0, 10), stormLists: v.Int("storm_lists", 1, 1e6),
		phases: v.Int("phases", 1, 1000),
	}
	c.parseVisitors(v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return c, c.check(v.Float("deletes", 0, 1))
}

func (c *ticketsConfig) parseVisitors(v Values) {
	for kind, name := range [...]string{"walkers", "catalogue", "crawlers", "pollers", "scrollers"} {
		c.shares[kind] = v.Float(name, 0, 1)
	}
	c.habits = habits{
		a: v.Float("a", 1e-3, 1e3), b: v.Float("b", 0, 1e3),
		catalogue: v.Floats("catalogue_next", 1, 0, 1),
		probe:     v.Floats("crawl_probe", 5, 0, 1), deep: v.Float("crawl_deep", 0, 1), deepNext: v.Float("crawl_next", 0, 1),
		crawlPages: v.Int("crawl_pages", 1, 1e6),
		polls:      v.Float("polls", 1, 1e6), scrollNext: v.Float("scroll_next", 0, 1),
	}
}

func (v Values) episode(name string) episode {
	return episode{v.Float(name+"_from", 0, 1), v.Float(name+"_to", 0, 1)}
}

// check looks for parameters that contradict each other.
func (c *ticketsConfig) check(deletes float64) error {
	sum := 0.0
	for _, share := range c.shares {
		sum += share
	}
	switch {
	case math.Abs(sum-1) > 1e-6:
		return fmt.Errorf("%w: walkers + catalogue + crawlers + pollers + scrollers are %g, not 1", ErrParameter, sum)
	case math.Abs(c.inserts+c.updates+deletes-1) > 1e-6:
		return fmt.Errorf("%w: inserts + updates + deletes are %g, not 1", ErrParameter, c.inserts+c.updates+deletes)
	case c.shares[crawler] > c.public:
		return fmt.Errorf("%w: crawlers=%g exceeds public=%g, where they are", ErrParameter, c.shares[crawler], c.public)
	case c.flashShare > 0 && c.flashLists == 0:
		return fmt.Errorf("%w: flash_share=%g needs flash_lists", ErrParameter, c.flashShare)
	case c.eventUsers > c.users:
		return fmt.Errorf("%w: event_users=%d exceeds users=%d", ErrParameter, c.eventUsers, c.users)
	case c.stormLists > c.lists:
		return fmt.Errorf("%w: storm_lists=%d exceeds lists=%d", ErrParameter, c.stormLists, c.lists)
	}
	return nil
}

// mostSeconds keeps absurd parameters from overflowing a time.Duration.
const mostSeconds = 1e8

// seconds converts, rounding down to the nanosecond.
func seconds(s float64) time.Duration { return time.Duration(min(s, mostSeconds) * 1e9) }
