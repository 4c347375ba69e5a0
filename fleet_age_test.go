package folio_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier"
)

// TestListsThatGoByAgeShareWhatIsYoung: where MaxStale is promised, what another instance has loaded does as long as it is
// young, and is as old as it is; where what is stored is too old, what another one has loaded since does.
func TestListsThatGoByAgeShareWhatIsYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, loads := &site{tier: tier.NewMemory(1)}, 0
		var lists []*folio.List[int]
		begin := func() {
			l, err := folio.NewList(s.instance(t, nil).cache, folio.ListConfig[int]{Name: "aged", NoWarm: true, MaxStale: .1, Load: func(context.Context, folio.Query, folio.Range) ([]int, error) {
				loads++
				return []int{loads}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			lists = append(lists, l)
			time.Sleep(time.Second)
		}
		read := func(at int, source folio.Source, age time.Duration) {
			t.Helper()
			q, err := lists[at].Query(folio.Params{Scope: folio.Public})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				p, err := lists[at].Page(t.Context(), q)
				if err != nil || p.Source != source || p.Items[0] != loads || p.Source == folio.Hit && (p.Origin.Age < age || p.Origin.Age > age+100*time.Millisecond) {
					t.Errorf("%+v %v: want %s, %s old", p, err, source, age)
				}
				source = folio.Hit
				time.Sleep(10 * time.Millisecond)
			}
		}
		begin()
		read(0, folio.Miss, 0)
		begin() // what it gets is of before, and it stores that as what it may trust
		read(1, folio.Shared, time.Second)
		begin()
		time.Sleep(time.Hour)
		read(2, folio.Miss, 0) // it is too old for that
		read(0, folio.Shared, 0)
		read(1, folio.Shared, 0)
		if loads != 2 {
			t.Errorf("%d loads", loads)
		}
	})
}

// TestATimeToLiveIsOne: counted from the load, wherever that was.
func TestATimeToLiveIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{tier: tier.NewMemory(1)}
		quiet := func(c *folio.Config) { c.Jitter = -1 }
		a, b := s.instance(t, quiet), s.instance(t, quiet)
		time.Sleep(time.Second)
		a.read(t, "1") // TTL: an hour
		time.Sleep(40 * time.Minute)
		s.write("1") // by who tells nobody
		if v, from := b.read(t, "1"); v != 0 || from != folio.Shared {
			t.Fatal(v, from)
		}
		time.Sleep(19*time.Minute + 50*time.Second)
		if v, from := b.read(t, "1"); v != 0 || from != folio.Hit {
			t.Error("gone before its time:", v, from)
		}
		time.Sleep(11 * time.Second)
		if v, from := b.read(t, "1"); v != 1 || from != folio.Miss {
			t.Errorf("an hour after its load: %d from %s", v, from)
		}
	})
}

// sized is a tier that tells how full it is.
type sized struct {
	tier.Tier
	used atomic.Int64
}

func (s *sized) Size(context.Context) (used, most int64, err error) {
	if s.used.Load() < 0 {
		return 0, 0, errRefused
	}
	return s.used.Load(), 100, nil
}

// TestHowFullATierIs: is asked now and then; where it does not say, it is as it was.
func TestHowFullATierIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &sized{Tier: tier.NewMemory(1)}
		i := (&site{tier: shared}).instance(t, nil)
		for _, c := range []struct{ set, want int64 }{{70, 70}, {90, 90}, {-1, 90}} {
			shared.used.Store(c.set)
			time.Sleep(20 * time.Second)
			if s := i.cache.Stats().Tier; s.Used != c.want || s.Most != 100 {
				t.Errorf("%d of %d, want %d", s.Used, s.Most, c.want)
			}
		}
	})
}
