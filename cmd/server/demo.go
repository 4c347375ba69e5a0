package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/cmd/server/internal/tickets"
)

// demoCmd is server demo.
type demoCmd struct {
	common
	DB      string        `name:"db" placeholder:"URL" help:"Database, as of serve."`
	Seed    uint64        `default:"1" help:"Of rows and of traffic."`
	For     time.Duration `default:"15s" help:"How long there is traffic."`
	Readers int           `default:"8" help:"That read at once."`
	Writes  float64       `default:"0.01" help:"The share of requests that change something, 0 to 1."`
	Stay    bool          `help:"Go on until it is stopped, for a look at the dashboard."`
}

// Run serves the tickets API, and asks it.
func (c *demoCmd) Run(s *streams) error {
	made, err := c.read()
	if err != nil {
		return err
	}
	if c.Readers < 1 || c.Writes < 0 || c.Writes > 1 || c.For <= 0 {
		return fmt.Errorf("%w: want --readers of 1 or more, --writes of 0 to 1, --for above 0", errUsage)
	}
	made.Log.Level = max(made.Log.Level, 4) // warnings: the tale is told on stdout
	made.DB = c.DB
	a, err := openTickets(s, made, c.Seed, c.Check)
	if err != nil || c.Check {
		return checked(err, s)
	}
	defer a.close()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	where := make(chan []string, 1)
	a.listening = func(addresses []string) { where <- addresses }
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx, a.handler, a.api.Explain, a.api.Tags) }()
	select {
	case err := <-ended:
		return err
	case addresses := <-where:
		d := &demo{out: s.stdout, api: "http://" + addresses[0], cache: a.cache, seed: c.Seed, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: c.Readers + 1}, Timeout: 10 * time.Second}}
		if len(addresses) > 1 {
			fmt.Fprintf(s.stdout, "The API is at %s, the dashboard at http://%s/\n", d.api, addresses[1])
		}
		if err = d.tell(s.ctx, c); err == nil && c.Stay {
			fmt.Fprintln(s.stdout, "\nTraffic goes on. Stop with ctrl-c.")
			d.wander(s.ctx, rand.New(rand.NewPCG(c.Seed, 99)), c.Writes, new(seen))
		}
	}
	cancel()
	return errors.Join(err, <-ended)
}

// demo asks the API and tells what happens.
type demo struct {
	out    io.Writer
	api    string
	cache  *folio.Cache
	client *http.Client
	seed   uint64
}

// answerOf is what the API said to one request.
type answerOf struct {
	status, cache string
	took          time.Duration
	items         int
	first         int64 // id
}

func (d *demo) ask(ctx context.Context, method, path, body string) (a answerOf, err error) {
	q, err := http.NewRequestWithContext(ctx, method, d.api+path, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	began := time.Now()
	p, err := d.client.Do(q)
	if err != nil {
		return a, err
	}
	defer p.Body.Close()
	text, err := io.ReadAll(p.Body)
	a = answerOf{status: p.Status, cache: p.Header.Get("Cache-Status"), took: time.Since(began)}
	var l struct{ Items []struct{ ID int64 } }
	if json.Unmarshal(text, &l) == nil && len(l.Items) > 0 {
		a.items, a.first = len(l.Items), l.Items[0].ID
	}
	return a, err
}

// tell goes through the story step by step, and then lets many read at once.
func (d *demo) tell(ctx context.Context, c *demoCmd) error {
	const page = "/api/tickets?user=1&page=%d&limit=10&sort=-created_at"
	var first int64
	step := func(what, method, path, body string) error {
		before := d.cache.Stats()
		a, err := d.ask(ctx, method, path, body)
		if err != nil {
			return err
		}
		if first == 0 {
			first = a.first
		}
		after := d.cache.Stats()
		fmt.Fprintf(d.out, "\n%s\n  %s %s\n  %s in %s; %s\n", what, method, path, a.status, a.took.Round(10*time.Microsecond), or(a.cache, "no cache involved"))
		if n := after.Loads - before.Loads; n > 0 {
			fmt.Fprintf(d.out, "  the database was asked %d time(s), which brought %d page(s) along\n", n, after.Brought-before.Brought)
		}
		if n := after.Invalidations - before.Invalidations; n > 0 {
			fmt.Fprintf(d.out, "  %d lists were outdated: all their pages, sorts, filters and limits at once\n", n)
		}
		return nil
	}
	for _, s := range []struct{ what, method, path, body string }{
		{"A page nobody has asked for: a miss, so the database is asked.", "GET", fmt.Sprintf(page, 1), ""},
		{"The same page again: a hit.", "GET", fmt.Sprintf(page, 1), ""},
		{"The same page in another spelling: one key.", "GET", "/api/tickets?sort=-created_at&limit=10&page=01&user=1&utm_source=mail", ""},
		{"The next page: it was brought along before anybody asked.", "GET", fmt.Sprintf(page, 2), ""},
		{"Another user's page: another key, whatever else is the same.", "GET", strings.Replace(fmt.Sprintf(page, 1), "user=1", "user=2", 1), ""},
		{"A write.", "PATCH", "/api/tickets/%d", `{"title":"changed by the demo"}`},
		{"The page after it: never what was there before the write.", "GET", fmt.Sprintf(page, 1), ""},
		{"A request that means nothing.", "GET", "/api/tickets?user=1&page=-1", ""},
	} {
		if strings.Contains(s.path, "%d") {
			s.path = fmt.Sprintf(s.path, first)
		}
		if err := step(s.what, s.method, s.path, s.body); err != nil {
			return stopped(ctx, err)
		}
	}
	return stopped(ctx, d.crowd(ctx, c))
}

// stopped says that somebody who stops the demo does nothing wrong.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// crowd lets many read at once, and tells each second how it goes.
func (d *demo) crowd(ctx context.Context, c *demoCmd) error {
	fmt.Fprintf(d.out, "\nNow %d readers for %s; one request in %.0f is a write.\n\n", c.Readers, c.For, 1/max(c.Writes, 1e-9))
	ctx, cancel := context.WithTimeout(ctx, c.For)
	defer cancel()
	var wg sync.WaitGroup
	seen := &seen{}
	for i := range c.Readers {
		wg.Go(func() { d.wander(ctx, rand.New(rand.NewPCG(d.seed, uint64(i))), c.Writes, seen) })
	}
	fmt.Fprintf(d.out, "%8s %9s %10s %12s %10s %10s  %s\n", "second", "reads/s", "hit ratio", "database/s", "hit p50", "miss p50", "rules")
	last, tick := d.cache.Stats(), time.NewTicker(time.Second)
	defer tick.Stop()
	for second := 1; ctx.Err() == nil; second++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			continue
		}
		now := d.cache.Stats()
		reads, hits := now.Hits+now.Misses+now.Joined-last.Hits-last.Misses-last.Joined, now.Hits-last.Hits
		hit, miss := seen.take()
		fmt.Fprintf(d.out, "%8d %9d %9.1f%% %12d %10s %10s  %s\n", second, reads, 100*float64(hits)/float64(max(1, reads)), now.Loads-last.Loads, hit, miss, now.Ruling)
		last = now
	}
	wg.Wait()
	d.sum()
	return nil
}

// seen are latencies of the last second.
type seen struct {
	mu           sync.Mutex
	hits, misses []time.Duration
}

func (s *seen) add(a answerOf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(a.cache, "; hit") {
		s.hits = append(s.hits, a.took)
	} else if a.cache != "" {
		s.misses = append(s.misses, a.took)
	}
}

func (s *seen) take() (hit, miss time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	median := func(all []time.Duration) time.Duration {
		slices.Sort(all)
		if len(all) == 0 {
			return 0
		}
		return all[len(all)/2].Round(time.Microsecond)
	}
	hit, miss = median(s.hits), median(s.misses)
	s.hits, s.misses = s.hits[:0], s.misses[:0]
	return hit, miss
}

// wander is one reader after another: each opens a list, goes on for some pages, and sometimes changes something.
func (d *demo) wander(ctx context.Context, random *rand.Rand, writes float64, seen *seen) {
	users := rand.NewZipf(random, 1.2, 4, uint64(tickets.DefaultSizes.Users-1))
	for ctx.Err() == nil {
		list := fmt.Sprintf("/api/tickets?user=%d&limit=%d", users.Uint64()+1, []int{10, 10, 20}[random.IntN(3)])
		if random.IntN(5) == 0 {
			list += "&status=" + tickets.Statuses[random.IntN(len(tickets.Statuses))]
		}
		for page := 1; page <= 12; page++ {
			a, err := d.ask(ctx, "GET", fmt.Sprintf("%s&page=%d", list, page), "")
			if err != nil {
				return
			}
			seen.add(a)
			if random.Float64() < writes && a.first > 0 {
				_, _ = d.ask(ctx, "PATCH", fmt.Sprintf("/api/tickets/%d", a.first), `{"status":"paid"}`)
			}
			if a.items == 0 || random.IntN(100) < 45 {
				break
			}
			time.Sleep(time.Duration(random.IntN(4)) * time.Millisecond)
		}
	}
}

// sum tells how it went in all.
func (d *demo) sum() {
	s := d.cache.Stats()
	reads := s.Hits + s.Misses + s.Joined
	fmt.Fprintf(d.out, "\n%d reads, of which %.1f %% were hits; the database was asked %d times instead of %d.\n", reads, 100*float64(s.Hits)/float64(max(1, reads)), s.Loads, reads)
	fmt.Fprintf(d.out, "Loads brought %d pages along, %d of them were asked for; %d invalidations; %d loads were overtaken by a write and not stored.\n\n", s.Brought, s.Used, s.Invalidations, s.Revoked)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "depth\treads\thit ratio\t")
	for _, depth := range s.Depths {
		if n := depth.Hits + depth.Misses; n > 0 {
			fmt.Fprintf(w, "%s\t%d\t%.1f %%\t\n", depth.Depth, n, 100*float64(depth.Hits)/float64(n))
		}
	}
	fmt.Fprintln(w, "\t\t\t")
	fmt.Fprintln(w, "strategy\talone it would hit\tconfidence\t")
	for _, t := range s.Strategies {
		mark := ""
		if t.Name == s.Ruling {
			mark = " (rules)"
		}
		fmt.Fprintf(w, "%s%s\t%.1f %%\t%.2f\t\n", t.Name, mark, 100*float64(t.Hits)/float64(max(1, t.Hits+t.Misses)), t.Confidence)
	}
	_ = w.Flush()
}
