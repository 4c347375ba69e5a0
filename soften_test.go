package folio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/foliotest"
)

// TestSoftenedIsLoadedAnew: and served where that fails, within StaleIfError; an invalidation after it is as hard as any.
func TestSoftenedIsLoadedAnew(t *testing.T) {
	cache, clock := foliotest.New(t, func(c *folio.Config) { c.StaleIfError = time.Minute })
	n, down := 0, false
	l, err := folio.NewList(cache, folio.ListConfig[int]{Name: "rows", Load: func(context.Context, folio.Query, folio.Range) ([]int, error) {
		if down {
			return nil, errors.New("down")
		}
		n++
		return []int{n}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	q, err := l.Query(folio.Params{Scope: folio.Public})
	if err != nil {
		t.Fatal(err)
	}
	read := func(want int, source folio.Source) {
		t.Helper()
		p, err := l.Page(t.Context(), q)
		if want == 0 {
			if err == nil {
				t.Errorf("got %v, %s", p.Items, p.Source)
			}
			return
		}
		if err != nil || p.Items[0] != want || p.Source != source {
			t.Errorf("got %v, %s, %v; want %d, %s", p.Items, p.Source, err, want, source)
		}
	}
	soften := func() {
		t.Helper()
		if err := cache.Soften(t.Context(), l.Tag(folio.Public)); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
	}
	read(1, folio.Miss)
	read(1, folio.Hit)
	soften()
	read(2, folio.Miss)
	read(2, folio.Hit)
	soften()
	down = true
	read(2, folio.Stale)
	if x, err := l.Explain(q); err != nil || x.Stored || x.Why != folio.WhySoft {
		t.Errorf("explained as %+v, %v", x, err)
	}
	clock.Advance(2 * time.Minute)
	read(0, 0)
	if _, err := l.Invalidate(t.Context(), folio.Public); err != nil {
		t.Fatal(err)
	}
	read(0, 0)
	down = false
	read(3, folio.Miss)
	read(3, folio.Hit)
}
