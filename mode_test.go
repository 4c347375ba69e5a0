package folio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/seed"
)

// source is an origin of values by key, whose writes may be told or not.
type source struct {
	version [100]int
	loads   atomic.Int64
}

func (s *source) body(key string) []byte {
	n, _ := strconv.Atoi(key)
	return []byte(fmt.Sprintf("%s v%d %0500d", key, s.version[n], n))
}

func (s *source) load(key string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		s.loads.Add(1)
		if key == "99" {
			return nil, ErrNotFound
		}
		return s.body(key), nil
	}
}

func (s *source) loadMany(_ context.Context, keys []string) (map[string][]byte, error) {
	s.loads.Add(1)
	values := map[string][]byte{}
	for _, key := range keys {
		if key != "99" {
			values[key] = s.body(key)
		}
	}
	return values, nil
}

// TestACacheThatIsOffIsNone: its loader is asked for every read, and nothing is stored; what was before is
// still right when it is switched on again.
func TestACacheThatIsOffIsNone(t *testing.T) {
	config := small()
	c, s := open(t, config), new(source)
	l, origin := tickets(t, c, nil)
	get := func(key string, want int) {
		t.Helper()
		v, err := c.Get(background, key, s.load(key))
		if err != nil || !bytes.Equal(v, s.body(key)) || int(s.loads.Load()) != want {
			t.Errorf("%s: %.20q, %v, after %d loads; want %d", key, v, err, s.loads.Load(), want)
		}
	}
	page := func(query string, loads int64, want Source) {
		t.Helper()
		p, err := l.Page(background, parse(t, l, someone, query))
		if err != nil || p.Source != want || origin.loads.Load() != loads {
			t.Errorf("%s: %s, %v, after %d loads; want %s after %d", query, p.Source, err, origin.loads.Load(), want, loads)
		}
	}
	get("1", 1)
	get("2", 2)
	page("page=1", 1, Miss)
	page("page=9", 2, Miss)
	switchTo(t, c, Off)
	for n := range 3 {
		get("1", 3+n)
		page("page=1", 3+2*int64(n), Bypass)
		page("page=9", 4+2*int64(n), Bypass)
		if _, ok := c.GetIfPresent(nil, "1"); ok {
			t.Error("a value of a cache that is off")
		}
		if n, err := l.Total(background, parse(t, l, someone, "")); n != 50 || err != nil {
			t.Error(n, err)
		}
	}
	for i := range 100 {
		if err := c.Set("new "+strconv.Itoa(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Stats().Invalidations; n > 0 {
		t.Errorf("%d invalidations of what nobody knows", n)
	}
	if many, err := c.GetMany(background, []string{"1", "3", "99", "1"}, s.loadMany); err != nil || len(many) != 2 || s.loads.Load() != 6 {
		t.Errorf("%d values, %v, after %d loads", len(many), err, s.loads.Load())
	}
	if origin.counts.Load() != 3 {
		t.Errorf("%d counts", origin.counts.Load())
	}
	s.version[1]++
	if err := c.Delete("1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Set("2", []byte("set while it was off")); err != nil {
		t.Fatal(err)
	}
	switchTo(t, c, On)
	get("1", 7)
	get("2", 8)
	get("3", 9)
	get("3", 9)
	page("page=1", 8, Hit)
	if st := c.Stats(); st.Around != 3*4+1 || st.Loads != int64(9+origin.loads.Load()+3) {
		t.Errorf("%d loads, %d of them around the cache", st.Loads, st.Around)
	}
}

func switchTo(t *testing.T, c *Cache, m Mode) {
	t.Helper()
	if err := c.SetMode(m); err != nil || c.Mode() != m {
		t.Fatalf("mode %s, %v", c.Mode(), err)
	}
}

// TestObservingForetellsWhatTheCacheWillDo: on one history, read for read.
func TestObservingForetellsWhatTheCacheWillDo(t *testing.T) {
	type saving struct{ Hits, Misses, Joined, Stored, Evicted, Loads int64 }
	run := func(t *testing.T, m Mode, random uint64) (saving, Stats) {
		r := rand.New(rand.NewPCG(random, 0))
		config := small()
		config.Seed, config.Mode, config.MaxEntries = 7, m, 60
		c, s := open(t, config), new(source)
		c.journal.strict = true
		l, origin := tickets(t, c, func(config *ListConfig[row]) { config.MaxAhead = 0 })
		for range 5000 {
			key := strconv.Itoa(min(99, int(r.ExpFloat64()*40)))
			n, _ := strconv.Atoi(key)
			var err error
			var body, want []byte
			switch r.IntN(8) {
			case 0:
				s.version[n]++
				err = c.Delete(key)
			case 1, 2, 3:
				want = s.body(key)
				if body, err = c.Get(background, key, s.load(key)); errors.Is(err, ErrNotFound) {
					body, err = want, nil
				}
			case 4:
				want = s.body("5")
				var many map[string][]byte
				many, err = c.GetMany(background, []string{key, "5"}, s.loadMany)
				body = many["5"]
			case 5:
				_, err = l.Total(background, parse(t, l, someone, "status="+key))
			default:
				_, err = l.Page(background, parse(t, l, someone, "page="+strconv.Itoa(1+n/10)+"&status="+strconv.Itoa(n%10)))
			}
			if err != nil || !bytes.Equal(body, want) {
				t.Fatal(key, string(body), err)
			}
			synctest.Wait() // for pages that the load brought along
		}
		st := c.Stats()
		if asked := s.loads.Load() + origin.loads.Load() + origin.counts.Load(); asked != st.Loads {
			t.Errorf("%s: %d loads, the origin was asked %d times", m, st.Loads, asked)
		}
		return saving{st.Hits, st.Misses, st.Joined, st.Stored, st.Evicted, st.Loads - st.Around}, st
	}
	random := seed.Random(t).Uint64()
	var on, observed saving
	var st Stats
	synctest.Test(t, func(t *testing.T) { on, _ = run(t, On, random) }) // loads take no time, so both learn the same of it
	synctest.Test(t, func(t *testing.T) { observed, st = run(t, Observe, random) })
	if diff := cmp.Diff(on, observed); diff != "" || on.Hits < 500 || on.Evicted == 0 {
		t.Errorf("on and observed:\n%s", diff)
	}
	if st.Differed > 0 || st.Verified < on.Hits {
		t.Errorf("%d of %d answers differ", st.Differed, st.Verified)
	}
}

// TestObservingFindsWritesThatAreNotTold: in values, pages, absent ones, pages behind the end; and serves none of
// them.
func TestObservingFindsWritesThatAreNotTold(t *testing.T) {
	var log bytes.Buffer
	var events []Event
	config := small()
	config.Mode, config.Logger = Observe, logger(&log)
	config.Observe = func(e Event) {
		if e.Op == Differ {
			events = append(events, e)
		}
	}
	c, s := open(t, config), new(source)
	l, origin := tickets(t, c, nil)
	value, absent, rows := "", true, 47
	origin.rows["user:1"] = rows
	read := func(differed int64) {
		t.Helper()
		got, err := c.Get(background, "a", func(context.Context) ([]byte, error) { return []byte(value), nil })
		if err != nil || string(got) != value {
			t.Errorf("%q, %v", got, err)
		}
		_, err = c.Get(background, "b", func(context.Context) ([]byte, error) {
			if absent {
				return nil, ErrNotFound
			}
			return nil, nil
		})
		if errors.Is(err, ErrNotFound) != absent {
			t.Error(err)
		}
		if _, err := c.GetMany(background, []string{"7"}, s.loadMany); err != nil {
			t.Error(err)
		}
		for _, query := range []string{"page=3", "page=9"} {
			p, err := l.Page(background, parse(t, l, someone, query))
			if want := map[string]int{"page=3": min(20, rows-40), "page=9": max(0, rows-160)}[query]; err != nil || len(p.Items) != want {
				t.Errorf("%s: %d rows, want %d, %v", query, len(p.Items), want, err)
			}
		}
		if n := c.Stats().Differed; n != differed || int64(len(events)) != differed {
			t.Errorf("%d answers would have been wrong, %d told, want %d", n, len(events), differed)
		}
	}
	read(0)
	read(0)
	value, absent, rows, origin.rows["user:1"] = "new", false, 165, 165
	s.version[7]++
	read(5)
	if !bytes.Contains(log.Bytes(), []byte("tickets:user:1:offset=40")) || events[0].Key != "a" || events[3].List != "tickets" {
		t.Errorf("%+v; %s", events, &log)
	}
	for _, key := range []string{"a", "b", "7"} {
		if err := c.Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Invalidate(background, someone); err != nil {
		t.Fatal(err)
	}
	read(5)
	read(5)
}

// TestHitsAreVerified: behind the reader, one in so many, within MaxLoads.
func TestHitsAreVerified(t *testing.T) {
	for _, oneIn := range []int{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			config := small()
			config.VerifyOneIn, config.MaxLoads = oneIn, 1
			c := open(t, config)
			var loads, version atomic.Int64
			read := func() {
				t.Helper()
				began := time.Now()
				if _, err := c.Get(background, "a", func(context.Context) ([]byte, error) {
					time.Sleep(time.Second)
					loads.Add(1)
					return []byte(strconv.FormatInt(version.Load(), 10)), nil
				}); err != nil || loads.Load() > 0 && time.Since(began) > 0 {
					t.Errorf("%s, %v", time.Since(began), err)
				}
			}
			const reads = 1000
			began := time.Now()
			if _, err := c.Get(background, "a", func(context.Context) ([]byte, error) { return []byte("0"), nil }); err != nil || time.Since(began) > 0 {
				t.Fatal(err)
			}
			loads.Store(1)
			for range reads {
				read()
				time.Sleep(2 * time.Second)
			}
			n := loads.Load() - 1
			if n < reads/int64(oneIn)*7/10 || n > reads/int64(oneIn)*13/10 {
				t.Errorf("one in %d: %d of %d hits are verified", oneIn, n, reads)
			}
			if s := c.Stats(); s.Verified != n || s.Around != n || s.Differed > 0 || s.Hits != reads {
				t.Errorf("%d verified, %d differ, %d hits, %d loads around", s.Verified, s.Differed, s.Hits, s.Around)
			}
			version.Add(1)
			for range 40 * oneIn {
				read() // at the same time: one load
			}
			time.Sleep(2 * time.Second)
			if s := c.Stats(); s.Differed != 1 || s.Verified != n+1 {
				t.Errorf("%d differ, %d verified after a write that is not told", s.Differed, s.Verified-n)
			}
		})
	}
}

func TestModesAreChecked(t *testing.T) {
	config := small()
	config.Mode, config.VerifyOneIn = 3, -1
	if _, err := New(config); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
	c := open(t, small())
	if err := c.SetMode(7); !errors.Is(err, ErrConfig) || c.Mode() != On {
		t.Error(err, c.Mode())
	}
	if s := fmt.Sprint(On, Observe, Off, Mode(9)); s != "on observe off unknown" {
		t.Error(s)
	}
	for _, m := range []Mode{Observe, Off} {
		switchTo(t, c, m)
		if err := c.Close(background); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(background, "a", new(source).load("a")); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", m, err)
		}
		if _, err := c.GetMany(background, []string{"a"}, new(source).loadMany); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", m, err)
		}
	}
}
