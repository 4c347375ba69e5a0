package workloads

import (
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// frozenTickets are the digests of the yardstick, seed 1. A change of any of them makes results
// incomparable with all earlier ones: it needs a decision record.
var frozenTickets = map[string]string{
	"gen:tickets?n=20000":                   "8d44930ae37fa47f240b2def5f6000664671473b154dc1884d5644881d9a17cb",
	"gen:tickets?n=20000&preset=flashcrowd": "090897967795ed7c740cc64ca222ce14f4492697df2e8bd14535e74823e952a5",
	"gen:tickets?n=20000&preset=phases":     "fcf79b1d3b2341d3c05591eb8875276d83fdcc49e34a4ba60845e49b53c25e84",
	"gen:tickets?n=20000&preset=writestorm": "c431369ae4fd8fdb12c4951dd0baace7e4ec643bce266b4abe36a7aa26c85e9f",
	"gen:tickets?n=20000&preset=p21-05":     "f318c56c968189c7d54ed25a37f851ad07cc983b2ccdc2e65a8d9beb7dc4781a",
	"gen:tickets?n=20000&preset=p21-20":     "471a2476edb7966739e9291d0580bbcb2bc1bfaed9a032638f8ae864ab87cc0d",
	"gen:tickets?n=20000&preset=p21-40":     "e001361a8804f6a7c8e196af43191711896c9883fbad895e74c32295c3507785",
	"gen:tickets?n=20000&preset=p21-60":     "830ab0cf03673664a3a334c65364d21225e01786586f679d9aba70680a21a27c",
	"gen:tickets":                           "786d31b205983e3beea6452aa3a4c92bd563aa5a9e8e74a37ff357b2854a7e33",
}

func TestTicketsAreFrozen(t *testing.T) {
	got := map[string]string{}
	for spec := range frozenTickets {
		if testing.Short() && spec == "gen:tickets" {
			got[spec] = frozenTickets[spec]
			continue
		}
		source, err := Open(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got[spec], err = source.SHA256(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(frozenTickets, got); diff != "" {
		t.Errorf("(-frozen +got)\n%s", diff)
	}
	for _, preset := range ticketsPresets {
		if _, ok := frozenTickets["gen:tickets?n=20000&preset="+preset.Name]; !ok {
			t.Errorf("preset %s is not frozen", preset.Name)
		}
	}
}

// census counts what a tickets stream holds.
type census struct {
	ops            [len(opNames)]int
	kinds          [visitorKinds]int
	places         [placeKinds]int
	goesOn, seen   [visitorKinds]map[int]int // page → next views, views that had a next page
	sorts          map[string]int
	limit20, page1 int
	totals         int
	keysets        int // reads with a cursor
	sizes, loads   []float64
	ownWrites      int
	pending        map[string]time.Duration // scope → time of its latest own write
	followed       int
	hours          map[int]int
	span           time.Duration
}

func takeCensus(t *testing.T, options string, each func(i int, r Request, v visit)) *census {
	t.Helper()
	kind := kinds["tickets"]
	values, err := parseValues(kind.Params, options)
	if err == nil {
		err = kind.apply(values)
	}
	if err != nil {
		t.Fatal(err)
	}
	config, err := parseTickets(values)
	if err != nil {
		t.Fatal(err)
	}
	c := &census{sorts: map[string]int{}, pending: map[string]time.Duration{}, hours: map[int]int{}}
	for k := range c.seen {
		c.seen[k], c.goesOn[k] = map[int]int{}, map[int]int{}
	}
	var order inOrder
	i := 0
	newMarket(config).run(func(r Request, v visit) bool {
		if err := order.admit(&r); err != nil {
			t.Fatalf("request %d %+v: %v", i, r, err)
		}
		c.count(r, v)
		if each != nil {
			each(i, r, v)
		}
		i++
		return true
	})
	c.span = order.last
	if i != config.n {
		t.Fatalf("%d requests, not %d", i, config.n)
	}
	return c
}

var big *census

// bigCensus is of a seed that is not frozen, so that its statistics hold for the model, not for a
// stream. The tests of this package share it and do not run in parallel.
func bigCensus(t *testing.T) *census {
	if big == nil {
		big = takeCensus(t, "n=500000&seed=77", nil)
	}
	return big
}

func (c *census) count(r Request, v visit) {
	c.ops[r.Op]++
	c.hours[int(r.Time/time.Hour)]++
	user := strings.HasPrefix(r.Scope, "user:")
	if r.Op != Read {
		if user && r.Op != Invalidate {
			c.ownWrites++
			c.pending[r.Scope] = r.Time
		}
		return
	}
	c.kinds[v.visitor]++
	c.places[v.place]++
	if at, ok := c.pending[r.Scope]; ok && v.follow && r.Page == 1 && r.Time-at <= 2*time.Second {
		c.followed++
		delete(c.pending, r.Scope)
	}
	c.countPage(r, v)
}

func (c *census) countPage(r Request, v visit) {
	if v.more {
		c.seen[v.visitor][int(r.Page)]++
	}
	if r.Page > 1 {
		c.goesOn[v.visitor][int(r.Page)-1]++
	} else {
		c.page1++
		if r.Total {
			c.totals++
		}
	}
	for part := range strings.SplitSeq(r.Variant, "&") {
		c.sorts[part]++
	}
	if r.Limit == 20 {
		c.limit20++
	}
	if r.Cursor != "" {
		c.keysets++
	}
	if r.Limit == 20 && r.Rows == 20 {
		c.sizes = append(c.sizes, float64(r.Size))
	}
	c.loads = append(c.loads, float64(r.Load)/1e6)
}

func (c *census) reads() float64  { return float64(c.ops[Read]) }
func (c *census) writes() float64 { return float64(c.ops[Insert] + c.ops[Update] + c.ops[Delete]) }

// next is the share of views of page n, where there was a next page, after which it was viewed.
func (c *census) next(kind visitor, n int) float64 {
	return float64(c.goesOn[kind][n]) / float64(c.seen[kind][n])
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %.4f, want %.4f ± %.4f", what, got, want, tolerance)
	}
}

func at(values []float64, p float64) float64 {
	slices.Sort(values)
	return values[int(p*float64(len(values)-1))]
}

func TestTicketsHaveTheirShares(t *testing.T) {
	c := bigCensus(t)
	for kind, want := range []float64{0.80, 0.05, 0.05, 0.05, 0.05} {
		near(t, "share of visitors "+string(rune('0'+kind)), float64(c.kinds[kind])/c.reads(), want, 0.004)
	}
	near(t, "reads on public lists", float64(c.places[publicLists])/c.reads(), 0.5, 0.005)
	near(t, "limit 20", float64(c.limit20)/c.reads(), 0.90, 0.015)
	near(t, "reads on lists with keysets, beyond page 1", float64(c.keysets)/(c.reads()-float64(c.page1)), 0.1, 0.03)
	near(t, "totals on page 1", float64(c.totals)/float64(c.page1), 0.5, 0.01)
	for sort, want := range map[string]float64{"sort=-created": 0.80, "sort=date": 0.15, "sort=price": 0.05} {
		near(t, sort, float64(c.sorts[sort])/c.reads(), want, 0.01)
	}
	near(t, "writes a read", c.writes()/c.reads(), 0.01, 0.0004)
	near(t, "inserts", float64(c.ops[Insert])/c.writes(), 0.5, 0.02)
	near(t, "updates", float64(c.ops[Update])/c.writes(), 0.4, 0.02)
	near(t, "deletes", float64(c.ops[Delete])/c.writes(), 0.1, 0.015)
	near(t, "event invalidations a write", float64(c.ops[Invalidate])/c.writes(), 0.05*20, 0.15)
	near(t, "own writes followed within 2 s", float64(c.followed)/float64(c.ownWrites), 0.30, 0.03)
}

func TestTicketsWalkAsMeasured(t *testing.T) {
	c := bigCensus(t)
	for n := 1; n <= 5; n++ {
		near(t, "walkers' chance to go on", c.next(walker, n), (1.22+float64(n)-1)/(2.54+1.22+float64(n)-1), 0.02)
	}
	for n, want := range []float64{0.604, 0.629, 0.524, 0.341} {
		near(t, "catalogue visitors' chance to go on", c.next(catalogue, n+1), want, 0.04)
	}
	near(t, "scrollers' chance to go on", c.next(scroller, 1), 0.7, 0.02)
	near(t, "crawlers' chance to go on", c.next(crawler, 1), 0.9*0.056+0.1*0.97, 0.02)
	if c.seen[catalogue][6] > 0 || c.seen[crawler][41] > 0 || c.seen[poller][2] > 0 {
		t.Error("catalogue visitors see 5 pages, crawlers 40, pollers 1")
	}
}

func TestTicketsCostAsMeasured(t *testing.T) {
	c := bigCensus(t)
	near(t, "median bytes", at(c.sizes, 0.5), 3587, 180)
	near(t, "p90 bytes", at(c.sizes, 0.9), 10715, 540)
	near(t, "median load", at(c.loads, 0.5), 50, 1)
	for p, ms := range map[float64]float64{0.1: 84, 0.75: 413, 0.9: 853, 0.99: 2175} {
		near(t, "load quantile", at(c.loads, p), ms*50/185, 0.12*ms*50/185)
	}
}

func TestTicketsFollowTheDay(t *testing.T) {
	c := takeCensus(t, "n=450000&seed=77&rate=5", nil)
	near(t, "busiest hour", float64(c.hours[6])/3600, 1.5*5*1.02, 0.25) // 1.02: writes and invalidations
	near(t, "quietest hour", float64(c.hours[18])/3600, 0.5*5*1.02, 0.25)
	near(t, "seconds", c.span.Seconds(), 86400, 3000)
}

func TestTicketsPresetsDoWhatTheySay(t *testing.T) {
	n := 400000
	flash, within, stormWrites, stormReads := 0, 0, 0, 0
	inside := func(i int) bool { return i >= n*4/10 && i < n*6/10 }
	takeCensus(t, "n=400000&seed=78&preset=flashcrowd", func(i int, r Request, v visit) {
		if inside(i) && r.Op == Read {
			within++
			if strings.HasPrefix(r.List, "new-") {
				flash++
			}
		}
	})
	near(t, "reads on the flash crowd's lists", float64(flash)/float64(within), 0.35, 0.02)
	takeCensus(t, "n=400000&seed=78&preset=writestorm", func(i int, r Request, _ visit) {
		switch {
		case !inside(i):
		case r.Op == Read:
			stormReads++
		case r.Op != Invalidate:
			stormWrites++
		}
	})
	near(t, "writes a read in the storm", float64(stormWrites)/float64(stormReads), 1.0/3, 0.015)
	var top [4]map[string]int
	takeCensus(t, "n=400000&seed=78&preset=phases", func(i int, r Request, v visit) {
		if quarter := &top[i*4/n]; r.Op == Read && v.place == publicLists {
			if *quarter == nil {
				*quarter = map[string]int{}
			}
			(*quarter)[r.List]++
		}
	})
	for quarter, want := range []string{"events-000", "events-050", "events-100", "events-150"} {
		for list, reads := range top[quarter] {
			if list != want && reads > top[quarter][want]*3/4 {
				t.Errorf("quarter %d: %s has %d reads, %s %d", quarter, list, reads, want, top[quarter][want])
			}
		}
	}
	for preset, want := range map[string]float64{"p21-05": 0.05, "p21-20": 0.20, "p21-40": 0.40, "p21-60": 0.60} {
		c := takeCensus(t, "n=200000&seed=78&preset="+preset, nil)
		near(t, preset, c.next(walker, 1), want, 0.015)
		near(t, preset+": share of walkers", float64(c.kinds[walker])/c.reads(), 0.80, 0.015)
	}
}

// A model beside the generator: rows follow the writes, pages follow the rows.
func TestTicketsPagesFollowTheRows(t *testing.T) {
	type page struct {
		variant, cursor string
		offset, limit   uint32
	}
	changed, sizes, ends := map[string]int{}, map[string]map[page]uint32{}, map[string]uint32{}
	takeCensus(t, "n=300000&seed=79&writes=0.2&users=500", func(_ int, r Request, v visit) {
		feed := r.List + " " + r.Scope
		if r.Op != Read {
			changed[feed]++
			delete(sizes, feed)
			if end, known := ends[feed]; known && r.Op == Insert {
				ends[feed] = end + 1
			} else if known && r.Op == Delete {
				ends[feed] = end - 1
			}
			if end, known := ends[feed]; known && r.Op == Update && r.Position >= end {
				t.Fatalf("%s: row %d of %d was updated", feed, r.Position, end)
			}
			return
		}
		key := page{r.Variant, r.Cursor, r.Offset, r.Limit}
		if sizes[feed] == nil {
			sizes[feed] = map[page]uint32{}
		}
		if size, known := sizes[feed][key]; known && size != r.Size {
			t.Fatalf("%s %+v: %d and %d bytes without a write between", feed, key, size, r.Size)
		}
		sizes[feed][key] = r.Size
		if v.place != userLists || r.Cursor != "" || v.more {
			return
		}
		end := r.Offset + r.Rows
		if known, ok := ends[feed]; ok && known != end {
			t.Fatalf("%s has %d rows, its last page says %d", feed, known, end)
		}
		ends[feed] = end
	})
	if len(ends) < 400 || len(changed) < 400 {
		t.Errorf("only %d lists were read to their end, %d written", len(ends), len(changed))
	}
}

func TestTicketsSeedsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, seed := range []string{"1", "2", "18446744073709551615"} {
		source, err := Open("gen:tickets?n=1000&seed=" + seed)
		if err != nil {
			t.Fatal(err)
		}
		digest, _ := source.SHA256()
		seen[digest] = true
	}
	if len(seen) != 3 {
		t.Error("two seeds give one stream")
	}
}

func TestGivenParametersWinOverThePreset(t *testing.T) {
	kind := kinds["tickets"]
	values, err := parseValues(kind.Params, "preset=flashcrowd&flash_lists=3")
	if err = errors.Join(err, kind.apply(values)); err != nil || values.Text("flash_lists") != "3" || values.Text("flash_share") != "0.35" {
		t.Error(err, values.Text("flash_lists"), values.Text("flash_share"))
	}
}

func TestTicketsTableIsComplete(t *testing.T) {
	source, err := os.ReadFile("tickets.go")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(source), "func init")
	for _, p := range ticketsParams {
		if p.Doc == "" || p.Default == "" {
			t.Errorf("%s has no doc or no default", p.Name)
		}
		if !strings.Contains(strings.ReplaceAll(table, ",", " "), p.Name+" ") {
			t.Errorf("%s is not in the table of parameters", p.Name)
		}
	}
}
