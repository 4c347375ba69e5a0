package folio

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// told is a row that carries the version of its scope.
type told struct {
	ID int
	V  int64
}

// ledger is an origin of lists for some scopes, and what is known of them outside the cache: which version each
// is at, and which one was told.
type ledger struct {
	keyset, rowTags, finer, tags, intend, modes bool
	grace, dir                                  bool
	exact, verify                               int
	folder                                      string

	cache  *Cache
	list   *List[told]
	writes [6]sync.Mutex
	at     [6]atomic.Int64
	acked  [6]atomic.Int64
	rows   [6]atomic.Int64
	loads  atomic.Int64
	pages  *atomic.Int64 // that were answered and looked at, of all ledgers
}

func (o *ledger) open(t *testing.T) {
	config := small()
	config.Exact, config.VerifyOneIn, config.MaxLoads, config.MaxShare, config.StaleIfError = o.exact, o.verify, 4, .3, time.Second
	config.WarmBudget = 1
	if o.dir {
		config.Dir, config.SaveEvery = o.folder, time.Millisecond
	}
	o.cache = open(t, config)
	list := ListConfig[told]{Name: "told", Limit: 5, MaxLimit: 20, Finer: o.finer, TTL: 50 * time.Millisecond, EmptyTTL: 20 * time.Millisecond, Load: o.load}
	if o.grace {
		list.StaleWhileRevalidate, list.StaleAfterWrite = 30*time.Millisecond, 5*time.Millisecond
	}
	if o.keyset {
		list.Cursor = func(r told) string { return strconv.Itoa(r.ID + 1) }
	}
	if o.tags {
		list.Tags = func(q Query) []Tag { return []Tag{Tag("all of " + q.Scope.ID)} }
	}
	if o.rowTags {
		list.RowTags = func(r told) []Tag { return []Tag{Tag("row:" + strconv.Itoa(r.ID))} }
	}
	var err error
	if o.list, err = NewList(o.cache, list); err != nil {
		t.Fatal(err)
	}
	if err := o.cache.Depend(o.list.Tag(user(1)), "above"); err != nil {
		t.Fatal(err)
	}
	o.loads.Store(0)
}

// load is slow now and then, or fails in one of several ways; for one scope it minds the query alone.
func (o *ledger) load(_ context.Context, q Query, r Range) (all []told, _ error) {
	o.loads.Add(1)
	i, _ := strconv.Atoi(q.Scope.ID)
	v, rows := o.at[i].Load(), int(o.rows[i].Load())
	switch rand.IntN(60) {
	case 0:
		return nil, errors.New("broken")
	case 1:
		panic("broken")
	case 2:
		runtime.Goexit()
	}
	if rand.IntN(3) == 0 {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
	}
	from, _ := strconv.Atoi(r.Cursor)
	from = max(from, r.Offset)
	if i == 5 {
		r.Limit = q.Limit
	}
	for id := from; id < min(rows, from+r.Limit); id++ {
		all = append(all, told{id, v})
	}
	return all, nil
}

// write changes a scope and tells of it in one of the ways there are.
func (o *ledger) write(i int) (err error) {
	o.writes[i].Lock()
	defer o.writes[i].Unlock()
	var intent *Intent
	if o.intend && rand.IntN(2) == 0 {
		if intent, err = o.list.Intend(background, user(i)); err != nil {
			return err
		}
	}
	if !o.rowTags {
		o.rows[i].Store(int64(rand.IntN(60)))
	}
	v := o.at[i].Add(1)
	switch how := rand.IntN(6); {
	case intent != nil:
		err = intent.Done()
	case how == 0 && i == 1:
		err = o.cache.InvalidateTags(background, "above")
	case how == 1 && o.tags && !o.finer:
		err = o.cache.InvalidateTags(background, Tag("all of "+strconv.Itoa(i)))
	case how == 2:
		err = o.cache.Flush()
	case how == 3 && o.finer:
		err = o.list.InvalidateFrom(background, user(i), 0)
	case how == 4 && o.rowTags:
		var rows []Tag
		for id := range 60 {
			rows = append(rows, Tag("row:"+strconv.Itoa(id)))
		}
		err = o.cache.InvalidateTags(background, rows...)
	default:
		_, err = o.list.Invalidate(background, user(i))
	}
	o.acked[i].Store(v)
	return err
}

// read asks for a page, and says what is wrong with it.
func (o *ledger) read() (fault error) {
	i, limit := rand.IntN(len(o.rows)), []int{5, 10}[rand.IntN(2)]
	p, from := Params{Scope: user(i), Limit: limit}, rand.IntN(6)*limit
	if o.keyset && from > 0 {
		p.Cursor = strconv.Itoa(from)
	} else {
		p.Offset = from
	}
	q, err := o.list.Query(p)
	if err != nil {
		return err
	}
	ctx := background
	if rand.IntN(10) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 100*time.Microsecond)
		defer cancel()
	}
	defer func() { _ = recover() }() // of a loader that panicked
	least := o.acked[i].Load()
	if o.grace {
		least-- // one write may be missing
	}
	got, err := o.list.Page(ctx, q)
	if err != nil {
		return nil // they are meant to happen
	}
	o.pages.Add(1)
	for n, r := range got.Items {
		if r.V < least || r.ID != from+n {
			return fmt.Errorf("%s: a %s has row %d of version %d; want row %d of %d or later", q, got.Source, r.ID, r.V, from+n, least)
		}
	}
	return nil
}

// TestNoPageBroughtAlongIsOlderThanWhatWasAcknowledged: pages that loads bring along among them, and loads that nobody waits for, told
// of in all ways, while loads fail, readers give up, hits are verified, modes are switched and contents are saved; before restarts and
// after, or kills. Nothing is left over.
func TestNoPageBroughtAlongIsOlderThanWhatWasAcknowledged(t *testing.T) {
	operations := 500
	if text := os.Getenv("OPERATIONS"); text != "" { // of each reader
		operations, _ = strconv.Atoi(text)
	}
	restored, pages := int64(0), atomic.Int64{}
	for n := range 24 {
		on := func(bit int) bool { return n>>bit&1 == 1 }
		o := &ledger{pages: &pages, keyset: on(0), rowTags: on(1), finer: on(2), tags: on(3), intend: n%3 == 0, modes: on(4),
			grace: n/3%2 == 1, dir: n%4 < 2, folder: t.TempDir(), exact: []int{0, sampled}[n%2], verify: []int{0, 3}[n/2%2]}
		for i := range o.rows {
			o.rows[i].Store(47)
		}
		t.Run(fmt.Sprintf("keyset=%t,rowTags=%t,finer=%t,tags=%t,modes=%t,grace=%t,dir=%t", o.keyset, o.rowTags, o.finer, o.tags, o.modes, o.grace, o.dir), func(t *testing.T) {
			for life := range 3 {
				o.open(t)
				if o.dir {
					restored += o.cache.keeper.restored
				}
				o.live(t, operations/3)
				if life == 1 && o.dir {
					abandon(t, o.cache)
				}
				o.left(t)
			}
		})
	}
	if t.Logf("%d pages", pages.Load()); restored == 0 || pages.Load() < int64(operations)*24 {
		t.Errorf("%d entries came back, %d pages were looked at", restored, pages.Load())
	}
}

// live has readers and a writer at work.
func (o *ledger) live(t *testing.T, operations int) {
	var readers sync.WaitGroup
	done := make(chan bool)
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Duration(rand.IntN(2000)) * time.Microsecond):
			}
			if err := o.write(rand.IntN(len(o.rows))); err != nil {
				t.Error(err)
			}
			if o.modes && rand.IntN(4) == 0 {
				_ = o.cache.SetMode(Mode(rand.IntN(len(modes))))
			}
		}
	})
	for range 6 {
		readers.Go(func() {
			for range operations {
				if err := o.read(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Wait()
	close(done)
	writer.Wait()
}

// left checks that no load is left, and that all were counted.
func (o *ledger) left(t *testing.T) {
	c := o.cache
	if err := c.Close(background); err != nil { // waits for them
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.calls) > 0 || !c.loads.TryAcquire(4) {
		t.Errorf("%d calls are left, or turns of loads", len(c.calls))
	}
	if n := c.counts.loads.Load(); n != o.loads.Load() {
		t.Errorf("%d loads are counted, the loader was called %d times", n, o.loads.Load())
	}
}
