package folio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier"
)

// spoiled is a tier whose values somebody has spoiled.
type spoiled struct {
	tier.Tier
	spoil func([]byte) []byte
}

func (s *spoiled) Read(ctx context.Context, q tier.Question) (tier.Answer, error) {
	a, err := s.Tier.Read(ctx, q)
	for i := range a.Values {
		if v := &a.Values[i]; v.Body != nil && s.spoil != nil {
			v.Body = s.spoil(slices.Clone(v.Body))
		}
	}
	return a, err
}

// all reads what there is of two lists, and waits until that is in the tier.
func all(t *testing.T, long *folio.List[string], ended *folio.List[int]) string {
	t.Helper()
	q, err := long.Query(folio.Params{Scope: folio.Public})
	if err != nil {
		t.Fatal(err)
	}
	p, err := long.Page(t.Context(), q)
	said := fmt.Sprint(p.Items, p.Next, err)
	for page := range 4 {
		q, err := ended.Query(folio.Params{Scope: folio.Public, Page: page + 1})
		if err != nil {
			t.Fatal(err)
		}
		p, err := ended.Page(t.Context(), q)
		said += fmt.Sprint(p.Items, err)
	}
	q, _ = ended.Query(folio.Params{Scope: folio.Public})
	n, err := ended.Total(t.Context(), q)
	time.Sleep(time.Second)
	return said + fmt.Sprint(n, err)
}

// TestSharedPagesAreWhole: their place, cursors, tags that rows revealed, times to live and large bodies survive the tier.
func TestSharedPagesAreWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := tier.NewMemory(4)
		loads := 0
		begin := func() (*folio.Cache, *folio.List[string], *folio.List[int]) {
			s := &site{tier: shared}
			i := s.instance(t, nil)
			long, err := folio.NewList(i.cache, folio.ListConfig[string]{Name: "long", TTL: time.Minute, NoWarm: true, Limit: 3, RowTags: func(row string) []folio.Tag { return []folio.Tag{folio.Tag("row:" + row[:1])} },
				Cursor: func(row string) string { return row[:1] }, Load: func(_ context.Context, q folio.Query, r folio.Range) (rows []string, err error) {
					loads++
					for n := range r.Limit {
						rows = append(rows, fmt.Sprint(n)+string(make([]byte, 2000)))
					}
					return rows, nil
				}})
			if err != nil {
				t.Fatal(err)
			}
			ended, err := folio.NewList(i.cache, folio.ListConfig[int]{Name: "ended", NoWarm: true, Limit: 3, Load: func(_ context.Context, q folio.Query, r folio.Range) ([]int, error) {
				loads++
				return []int{1, 2, 3, 4}[min(4, r.Offset):min(4, r.Offset+r.Limit)], nil
			}, Count: func(context.Context, folio.Query) (int64, error) { loads++; return 4, nil }})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // until it follows the log
			return i.cache, long, ended
		}
		_, long, ended := begin()
		want, asked := all(t, long, ended), loads
		cache, long, ended := begin()
		if got := all(t, long, ended); got != want || loads != asked {
			t.Errorf("%d loads more; %d bytes, want %d", loads-asked, len(got), len(want))
		}
		if err := cache.InvalidateTags(t.Context(), "row:2"); err != nil {
			t.Fatal(err)
		}
		if all(t, long, ended); loads != asked+1 {
			t.Errorf("%d loads after a row was changed", loads-asked)
		}
		if err := cache.InvalidateTags(t.Context(), "row:2"); err != nil {
			t.Fatal(err)
		}
		_, long, ended = begin()
		if all(t, long, ended); loads != asked+2 {
			t.Errorf("%d loads elsewhere after a row was changed again", loads-asked-1)
		}
		time.Sleep(time.Minute)
		asked = loads
		if all(t, long, ended); loads != asked+2 { // and the one of the empty page's
			t.Errorf("%d loads after the times to live", loads-asked)
		}
	})
}

// TestWhereAListEndsIsNotToldByWhatIsBroughtAlong: an empty page that the tier has beside the one that is asked for.
func TestWhereAListEndsIsNotToldByWhatIsBroughtAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{tier: tier.NewMemory(1)}
		read := func(l *folio.List[int], page, limit, want int) {
			t.Helper()
			q, err := l.Query(folio.Params{Scope: folio.Public, Page: page, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			if p, err := l.Page(t.Context(), q); err != nil || len(p.Items) != want {
				t.Errorf("page %d: %d rows, want %d (%v)", page, len(p.Items), want, err)
			}
			time.Sleep(time.Second)
		}
		for range 2 {
			l, err := folio.NewList(s.instance(t, nil).cache, folio.ListConfig[int]{Name: "few", NoWarm: true, EmptyTTL: time.Hour,
				Load: func(_ context.Context, _ folio.Query, r folio.Range) ([]int, error) {
					return []int{1, 2, 3, 4, 5, 6}[min(6, r.Offset):min(6, r.Offset+r.Limit)], nil
				}})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			read(l, 1, 2, 2) // and the one behind
			read(l, 3, 2, 2) // and the one behind, if there were one
			read(l, 5, 1, 1) // the first row of those two
			read(l, 4, 2, 0)
		}
	})
}

// TestPlainKeysAreShared: and Set, Delete and Flush are heard.
func TestPlainKeysAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{tier: tier.NewMemory(2)}
		a, b, c := s.instance(t, nil).cache, s.instance(t, nil).cache, s.instance(t, nil).cache
		loads := 0
		get := func(c *folio.Cache) string {
			v, err := c.Get(t.Context(), "k", func(context.Context) ([]byte, error) { loads++; return fmt.Append(nil, loads), nil })
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
			return string(v)
		}
		time.Sleep(time.Second)
		for i, change := range []func() error{func() error { return nil }, func() error { return a.Delete("k") }, func() error { return b.InvalidateTags(t.Context(), folio.KeyTag("k")) },
			func() error { return a.Flush() }, func() error { return c.Delete("k") }} { // who does not know the key
			if err := change(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond)
			if x, y := get(b), get(a); x != y || loads != i+1 {
				t.Errorf("after change %d: %s and %s, %d loads", i, x, y, loads)
			}
		}
		if err := a.Set("k", []byte("set")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		if x, y := get(a), get(b); x != "set" || y == "5" {
			t.Errorf("%s and %s after a Set", x, y)
		}
		many, err := b.GetMany(t.Context(), []string{"k", "m"}, func(_ context.Context, keys []string) (map[string][]byte, error) {
			return map[string][]byte{"k": []byte("many"), "m": []byte("many")}, nil
		})
		if err != nil || string(many["m"]) != "many" {
			t.Error(many, err)
		}
		time.Sleep(10 * time.Millisecond)
		many, err = a.GetMany(t.Context(), []string{"m"}, func(context.Context, []string) (map[string][]byte, error) { return nil, errors.New("asked") })
		if err != nil || string(many["m"]) != "many" {
			t.Error(many, err)
		}
	})
}

// TestAWriteThatOthersCannotHearOf: is done here, and said so; it is told later.
func TestAWriteThatOthersCannotHearOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := tier.NewMemory(1)
		way := &faulty{Tier: shared}
		s := &site{tier: way}
		a := s.instance(t, nil)
		s.tier = shared
		b := s.instance(t, nil)
		time.Sleep(time.Second)
		a.read(t, "1")
		time.Sleep(10 * time.Millisecond)
		b.read(t, "1")
		for _, state := range []int32{refusing, hanging} {
			way.state.Store(state)
			v, began := s.write("1"), time.Now()
			if err := a.invalidate("1"); !errors.Is(err, folio.ErrPending) || time.Since(began) > 400*time.Millisecond {
				t.Errorf("state %d: %v after %s", state, err, time.Since(began))
			}
			if got, _ := a.read(t, "1"); got != v || a.cache.Stats().Tier.Owed == 0 {
				t.Errorf("state %d: %d, %+v", state, got, a.cache.Stats().Tier)
			}
			way.state.Store(fine)
			time.Sleep(2 * time.Second)
			if got, _ := b.read(t, "1"); got != v || a.cache.Stats().Tier.Owed != 0 {
				t.Errorf("state %d: %d elsewhere, %+v", state, got, a.cache.Stats().Tier)
			}
		}
		way.state.Store(refusing)
		if err := a.cache.Flush(); !errors.Is(err, folio.ErrPending) {
			t.Error(err)
		}
		a.read(t, "1")
		if _, from := a.read(t, "2"); from != folio.Miss {
			t.Error("everything is outdated, and one page comes from", from)
		}
		way.state.Store(fine)
		time.Sleep(2 * time.Second)
		if _, from := b.read(t, "1"); from == folio.Hit || b.cache.Stats().Tier.Lost != 1 {
			t.Error("a flush is not heard of:", from)
		}
		if n := a.cache.Stats().Tier; n.Skipped == 0 { // it was not asked for what it may have of before
			t.Errorf("%+v", n)
		}
	})
}

// TestWhileTheTierIsGone: what is stored here answers for a lease after its load, and no read fails; and for longer where
// the origin is gone, too, and that was asked for.
func TestWhileTheTierIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{tier: &faulty{Tier: tier.NewMemory(1)}}
		s.tier.(*faulty).state.Store(refusing)
		down := false
		a := s.instance(t, func(c *folio.Config) { c.StaleIfError = time.Hour })
		get := func() (string, error) {
			v, err := a.cache.Get(t.Context(), "k", func(context.Context) ([]byte, error) {
				if down {
					return nil, errors.New("down")
				}
				return []byte("v"), nil
			})
			return string(v), err
		}
		for range 100 {
			a.read(t, "1")
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.loads.Load(); n < 9 || n > 11 {
			t.Errorf("%d loads in ten leases of a second", n)
		}
		if v, err := get(); v != "v" || err != nil {
			t.Fatal(v, err)
		}
		late, err := folio.NewList(a.cache, folio.ListConfig[int]{Name: "late", NoWarm: true, TTL: time.Minute, StaleWhileRevalidate: time.Hour, Load: func(context.Context, folio.Query, folio.Range) ([]int, error) { return []int{1}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		q, err := late.Query(folio.Params{Scope: folio.Public})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // that it may be too old is not that it may be of before a write
			if p, err := late.Page(t.Context(), q); err != nil || p.Source != folio.Miss {
				t.Error(p, err)
			}
			time.Sleep(2 * time.Minute)
		}
		down = true
		if v, err := get(); v != "v" || err != nil {
			t.Error(v, err, a.cache.Stats().Stale)
		}
	})
}

// TestTheTierIsNotAskedWhereItMustNot: by a cache that observes; of what is being written; of what a row that is shown
// depends on, while the tier could not be told of its change.
func TestTheTierIsNotAskedWhereItMustNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := tier.NewMemory(1)
		deaf := &deaf{Tier: shared}
		s := &site{tier: shared}
		a := s.instance(t, nil)
		a.read(t, "1")
		time.Sleep(time.Second)
		b := s.instance(t, func(c *folio.Config) { c.Mode = folio.Observe })
		if _, from := b.read(t, "1"); from != folio.Miss && from != folio.Bypass {
			t.Error("a cache that observes answers from", from)
		}
		s.write("1")
		i, err := b.rows.Intend(t.Context(), folio.Scope{Kind: "user", ID: "1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.cache.SetMode(folio.On); err != nil {
			t.Fatal(err)
		}
		a.read(t, "1") // which stores it there
		time.Sleep(time.Second)
		if _, from := b.read(t, "1"); from != folio.Miss {
			t.Error("what is being written is answered from", from)
		}
		if err := i.Done(); err != nil {
			t.Fatal(err)
		}
		s.tier = deaf
		loads := 0
		c := s.instance(t, nil)
		long, err := folio.NewList(c.cache, folio.ListConfig[int]{Name: "long", NoWarm: true, RowTags: func(row int) []folio.Tag { return []folio.Tag{"row:1"} },
			Load: func(context.Context, folio.Query, folio.Range) ([]int, error) { loads++; return []int{loads}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		for want := 1; want <= 2; want++ {
			q, err := long.Query(folio.Params{Scope: folio.Public})
			if err != nil {
				t.Fatal(err)
			}
			if p, err := long.Page(t.Context(), q); err != nil || p.Items[0] != want {
				t.Error(p, err, "want", want)
			}
			time.Sleep(time.Second)
			if err := c.cache.InvalidateTags(t.Context(), "row:1"); !errors.Is(err, folio.ErrPending) {
				t.Error(err)
			}
		}
	})
}

// deaf is a tier that cannot be told what is outdated.
type deaf struct{ tier.Tier }

func (d *deaf) Bump(context.Context, string, []uint64) (tier.Moment, error) { return nil, errRefused }

// TestConfigsOfAFleet: what cannot be.
func TestConfigsOfAFleet(t *testing.T) {
	for _, change := range []func(*folio.Config){
		func(c *folio.Config) { c.Dir = t.TempDir() }, func(c *folio.Config) { c.Lease = time.Millisecond }, func(c *folio.Config) { c.Lease = time.Hour }, func(c *folio.Config) { c.TierTimeout = -1 },
	} {
		c := folio.Config{MaxBytes: 1 << 20, OnHeap: true, Tier: tier.NewMemory(1)}
		change(&c)
		if _, err := folio.New(c); !errors.Is(err, folio.ErrConfig) {
			t.Error(err)
		}
	}
}

// TestOneOfAllInstancesLoads: a thousand readers of four instances miss a page at once. So it is where the one who loads
// fails, or never comes back; and who has written waits for no load of before.
func TestOneOfAllInstancesLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := tier.NewMemory(1)
		var loads, failing, hanging atomic.Int64
		var rows [4]*folio.List[int]
		for i := range rows {
			s := &site{tier: shared}
			l, err := folio.NewList(s.instance(t, nil).cache, folio.ListConfig[int]{Name: "hot", NoWarm: true, TTL: time.Hour, Load: func(ctx context.Context, _ folio.Query, _ folio.Range) ([]int, error) {
				n := loads.Add(1)
				time.Sleep(100 * time.Millisecond)
				if failing.Add(-1) >= 0 {
					return nil, errors.New("down")
				}
				if hanging.Add(-1) >= 0 {
					time.Sleep(10 * time.Second)
				}
				return []int{int(n)}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			rows[i] = l
		}
		time.Sleep(time.Second)
		scope := folio.Scope{Kind: "user", ID: "1"}
		all := func(what string, wantLoads int64, within time.Duration, mayFail bool) {
			t.Helper()
			before, began := loads.Load(), time.Now()
			var readers sync.WaitGroup
			for i := range 1000 {
				readers.Go(func() {
					q, err := rows[i%4].Query(folio.Params{Scope: scope})
					if err != nil {
						t.Error(err)
					}
					if _, err := rows[i%4].Page(t.Context(), q); err != nil && !mayFail {
						t.Error(what, err)
					}
				})
			}
			readers.Wait()
			if got := loads.Load() - before; got != wantLoads || time.Since(began) > within {
				t.Errorf("%s: %d loads in %s, want %d in %s", what, got, time.Since(began), wantLoads, within)
			}
			time.Sleep(20 * time.Second)
			if _, err := rows[0].Invalidate(t.Context(), scope); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		all("nothing happens", 1, 150*time.Millisecond, false)
		failing.Store(1)
		all("the first one fails", 2, 250*time.Millisecond, true)
		hanging.Store(1)
		all("the first one hangs", 2, 12*time.Second, false)
		go func() { // a load of before a write
			q, _ := rows[1].Query(folio.Params{Scope: scope})
			_, _ = rows[1].Page(t.Context(), q)
		}()
		time.Sleep(10 * time.Millisecond)
		if _, err := rows[0].Invalidate(t.Context(), scope); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		all("a write", 1, 150*time.Millisecond, false)
	})
}
