package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/seed"
	"github.com/foliocache/folio/workloads"
)

// decoded returns the trace of some requests.
func decoded(requests ...workloads.Request) *Trace {
	d := newDecoder("test")
	for _, r := range requests {
		d.add(r)
	}
	return d.done()
}

// pageRead reads a page of ten rows, the given number of which are there.
func pageRead(ms, number, rows int) workloads.Request {
	return workloads.Request{Time: time.Duration(ms) * time.Millisecond, List: "orders", Scope: "shop 1", Variant: "-date",
		Offset: uint32(number-1) * 10, Limit: 10, Page: uint32(number), Rows: uint32(rows), Size: uint32(100 * rows), Load: 20 * time.Millisecond}
}

func write(ms int) workloads.Request {
	return workloads.Request{Time: time.Duration(ms) * time.Millisecond, Op: workloads.Insert, List: "orders", Scope: "shop 1"}
}

func byCursor(r workloads.Request) workloads.Request {
	r.Offset, r.Cursor = 0, fmt.Sprint("after ", r.Page)
	return r
}

// TestAWideLoadBringsTheNextPages: loads take 20 ms for one page and 8 ms for each further one.
func TestAWideLoadBringsTheNextPages(t *testing.T) {
	type counts struct{ Hits, Queries, Rows, Prefetched, Used, MS int64 }
	for _, x := range []struct {
		name  string
		widen string
		reads []workloads.Request
		want  counts
	}{
		{"the next page", "1", []workloads.Request{pageRead(0, 1, 10), pageRead(100, 2, 10), pageRead(200, 3, 10)},
			counts{1, 2, 40, 2, 1, 56}},
		{"two pages", "2", []workloads.Request{pageRead(0, 1, 10), pageRead(100, 2, 10), pageRead(200, 3, 10)},
			counts{2, 1, 30, 2, 2, 36}},
		{"none after a short one", "2", []workloads.Request{pageRead(0, 1, 4), pageRead(100, 2, 0)},
			counts{0, 2, 4, 0, 0, 40}},
		{"none after one that is short", "3", []workloads.Request{pageRead(0, 1, 10), pageRead(100, 2, 3)},
			counts{1, 1, 20, 1, 1, 28}},
		{"only what is asked for if no page is known to be full", "1", []workloads.Request{pageRead(0, 1, 0), pageRead(100, 2, 0), pageRead(200, 4, 0)},
			counts{1, 2, 0, 1, 1, 48}},
		{"none of a keyset list", "1", []workloads.Request{pageRead(0, 1, 10), byCursor(pageRead(100, 2, 10))},
			counts{0, 2, 20, 0, 0, 40}},
		{"none of another page size", "1", []workloads.Request{pageRead(0, 1, 10), func() workloads.Request { r := pageRead(100, 2, 10); r.Limit = 20; return r }()},
			counts{0, 2, 30, 1, 0, 48}},
		{"a reader waits for a page under way", "1", []workloads.Request{pageRead(0, 1, 10), pageRead(5, 2, 10), pageRead(100, 2, 10)},
			counts{1, 1, 20, 1, 1, 28}},
		{"a write overtakes them all", "1", []workloads.Request{pageRead(0, 1, 10), write(5), pageRead(100, 2, 10)},
			counts{0, 2, 40, 1, 0, 56}},
		{"a write outdates them all", "1", []workloads.Request{pageRead(0, 1, 10), write(50), pageRead(100, 2, 10), pageRead(200, 1, 10), pageRead(300, 2, 10)},
			counts{1, 3, 60, 3, 0, 84}},
	} {
		for _, p := range []string{"lru", "folio"} {
			want := x.want
			if p == "folio" && x.name == "a write outdates them all" { // it does not bring page 2 again, which is there
				want = counts{1, 3, 50, 2, 0, 76}
			}
			row := runOne(t, decoded(x.reads...), p+":widen="+x.widen, "100")
			if diff := cmp.Diff(want, counts{row.Hits, row.OriginQueries, row.OriginRows, row.Prefetched, row.PrefetchUsed, int64(row.OriginMS)}); diff != "" {
				t.Errorf("%s, %s: %s", p, x.name, diff)
			}
		}
	}
}

func TestAReaderWaitsForTheRestOfAWideLoad(t *testing.T) {
	row := runOne(t, decoded(pageRead(0, 1, 10), pageRead(5, 2, 10), pageRead(100, 2, 10)), "lru:widen=1", "100")
	if l := row.Latency; l == nil || l.P50 < 23*.94 || l.P50 > 23*1.06 { // waits of 28, 23 and 0 ms
		t.Errorf("%+v", row.Latency)
	}
}

// TestPagesBroughtAlongAreNeverStale replays walks through lists that are written to.
func TestPagesBroughtAlongAreNeverStale(t *testing.T) {
	r := seed.Random(t)
	for _, clock := range []int{0, 1} {
		var requests []workloads.Request
		for ms := 0; ms < 6000; ms++ {
			if r.IntN(30) == 0 {
				requests = append(requests, inList(write(ms*clock), r.IntN(9)))
			}
			list, last := r.IntN(9), 1+r.IntN(6)
			for n := 1; n <= last; n++ {
				requests = append(requests, inList(pageRead(ms*clock, n, rowsOf(r, n)), list))
			}
		}
		trace := decoded(requests...)
		for _, p := range everyPolicy() {
			for _, s := range []string{"3", "20", "9000B"} {
				if p == "folio" {
					p += ":geometry=plain"
				}
				param := ":widen="
				if strings.Contains(p, ":") {
					param = ",widen="
				}
				one, wide := runOne(t, trace, p+param+"0", s), runOne(t, trace, p+param+"2", s)
				if short := mortal(t, trace, p+param+"2", s); clock > 0 && (short.StaleServed != 0 || s == "20" && p != "none" && short.Hits >= wide.Hits) {
					t.Errorf("%s at %s: %d stale reads and %d hits with a time to live", p, s, short.StaleServed, short.Hits)
				}
				if wide.StaleServed != 0 || wide.Hits+wide.Misses != one.Requests || wide.PrefetchUsed > min(wide.Prefetched, wide.Requests-wide.OriginQueries) {
					t.Errorf("%s at %s: %+v", p, s, wide)
				}
				if p != "none" && s == "20" && wide.PrefetchUsed == 0 || p == "lru" && wide.OriginQueries >= one.OriginQueries {
					t.Errorf("%s at %s: %d pages used, %d queries instead of %d", p, s, wide.PrefetchUsed, wide.OriginQueries, one.OriginQueries)
				}
			}
		}
	}
}

// mortal is runOne with copies that live for 50 ms, if the trace has a clock.
func mortal(t *testing.T, trace *Trace, p, s string) Row {
	t.Helper()
	j := Job{Trace: trace, Policy: policy(t, p), Size: size(t, s), Seed: 1}
	if trace.times != nil {
		j.TTL = 50 * time.Millisecond
	}
	rows, err := Run(context.Background(), []Job{j}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows[0]
}

// TestMINKnowsWhenAPageBroughtAlongIsNeeded: every list is walked once, page by page.
func TestMINKnowsWhenAPageBroughtAlongIsNeeded(t *testing.T) {
	var requests []workloads.Request
	for list := range 50 {
		for n := 1; n <= 6; n++ {
			requests = append(requests, inList(pageRead(0, n, 10), list))
		}
	}
	for _, p := range []string{"lru", "opt", "opt:bypass=on"} {
		name, params, _ := strings.Cut(p, ":")
		row := runOne(t, decoded(requests...), strings.Trim(name+":widen=5,"+params, ","), "12")
		if row.Misses != 50 {
			t.Errorf("%s: %d misses, want one a list", p, row.Misses)
		}
	}
}

func inList(r workloads.Request, n int) workloads.Request {
	r.Scope = fmt.Sprint("shop ", n)
	return r
}

func rowsOf(r *rand.Rand, page int) int {
	if page == 6 {
		return r.IntN(10)
	}
	return 10
}

func TestWhatCannotBeReplayedIsAnError(t *testing.T) {
	for _, text := range []string{"lru:widen=-1", "lru:widen=17", "lru:widen=x", "folio:widen=5", "folio:widen=-1", "folio:widen=x"} {
		if _, err := ParsePolicy(text); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, ttl := range []time.Duration{-time.Second, time.Microsecond} {
		if err := (Job{Trace: decoded(pageRead(1, 1, 1)), Policy: policy(t, "lru"), Size: size(t, "5"), TTL: ttl}).Check(); !errors.Is(err, ErrConfig) {
			t.Errorf("a time to live of %s: %v", ttl, err)
		}
	}
	j := Job{Trace: traceOf(event{id: 1}), Policy: policy(t, "lru:widen=1"), Size: size(t, "5")}
	if err := j.Check(); !errors.Is(err, ErrConfig) {
		t.Errorf("a key trace is widened: %v", err)
	}
}
