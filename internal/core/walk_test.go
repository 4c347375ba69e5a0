package core

import (
	"math"
	"testing"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/seed"
)

func TestALineTellsWhatAFurtherPageTakes(t *testing.T) {
	r := seed.Random(t)
	var l line
	if l.cost(1, 1) != lineDefault {
		t.Errorf("%v before any load", l.cost(1, 1))
	}
	for range 1000 {
		l.add(1, 1, 14+r.NormFloat64())
	}
	if l.cost(1, 1) != lineDefault {
		t.Errorf("%v after loads that are all alike", l.cost(1, 1))
	}
	for i := range 1000 {
		pages := float64(1 + i%3)
		l.add(1, pages, 10+4*pages+r.NormFloat64())
	}
	known := l.cost(1, 1)
	if math.Abs(known-4./14) > .08 {
		t.Errorf("%v, want %v", known, 4./14)
	}
	for range 3000 {
		l.add(1, 1, 14+r.NormFloat64())
	}
	if math.Abs(l.cost(1, 1)-4./14) > .1 {
		t.Errorf("%v after loads that are all alike again, %v before", l.cost(1, 1), known)
	}
	for i := range 1000 {
		l.add(1, float64(1+i%2), 10)
	}
	if l.cost(1, 1) != lineLeast {
		t.Errorf("%v where further pages are free", l.cost(1, 1))
	}
	for i := range 5000 {
		l.add(1, float64(1+i%2), float64(1+i%2*9))
	}
	if l.cost(1, 1) != 1 {
		t.Errorf("%v where they cost more than a load", l.cost(1, 1))
	}
}

// TestALineTellsDepthsApart: rows that are skipped make loads longer, and further pages cheap beside them.
func TestALineTellsDepthsApart(t *testing.T) {
	r := seed.Random(t)
	var l line
	for i := range 5000 {
		depth := uint8(1 + i%3)
		rows := float64(10 * int(depth)) // deep loads bring more, too
		if r.IntN(4) == 0 {
			rows += 10
		}
		l.add(depth, rows, 20+2*rows+60*float64(depth-1)+r.NormFloat64())
	}
	for _, test := range []struct {
		depth      uint8
		rows, want float64
	}{{1, 10, 20. / 40}, {1, 30, 60. / 80}, {2, 10, 20. / 100}, {3, 10, 20. / 160}, {5, 10, 20. / 160}} {
		if got := l.cost(test.depth, test.rows); math.Abs(got-test.want) > .02 {
			t.Errorf("%v at depth %d for %v rows, want %v", got, test.depth, test.rows, test.want)
		}
	}
}

// pageOf is a page of a list of scopes, from 1.
func pageOf(scope, number int) Query {
	p := Query{Key: uint64(scope)<<32 + uint64(number), Feed: Tag(scope), List: 1, Depth: uint8(min(number, 3))}
	if number > 1 {
		p.Before = p.Key - 1
	}
	return p
}

// visit reads a page and lands its load with the pages that it is to bring, up to some page.
func visit(t *testing.T, c *Core, p Query, last int) (hit bool, brought int) {
	t.Helper()
	a := c.Lookup(&p)
	if a.Action == Serve {
		return true, 0
	}
	units, flights := []Loaded{{Query: p, Size: 1}}, []Flight{a.Flight}
	number := int(uint32(p.Key))
	for i := range a.Ahead {
		next := pageOf(int(p.Feed), number+i+1)
		if number+i+1 > last || c.Held(&next) {
			break
		}
		units = append(units, Loaded{Query: next, Size: 1})
		flights = append(flights, c.Branch(a.Flight, &next, i+1))
	}
	units[len(units)-1].Last = number+len(units)-1 < last
	for i, f := range flights {
		if !c.Complete(f, units[i]) {
			t.Fatal("not published")
		}
	}
	return false, len(units) - 1
}

// TestAListLearnsHowFarItsReadersGoOn: from pages brought and used, from pages not brought and missed, with
// all feeds shadowed or some.
func TestAListLearnsHowFarItsReadersGoOn(t *testing.T) {
	for _, test := range []struct{ reads, want, most int }{{1, 0, 0}, {2, 1, 1}, {3, 2, 2}, {8, 4, 4}} {
		for name, config := range map[string]arena.Config{"exact": {Geometry: arena.Plain(5000)}, "sampled": {Geometry: arena.Plain(5000), Exact: 2000}} {
			c := newCore(t, config)
			brought := 0
			for scope := range 400 {
				for number := range test.reads {
					_, n := visit(t, c, pageOf(scope+1, number+1), 10)
					if number == 0 {
						brought = n
					}
				}
			}
			if brought < test.want || brought > test.most {
				t.Errorf("%s: readers of %d pages: the first load brings %d more, want %d", name, test.reads, brought, test.want)
			}
			if test.reads > 1 && (c.Ahead.Used < c.Ahead.Brought/2 || c.Ahead.Used > c.Ahead.Brought) || test.reads == 1 && c.Ahead.Used > 0 {
				t.Errorf("%s: readers of %d pages: %d used of %d brought", name, test.reads, c.Ahead.Used, c.Ahead.Brought)
			}
		}
	}
}

// TestReadersThatChangeAreFollowed: readers that went on stop doing so, and start again.
func TestReadersThatChangeAreFollowed(t *testing.T) {
	c := newCore(t, arena.Config{Geometry: arena.Plain(20_000)})
	scope := 0
	for phase, reads := range []int{3, 1, 3} {
		brought := 0
		for range 3000 {
			scope++
			for number := range reads {
				_, n := visit(t, c, pageOf(scope, number+1), 10)
				if number == 0 {
					brought = n
				}
			}
		}
		if want := reads - 1; brought != want {
			t.Errorf("phase %d: readers of %d pages: the first load brings %d more", phase, reads, brought)
		}
	}
}

func TestABranchIsOvertakenWithItsLoad(t *testing.T) {
	c := roomy(t)
	one, two := pageOf(10, 1), pageOf(10, 2)
	two.Tags = []Tag{20}
	f := want(t, c, one, Load).Flight
	invalidate(t, c, 20)
	b := c.Branch(f, &two, 1)
	if c.Complete(b, Loaded{Query: two, Size: 1}) {
		t.Error("a page is kept that was written to after its load began")
	}
	if !c.Complete(f, Loaded{Query: one, Size: 1}) {
		t.Error("a page is not kept that nothing was written to")
	}
	f = want(t, c, two, Load).Flight
	b = c.Branch(f, &one, 1)
	c.Fail(f)
	if a := c.Lookup(&one); a.Action != Serve {
		t.Errorf("action %d for a valid copy", a.Action)
	}
	if !c.Complete(b, Loaded{Query: one, Size: 1, Replace: true}) {
		t.Error("a branch ends with its load")
	}
}

// TestWhatIsLearnedIsLearnedOnce: a page brought along counts as used once, a page not brought as missed once,
// and only where the page before was right.
func TestWhatIsLearnedIsLearnedOnce(t *testing.T) {
	c := roomy(t)
	once := rate{1, 1}
	rate := func(behind int) (sum rate) {
		for _, r := range c.walks[0].rates {
			sum.asked, sum.tries = sum.asked+r[behind].asked, sum.tries+r[behind].tries
		}
		return sum
	}
	first := pageOf(1, 1)
	f := want(t, c, first, Load).Flight
	second := pageOf(1, 2)
	b := c.Branch(f, &second, 1)
	c.Complete(f, Loaded{Query: first, Size: 1})
	c.Complete(b, Loaded{Query: second, Size: 1, Last: true})
	for range 3 {
		want(t, c, second, Serve)
		c.Fail(want(t, c, pageOf(1, 3), Load).Flight)
	}
	if c.Ahead != (Ahead{Brought: 1, Used: 1}) || rate(1) != once || rate(2) != once {
		t.Errorf("%+v, %+v of page 2, %+v of page 3", c.Ahead, rate(1), rate(2))
	}
	f = want(t, c, pageOf(3, 1), Load).Flight
	awaited := pageOf(3, 2)
	b = c.Branch(f, &awaited, 1)
	for range 2 {
		want(t, c, awaited, Wait)
	}
	c.Complete(b, Loaded{Query: awaited, Size: 1})
	before := c.Ahead
	want(t, c, awaited, Serve)
	if c.Ahead != (Ahead{Brought: 2, Used: 2}) || c.Ahead != before || rate(1).asked < 1.99 {
		t.Errorf("%+v, %+v: somebody waited for a page brought along", c.Ahead, rate(1))
	}
	outdated := pageOf(2, 1)
	c.Complete(want(t, c, outdated, Load).Flight, Loaded{Query: outdated, Size: 1, Last: true})
	invalidate(t, c, 2)
	want(t, c, pageOf(2, 2), Load)
	if r := rate(1); r.asked > 2 {
		t.Errorf("%+v: page 2 counts as missed, though page 1 was outdated", r)
	}
}

// TestABranchIsTheLatestLoadOfItsPage: an older one that ends does not hide it.
func TestABranchIsTheLatestLoadOfItsPage(t *testing.T) {
	c := roomy(t)
	one, two := pageOf(1, 1), pageOf(1, 2)
	old := want(t, c, two, Load).Flight
	invalidate(t, c, 1)
	b := c.Branch(want(t, c, one, Load).Flight, &two, 1)
	c.Fail(old)
	if a := want(t, c, two, Wait); a.Flight != b {
		t.Errorf("waits for %v, want %v", a.Flight, b)
	}
}

// TestPagesAreWarmedWithinTheirBudget: those that are asked for next, once for each copy, at most one load for
// ten that somebody waited for, and none while the origin is busy or where readers do not go on.
func TestPagesAreWarmedWithinTheirBudget(t *testing.T) {
	for _, test := range []struct {
		name   string
		rules  Rules
		reads  int // pages of every second reader
		busy   bool
		warmed bool
	}{
		{"readers go on", Rules{Ahead: true}, 9, false, true},
		{"the origin is busy", Rules{Ahead: true}, 9, true, false},
		{"nobody goes on", Rules{Ahead: true}, 2, false, false},
		{"without the rule", Rules{}, 9, false, false},
	} {
		c := ruled(t, test.rules)
		loads, warmed := 0, 0
		for scope := range 900 {
			for _, reads := range []int{2, test.reads} { // the second reader finds what the first one left
				for number := range reads {
					q := pageOf(scope+1, number+1)
					q.Busy = test.busy
					if a := c.Lookup(&q); a.Action == Load {
						loads++
						c.Earn()
						c.Complete(a.Flight, Loaded{Query: q, Size: 1, Last: true})
					} else if a.Next {
						next := pageOf(scope+1, number+2)
						if c.Held(&next) {
							t.Fatalf("%s: the page behind page %d is there", test.name, number+1)
						}
						warmed++
						f, _ := c.Warm(&next, &q)
						c.Complete(f, Loaded{Query: next, Size: 1, Last: true})
					}
				}
			}
		}
		if used := int(c.Ahead.WarmedUsed); used < warmed-1 || used > warmed {
			t.Errorf("%s: %d used of %d", test.name, used, warmed)
		}
		if warmed > loads/10+1 || test.warmed != (warmed > 0) || int(c.Ahead.Warmed) != warmed {
			t.Errorf("%s: %d warmed (%d booked) beside %d loads", test.name, warmed, c.Ahead.Warmed, loads)
		}
	}
}

// TestPagesAreNotWarmedInVain: those are loaded ahead that most readers go on to; of others few, to see whether that
// is still so.
func TestPagesAreNotWarmedInVain(t *testing.T) {
	for _, test := range []struct {
		share  float64 // of the readers go on
		warmed bool
	}{{.65, true}, {.43, false}} {
		c, r := ruled(t, Rules{Ahead: true}), seed.Random(t)
		loads, warmed := 0, 0
		for scope := range 9000 {
			one, two := pageOf(scope+1, 1), pageOf(scope+1, 2)
			loads++
			c.Earn()
			c.Took(one.List, one.Depth, 1, 10, Alone)
			c.Complete(want(t, c, one, Load).Flight, Loaded{Query: one, Size: 1, Last: true})
			if a := c.Lookup(&one); a.Next {
				warmed++
				f, _ := c.Warm(&two, &one)
				c.Complete(f, Loaded{Query: two, Size: 1})
			}
			if r.Float64() > test.share {
				continue
			}
			if a := c.Lookup(&two); a.Action == Load {
				loads++
				c.Earn()
				c.Complete(a.Flight, Loaded{Query: two, Size: 1})
			}
		}
		if test.warmed != (warmed > loads/90) {
			t.Errorf("%.2f of the readers go on: %d loads ahead beside %d", test.share, warmed, loads)
		}
	}
}

// TestLoadsAheadDoReadersMoreGoodThanHarm: they run where those that readers wait for do not take longer beside them,
// or seldom do; else few, to see whether that is still so, and fewer the longer it is.
func TestLoadsAheadDoReadersMoreGoodThanHarm(t *testing.T) {
	for _, test := range []struct {
		name   string
		times  float64 // what a load takes beside one that nobody waits for
		beside int     // so many do, for each of those
		own    float64 // what that one takes
		behind bool    // it is over when they begin
		few    bool    // are loaded ahead
	}{
		{"processors to spare", 1, 3, 1, false, false},
		{"by chance", 1.08, 8, 1.08, false, false},
		{"one connection", 3, 3, 1, false, true},
		{"one connection, seldom used", 2, 0, 1, false, false},
		{"less than half a load more for readers", 1.4, 1, 1, false, false},
		{"two thirds, for the origin too", 1.7, 1, 1, false, true},
		{"slow beside others", 1, 1, 2.5, false, true},
		{"two connections by turns", 1.5, 3, 1, true, true},
	} {
		c := ruled(t, Rules{Ahead: true})
		r, beside := seed.Random(t), 0
		read := func(from, to int, times, own float64) (loads, warmed int) {
			for scope := from; scope < to; scope++ {
				for number := range 3 { // everybody goes on twice
					q := pageOf(scope+1, number+1)
					if a := c.Lookup(&q); a.Action == Load {
						took, as := 10+r.NormFloat64(), Alone
						if beside > 0 {
							took, as = took*times, Beside
						}
						if test.behind {
							as = Alone
						}
						loads++
						c.Earn()
						c.Took(q.List, q.Depth, 1, took, as)
						beside = max(0, beside-1)
						c.Complete(a.Flight, Loaded{Query: q, Size: 1, Last: true})
					}
					if a := c.Lookup(&q); a.Next {
						if beside = test.beside; scope%5 == 0 {
							beside = max(beside, 1)
						}
						warmed++
						next := pageOf(scope+1, number+2)
						f, _ := c.Warm(&next, &q)
						c.Took(q.List, q.Depth, 1, 10*own, Unasked)
						c.Complete(f, Loaded{Query: next, Size: 1, Last: true})
					}
				}
			}
			return loads, warmed
		}
		loads, warmed := read(0, 3000, test.times, test.own)
		if few := warmed < loads/50; few != test.few {
			t.Errorf("%s: %d loads ahead beside %d, each at a harm of %.2f", test.name, warmed, loads, c.purse.harm())
		}
		if loads, warmed := read(3000, 18000, test.times, test.own); test.few && (warmed == 0 || warmed > loads/1300) || !test.few && warmed < loads/20 {
			t.Errorf("%s all the time: %d loads ahead beside %d", test.name, warmed, loads)
		}
		read(18000, 100000, 1, 1)
		if loads, warmed := read(100000, 103000, 1, 1); warmed < loads/20 {
			t.Errorf("%s no more: %d loads ahead beside %d, each at a harm of %.2f", test.name, warmed, loads, c.purse.harm())
		}
	}
}

// TestWhatIsReadMostIsLoadedAgainAfterAWrite: as long as it is asked for in time, within the budget.
func TestWhatIsReadMostIsLoadedAgainAfterAWrite(t *testing.T) {
	c := ruled(t, Rules{Again: true})
	loads, again := 0, 0
	for i := range 4000 {
		q, other := pageOf(i%40+1, 1), pageOf(i%40+1, 2)
		for _, q := range []Query{q, other, q} {
			if a := c.Lookup(&q); a.Action == Load {
				loads++
				c.Earn()
				c.Complete(a.Flight, Loaded{Query: q, Size: 1})
			}
		}
		invalidate(t, c, q.Feed)
		for d, ok := c.Due(); ok; d, ok = c.Due() {
			if d.Key != q.Key {
				t.Fatalf("page %d is loaded again", uint32(d.Key))
			}
			f, _ := c.Again(d, &q)
			again++
			c.Complete(f, Loaded{Query: q, Size: 1})
		}
	}
	if again == 0 || again > loads/10+1 || c.Ahead.Again != int64(again) || c.Ahead.AgainUsed < int64(again*8/10) {
		t.Errorf("%+v, %d loads", c.Ahead, loads)
	}
	c, again = ruled(t, Rules{Again: true}), 0
	for range 4000 { // nobody asks between two writes, but once in ten
		q := pageOf(1, 1)
		if a := c.Lookup(&q); a.Action == Load {
			c.Earn()
			c.Complete(a.Flight, Loaded{Query: q, Size: 1})
		}
		for range 10 {
			invalidate(t, c, 1)
			for d, ok := c.Due(); ok; d, ok = c.Due() {
				f, _ := c.Again(d, &q)
				again++
				c.Complete(f, Loaded{Query: q, Size: 1})
			}
		}
	}
	if again > 150 {
		t.Errorf("loaded again %d times, used %d times", again, c.Ahead.AgainUsed)
	}
}

// TestVotesDoNotWrap: however many there are for one page.
func TestVotesDoNotWrap(t *testing.T) {
	c := ruled(t, Rules{Again: true})
	q := at(1, 1, 1)
	c.Bump(1, []Tag{q.Feed})
	k := c.known(q.Feed)
	for i := range 300 {
		before := k.votes
		c.vote(&q, k)
		if k.votes < before {
			t.Errorf("after %d votes for one page: %d", i+1, k.votes)
		}
	}
}
