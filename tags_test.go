package folio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAnEventsChangeReachesAllThatShowsIt: the rules of a ticketing platform, with a cycle.
func TestAnEventsChangeReachesAllThatShowsIt(t *testing.T) {
	c := open(t, small())
	l, origin := tickets(t, c, func(c *ListConfig[row]) {
		c.Tags = func(q Query) []Tag { return []Tag{"status:" + Tag(q.Filter("status"))} }
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Depend(KeyTag("event:42"), "event:42"))
	must(c.Depend(l.Tag(someone), "event:42", "city:7"))
	must(c.Depend("city:7", l.Tag(someone)))
	must(c.Depend("analytics", "city:7"))
	reached, err := c.Cascade("event:42")
	slices.Sort(reached[1:])
	if diff := cmp.Diff([]Tag{"event:42", "analytics", "city:7", "key:event:42", "tickets:user:1"}, reached); diff != "" || err != nil {
		t.Error(err, diff)
	}
	load := func(s Scope, query string) int64 {
		t.Helper()
		before := origin.loads.Load()
		_, err := l.Page(background, parse(t, l, s, query))
		must(err)
		return origin.loads.Load() - before
	}
	for _, test := range []struct {
		change Tag
		event  bool             // outlives it
		loads  map[string]int64 // of someone's pages, by query; of the public's
		public int64
	}{
		{"nothing", true, map[string]int64{"": 0, "status=open": 0}, 0},
		{"event:42", false, map[string]int64{"": 1, "status=open": 1}, 0},
		{"status:open", true, map[string]int64{"": 0, "status=open": 1}, 1},
		{"city:7", true, map[string]int64{"": 1, "status=open": 1}, 0},
		{l.Tag(Public), true, map[string]int64{"": 0, "status=open": 0}, 1},
	} {
		must(c.Set("event:42", nil))
		for query := range test.loads {
			load(someone, query)
		}
		load(Public, "status=open")
		must(c.InvalidateTags(background, test.change))
		if _, ok := c.GetIfPresent(nil, "event:42"); ok != test.event {
			t.Errorf("%s: the event is there %v", test.change, ok)
		}
		for query, want := range test.loads {
			if got := load(someone, query); got != want {
				t.Errorf("%s: %d loads of %q, want %d", test.change, got, query, want)
			}
		}
		if got := load(Public, "status=open"); got != test.public {
			t.Errorf("%s: %d loads for the public, want %d", test.change, got, test.public)
		}
	}
}

func TestACascadeIsBounded(t *testing.T) {
	c := open(t, small())
	for i := range 10_000 {
		if err := c.Depend(Tag(fmt.Sprint("leaf:", i)), "root"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Cascade("root"); !errors.Is(err, ErrCascade) {
		t.Errorf("got %v", err)
	}
	if err := c.InvalidateTags(background, "fine", "root"); !errors.Is(err, ErrCascade) {
		t.Errorf("got %v", err)
	}
	if n := c.Stats().Invalidations; n != 0 {
		t.Errorf("%d tags were invalidated, want none", n)
	}
}

// TestAReplicaThatLagsIsAskedAgain: what was loaded from it within the lag does not outlive that.
func TestAReplicaThatLagsIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		replica := 1
		l, err := NewList(c, ListConfig[int]{Name: "rows", Load: func(context.Context, Query, Range) ([]int, error) { return []int{replica}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		q, err := l.Query(Params{Scope: someone})
		if err != nil {
			t.Fatal(err)
		}
		read := func(want int) {
			t.Helper()
			p, err := l.Page(background, q)
			if err != nil || p.Items[0] != want {
				t.Errorf("got %v, %v; want %d", p.Items, err, want)
			}
		}
		read(1)
		for range 2 { // the second write puts the end of the lag off
			if _, err := l.InvalidateAfter(background, someone, 2*time.Second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			read(1)
		}
		replica = 2
		read(1)
		time.Sleep(time.Second)
		read(2)
		if n := c.Stats().Invalidations; n != 3 {
			t.Errorf("%d invalidations, want 3", n)
		}
		if _, err := l.InvalidateAfter(background, someone, time.Hour); err != nil {
			t.Fatal(err)
		}
	}) // Close does not wait for the hour
}
