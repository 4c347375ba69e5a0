package folio

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/seed"
)

// TestListsHitWhatTheBooksAloneHit: one goroutine; the list with all its bytes does what a bare core does, and
// asks its loader for the same pages.
func TestListsHitWhatTheBooksAloneHit(t *testing.T) {
	for _, exact := range []int{0, sampled} {
		synctest.Test(t, func(t *testing.T) {
			r := seed.Random(t)
			config := small()
			config.Seed, config.Exact = 7, exact
			c := open(t, config)
			c.journal.strict = true
			const query, each = 10 * time.Millisecond, time.Millisecond
			var asked []Range
			l, _ := walked(t, c, func(c *ListConfig[row]) {
				load := c.Load
				c.NoWarm, c.MaxAhead = false, 1 // and the rest is for loads that nobody waits for
				c.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
					asked = append(asked, r)
					rows, err := load(ctx, q, r)
					time.Sleep(query + time.Duration(len(rows))*each)
					return rows, err
				}
			})
			bare := &books[row]{bareCore(t, c), l}
			bare.core.List(l.rules)
			hits, brought, s, page := 0, 0, Scope{}, 5
			for i := range 20_000 {
				if page++; page > 5 || r.IntN(10) < 3 { // most go on
					s, page = user(int(r.ExpFloat64()*100)), 1+int(r.ExpFloat64()*1.2)
				}
				if r.IntN(50) == 0 {
					if _, err := l.Invalidate(background, s); err != nil {
						t.Fatal(err)
					}
					if _, err := bare.core.Invalidate(0, c.number(l.Tag(s))); err != nil {
						t.Fatal(err)
					}
					due := bare.due()
					time.Sleep(time.Second)
					synctest.Wait()
					bare.again(t, due, query, each)
				}
				q := parse(t, l, s, "page="+strconv.Itoa(min(page, 5)))
				asked = nil
				p, err := l.Page(background, q)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) // what nobody waits for is loaded
				synctest.Wait()
				hit, pages := bare.read(t, q, query, each)
				if hit != (p.Source == Hit) || !hit && asked[0].Limit != pages*q.Limit {
					t.Fatalf("read %d of %s: %s, the loader is asked for %v; the bare core hits: %v, and asks for %d pages", i, q, p.Source, asked, hit, pages)
				}
				if hit {
					hits++
				}
				brought = max(brought, pages-1)
			}
			if hits < 5000 || hits > 18_000 || brought == 0 || bare.core.Arena().Composite().Evicted == 0 {
				t.Errorf("%d hits, %d pages brought at once, %d evicted", hits, brought, bare.core.Arena().Composite().Evicted)
			}
			got := c.Stats()
			if n := bare.core.Ahead; n.WarmedUsed == 0 || n.AgainUsed == 0 || got.Warmed != (WarmStats{n.Warmed, n.WarmedUsed}) || got.Rewarmed != (WarmStats{n.Again, n.AgainUsed}) {
				t.Errorf("loads that nobody waited for: %+v, %+v; of the bare core: %+v", got.Warmed, got.Rewarmed, n)
			}
		})
	}
}

// books is a bare core that is asked for the pages of a list.
type books[T any] struct {
	core *core.Core
	list *List[T]
}

// read asks for a page, and loads it and those behind it as a list does.
func (b *books[T]) read(t *testing.T, q Query, query, each time.Duration) (hit bool, pages int) {
	id, _ := b.list.loading(q)
	asked := id.query(0)
	a := b.core.Lookup(&asked)
	if a.Action != core.Serve {
		b.core.Earn()
		return false, b.load(t, q, a.Flight, a.Ahead, true, query, each)
	}
	if a.Next {
		q.Offset += q.Limit
		q.text = string(q.canonical(nil))
		q = b.list.know(q)
		id, _ := b.list.loading(q)
		if next := id.query(0); !b.core.Held(&next) {
			f, ahead := b.core.Warm(&next, &asked)
			b.load(t, q, f, ahead, false, query, each)
		}
	}
	return true, 0
}

// due returns what is due after a write, and its keys; without those whose bytes are gone, and with them what they
// were.
func (b *books[T]) due() map[string]core.Due {
	c, due := b.list.cache, map[string]core.Due{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for d, ok := b.core.Due(); ok; d, ok = b.core.Due() {
		if key := c.stored(d.Key); key != "" {
			due[key] = d
		}
	}
	return due
}

// again loads what is due.
func (b *books[T]) again(t *testing.T, due map[string]core.Due, query, each time.Duration) {
	for key, d := range due {
		q, ok := b.list.read(key)
		if !ok {
			t.Fatalf("%s is due", key)
		}
		id, _ := b.list.loading(q)
		asked := id.query(0)
		f, ahead := b.core.Again(d, &asked)
		b.load(t, q, f, ahead, false, query, each)
	}
}

// load brings a page and those behind it.
func (b *books[T]) load(t *testing.T, q Query, f core.Flight, ahead int, waited bool, query, each time.Duration) (pages int) {
	w, id := b.list.wide(q, nil), q.known.id
	ids, flights, last := []identity{id}, []core.Flight{f}, false
	for i, next := range w.behind(min(ahead, w.most) + 1) {
		of := next.query(0)
		if b.core.Held(&of) {
			break
		}
		if last = i == min(ahead, w.most); last {
			break
		}
		ids, flights = append(ids, next), append(flights, b.core.Branch(f, &of, i+1))
	}
	all, err := b.list.config.Load(background, q, Range{Offset: q.Offset, Limit: q.Limit * len(ids)})
	if err != nil {
		t.Fatal(err)
	}
	if waited {
		b.core.Took(id.list, id.depth, float64(len(all)), float64(query+time.Duration(len(all))*each), core.Alone)
	}
	for i, f := range flights {
		rows := all[min(len(all), i*q.Limit):min(len(all), (i+1)*q.Limit)]
		if i > 0 && len(rows) == 0 {
			b.core.Fail(f)
			continue
		}
		p, err := b.list.page(q, rows)
		if err != nil {
			t.Fatal(err)
		}
		e := entry{body: p.body, key: []byte(ids[i].text), stamps: make(stamps, stampSize)}
		b.core.Complete(f, core.Loaded{Query: ids[i].query(0), Size: uint32(e.size()), Replace: true, Last: last && i == len(flights)-1 && p.full})
	}
	return len(ids)
}
