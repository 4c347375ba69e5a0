package folio_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier"
)

// late is a tier whose log arrives late.
type late struct{ tier.Tier }

func (l *late) Follow(ctx context.Context, since tier.Mark) (tier.Log, error) {
	log, err := l.Tier.Follow(ctx, since)
	time.Sleep(300 * time.Millisecond)
	return log, err
}

// TestATokenIsAsGoodElsewhere: who has it is not shown what is of before on another instance either, though that has not
// heard of the write yet, and neither has the tier, perhaps. Once it has heard, it answers from memory.
func TestATokenIsAsGoodElsewhere(t *testing.T) {
	for _, pending := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			shared := &hooked{Tier: tier.NewMemory(3)}
			s := &site{tier: &late{shared}}
			a, b := s.instance(t, nil), s.instance(t, nil)
			time.Sleep(time.Second)
			ask := func(i instance, token folio.Token, version int, from folio.Source) {
				t.Helper()
				q, err := i.rows.Query(folio.Params{Scope: folio.Scope{Kind: "user", ID: "1"}})
				if err != nil {
					t.Fatal(err)
				}
				p, err := i.rows.Page(t.Context(), q.After(token))
				if err != nil || p.Items[0] != version || p.Source != from {
					t.Errorf("pending %v: %v from %s, want %d from %s (%v)", pending, p.Items, p.Source, version, from, err)
				}
			}
			ask(a, folio.Token{}, 0, folio.Miss)
			time.Sleep(time.Second)
			ask(b, folio.Token{}, 0, folio.Shared)
			for n := range 50 { // of which b will have heard
				if _, err := a.rows.Invalidate(t.Context(), folio.Scope{Kind: "user", ID: strconv.Itoa(100 + n)}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * time.Second)
			s.write("1")
			shared.refuse.Store(pending)
			made, err := a.rows.Invalidate(t.Context(), folio.Scope{Kind: "user", ID: "1"})
			if errors.Is(err, folio.ErrPending) != pending {
				t.Fatal(err)
			}
			token, err := folio.ParseToken(made.String())
			if err != nil || token.String() != made.String() {
				t.Fatal(token, err)
			}
			ask(a, token, 1, folio.Miss)
			ask(b, folio.Token{}, 0, folio.Hit) // it has not heard
			if pending {
				ask(b, token, 1, folio.Miss)
				ask(b, token, 1, folio.Miss) // it does not know what the token is of
			} else {
				time.Sleep(10 * time.Millisecond) // a has written it to the tier
				ask(b, token, 1, folio.Shared)
			}
			shared.refuse.Store(false)
			time.Sleep(2 * time.Second)
			if pending { // it has been told by now, which outdates whatever was loaded before
				ask(b, folio.Token{}, 1, folio.Miss)
				return
			}
			ask(b, folio.Token{}, 1, folio.Shared)
			ask(b, token, 1, folio.Hit)
		})
	}
}

func FuzzToken(f *testing.F) {
	for _, text := range []string{"1.2", "1.2.abc.f", "1.2.abc.t.0-1-2.3-ff-0", "1.2.abc", "", "1.2.abc.t.0-1", "0.0...0-1-0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := folio.ParseToken(text)
		if err != nil {
			if !errors.Is(err, folio.ErrToken) {
				t.Error(err)
			}
			return
		}
		if again, err := folio.ParseToken(token.String()); err != nil || again.String() != token.String() {
			t.Errorf("%q, %q: %v", text, token, err)
		}
	})
}
