// Feed is a public feed by state and type with what hangs on it: the page of an event, a leaderboard
// and analytics. What a change outdates is said once, as data.
package main

import (
	"context"
	"fmt"
	"log"
	"slices"
	"strings"
	"sync"

	"github.com/foliocache/folio"
)

// Event is a row.
type Event struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Type  string `json:"type"`
	Sold  int    `json:"sold"`
}

// ruled says what a change of an entity outdates. Lists that show an event need not be named: their
// pages carry the tags of their rows.
var ruled = folio.Rules{
	"event":  {"event:{id}", "key:analytics:{id}", "leaderboard"},
	"ticket": {"event:{event}", "key:analytics:{event}", "leaderboard", "tickets:user:{user}"},
}

// database stands for one, and counts what it is asked.
type database struct {
	mu      sync.Mutex
	events  []Event
	queries int
}

// ask runs a query.
func (d *database) ask(f func(events []Event)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queries++
	f(d.events)
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	db := new(database)
	for i := range 200 {
		db.events = append(db.events, Event{fmt.Sprint(i), []string{"open", "sold out", "over"}[i%3], []string{"concert", "talk"}[i%2], i * 37 % 101})
	}
	cache, err := folio.New(folio.Config{MaxBytes: 16 << 20, OnHeap: true, Rules: ruled})
	if err != nil {
		return err
	}
	defer cache.Close(ctx)
	feed, err := folio.NewList(cache, folio.ListConfig[Event]{Name: "events", Filters: []string{"state", "type"},
		RowTags: func(e Event) []folio.Tag { return []folio.Tag{folio.Tag("event:" + e.ID)} }, // a change in place outdates the pages that show it
		Finer:   true,
		Load: func(_ context.Context, q folio.Query, r folio.Range) (rows []Event, _ error) {
			db.ask(func(events []Event) {
				for _, e := range events {
					if s, t := q.FilterValues("state"), q.FilterValues("type"); (len(s) == 0 || slices.Contains(s, e.State)) && (len(t) == 0 || slices.Contains(t, e.Type)) {
						rows = append(rows, e)
					}
				}
			})
			return rows[min(r.Offset, len(rows)):min(r.Offset+r.Limit, len(rows))], nil
		}})
	if err != nil {
		return err
	}
	leaders, err := folio.NewList(cache, folio.ListConfig[Event]{Name: "leaders", Limit: 3, Tags: func(folio.Query) []folio.Tag { return []folio.Tag{"leaderboard"} },
		Load: func(_ context.Context, _ folio.Query, r folio.Range) (rows []Event, _ error) {
			db.ask(func(events []Event) {
				rows = slices.SortedFunc(slices.Values(events), func(a, b Event) int { return b.Sold - a.Sold })
			})
			return rows[min(r.Offset, len(rows)):min(r.Offset+r.Limit, len(rows))], nil
		}})
	if err != nil {
		return err
	}
	analytics := folio.Memoize(cache, "analytics", func(_ context.Context, id string) (sold int, err error) {
		err = folio.ErrNotFound
		db.ask(func(events []Event) {
			for _, e := range events {
				if e.ID == id {
					sold, err = e.Sold, nil
				}
			}
		})
		return sold, err
	})
	visit := func(what string) error {
		before, line := db.queries, []string{}
		for _, p := range []folio.Params{
			{Filters: map[string][]string{"state": {"open"}}},
			{Filters: map[string][]string{"state": {"open", "sold out"}, "type": {"concert"}}, Page: 2},
			{Filters: map[string][]string{"type": {"talk"}}},
		} {
			p.Scope = folio.Public
			q, err := feed.Query(p)
			if err != nil {
				return err
			}
			page, err := feed.Page(ctx, q)
			if err != nil {
				return err
			}
			line = append(line, page.Source.String())
		}
		q, err := leaders.Query(folio.Params{Scope: folio.Public})
		if err != nil {
			return err
		}
		top, err := leaders.Page(ctx, q)
		if err != nil {
			return err
		}
		sold, err := analytics(ctx, "3")
		if err != nil {
			return err
		}
		fmt.Printf("%-32s feeds: %-16s leader %s: %d, event 3: %d sold; %d queries\n", what, strings.Join(line, " "), top.Items[0].ID, top.Items[0].Sold, sold, db.queries-before)
		return nil
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"first visit", func() error { return nil }},
		{"again", func() error { return nil }},
		{"a ticket of event 3 is sold", func() error {
			db.events[3].Sold = 1000
			return cache.Changed(ctx, "ticket", map[string]string{"event": "3", "user": "7"})
		}},
		{"again", func() error { return nil }},
		{"an event is appended", func() error {
			db.events = append(db.events, Event{ID: "200", State: "open", Type: "talk"})
			return feed.InvalidateTail(ctx, folio.Public)
		}},
	} {
		if err := step.do(); err != nil {
			return err
		}
		if err := visit(step.what); err != nil {
			return err
		}
	}
	reach, err := cache.Reach("ticket", map[string]string{"event": "3", "user": "7"})
	fmt.Println("a ticket's change reaches", reach)
	return err
}
