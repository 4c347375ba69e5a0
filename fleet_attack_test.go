package folio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier"
)

// hooked is a tier that may refuse bumps, and tells of those that it has done before their answers arrive.
type hooked struct {
	tier.Tier
	refuse atomic.Bool
	after  func(tags int)
}

func (h *hooked) Bump(ctx context.Context, by string, tags []uint64) (tier.Moment, error) {
	if h.refuse.Load() {
		return nil, errRefused
	}
	at, err := h.Tier.Bump(ctx, by, tags)
	if h.after != nil {
		h.after(len(tags))
	}
	return at, err
}

// TestWhatIsInvalidatedAgainWhileItIsToldIsToldAgain: also where more is owed than one bump may have.
func TestWhatIsInvalidatedAgainWhileItIsToldIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := tier.NewMemory(1)
		h := &hooked{Tier: shared}
		a := (&site{tier: h}).instance(t, nil)
		time.Sleep(time.Second)
		named := func(what string, n int) (tags []folio.Tag) {
			for i := range n {
				tags = append(tags, folio.Tag(fmt.Sprint(what, i)))
			}
			return tags
		}
		h.refuse.Store(true)
		for _, tags := range [][]folio.Tag{named("x", 6000), named("y", 6000)} {
			if err := a.cache.InvalidateTags(t.Context(), tags...); !errors.Is(err, folio.ErrPending) {
				t.Fatal(err)
			}
		}
		again := make(chan error, 1)
		h.after = func(n int) {
			h.after = nil
			if n != tier.MaxTags {
				t.Errorf("%d tags at once", n)
			}
			go func() { again <- a.cache.InvalidateTags(context.WithoutCancel(t.Context()), named("x", 6000)...) }()
			time.Sleep(20 * time.Millisecond)
		}
		start, err := shared.Follow(t.Context(), tier.Mark{})
		if err != nil {
			t.Fatal(err)
		}
		h.refuse.Store(false)
		time.Sleep(3 * time.Second)
		if err := <-again; err != nil {
			t.Error(err)
		}
		log, err := shared.Follow(t.Context(), start.Until)
		if err != nil {
			t.Fatal(err)
		}
		told, later := 0, map[uint64]bool{}
		for i, b := range log.Bumps {
			told += len(b.Tags)
			for _, tag := range b.Tags {
				if i > 0 {
					later[tag] = true
				}
			}
		}
		if len(later) < 6000 || a.cache.Stats().Tier.Owed != 0 {
			t.Errorf("%d tags told, %d of them after the first bump, which 6,000 were invalidated after; %d owed", told, len(later), a.cache.Stats().Tier.Owed)
		}
	})
}

// TestPendingIsNotHalf: of several keys all are forgotten, and a second invalidation is appointed, though others cannot
// be told.
func TestPendingIsNotHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hooked{Tier: tier.NewMemory(1)}
		s := &site{tier: h}
		a := s.instance(t, nil)
		time.Sleep(time.Second)
		if err := a.cache.SetMany(map[string][]byte{"a": []byte("old"), "b": []byte("old"), "c": []byte("old")}); err != nil {
			t.Fatal(err)
		}
		h.refuse.Store(true)
		began := time.Now()
		if err := a.cache.DeleteMany("a", "b", "c"); !errors.Is(err, folio.ErrPending) || time.Since(began) > 400*time.Millisecond {
			t.Error(err, time.Since(began))
		}
		if _, err := a.rows.InvalidateAfter(t.Context(), folio.Scope{Kind: "user", ID: "1"}, 5*time.Second); !errors.Is(err, folio.ErrPending) {
			t.Error(err)
		}
		h.refuse.Store(false)
		time.Sleep(2 * time.Second)
		for _, k := range []string{"a", "b", "c"} {
			if v, ok := a.cache.GetIfPresent(nil, k); ok {
				t.Errorf("%s: %s", k, v)
			}
		}
		a.read(t, "1") // from a replica that lags behind
		s.write("1")
		time.Sleep(10 * time.Second)
		if v, from := a.read(t, "1"); v != 1 {
			t.Errorf("after the lag: version %d from %s", v, from)
		}
	})
}

// TestCloseTellsWhatWasPutOff: nobody else would.
func TestCloseTellsWhatWasPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{tier: tier.NewMemory(1)}
		a, b := s.instance(t, nil), s.instance(t, nil)
		time.Sleep(time.Second)
		b.read(t, "1")
		s.write("1")
		if err := a.rows.InvalidateWithin(t.Context(), folio.Scope{Kind: "user", ID: "1"}, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := a.cache.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if v, from := b.read(t, "1"); v != 1 {
			t.Errorf("version %d from %s", v, from)
		}
	})
}

// TestWhatOthersHaveFlushedIsNotServedWhereALoadFails: StaleIfError or not.
func TestWhatOthersHaveFlushedIsNotServedWhereALoadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{tier: tier.NewMemory(1)}
		a, b := s.instance(t, nil), s.instance(t, func(c *folio.Config) { c.StaleIfError = time.Hour })
		time.Sleep(time.Second)
		down := false
		get := func() ([]byte, error) {
			return b.cache.Get(t.Context(), "k", func(context.Context) ([]byte, error) {
				if down {
					return nil, errors.New("down")
				}
				return []byte("secret"), nil
			})
		}
		if _, err := get(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := a.cache.Flush(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		down = true
		if v, err := get(); err == nil {
			t.Errorf("%s, after a flush that was heard of", v)
		}
	})
}

// TestTheBreakerOpensWhateverIsOwed: most reads of a tier that hangs do not wait for it.
func TestTheBreakerOpensWhateverIsOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := &faulty{Tier: tier.NewMemory(1)}
		s := &site{tier: way}
		a := s.instance(t, nil)
		time.Sleep(time.Second)
		way.state.Store(hanging)
		_ = a.invalidate("owed")
		var waits []time.Duration
		for i := range 300 {
			scope := fmt.Sprint(i)
			if i%3 == 0 {
				scope = "owed"
			}
			began := time.Now()
			a.read(t, scope)
			waits = append(waits, time.Since(began))
			time.Sleep(10 * time.Millisecond)
		}
		slices.Sort(waits)
		if at := waits[len(waits)*8/10]; at > 0 {
			t.Errorf("one read in five waits %s or more", at)
		}
	})
}
