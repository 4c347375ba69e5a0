package folio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/seed"
)

// noise returns bytes that no compression makes fewer.
func noise(size int) []byte {
	v, s := make([]byte, size), rand.NewPCG(uint64(size), 1)
	for i := range v {
		v[i] = byte(s.Uint64())
	}
	return v
}

// TestLargeValuesAreCompressedThenCutThenRefused: whatever is stored is read as it was, appended to
// what is there, and no value outlives one that took its place.
func TestLargeValuesAreCompressedThenCutThenRefused(t *testing.T) {
	for _, config := range []Config{{MaxBytes: 96 << 20}, {MaxBytes: 4 << 20, OnHeap: true}} {
		c := open(t, config)
		text := bytes.Repeat([]byte(`{"id":"7","title":"a ticket"},`), 7000)
		limit := c.largest - (&entry{key: []byte("a"), stamps: make(stamps, stampSize)}).size()
		for i, v := range [][]byte{text[:limit], text[:limit+1], text, noise(limit), noise(limit + 1), noise(3 * limit / 2), []byte("small"), noise(2 * limit)} {
			fits := i < 3 || len(v) <= max(limit, int(c.store.Geometry.Capacity())/largeShare)
			err := c.Set("a", v)
			got, ok := c.GetIfPresent([]byte("before"), "a")
			if errors.Is(err, ErrTooLarge) == fits || ok != fits || ok && !bytes.Equal(got, append([]byte("before"), v...)) {
				t.Errorf("%d: %d bytes of %d: %v, got %d, %v", i, len(v), limit, err, len(got), ok)
			}
		}
		if err := c.Set("a", noise(int(config.MaxBytes)/8)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v", err)
		}
		if _, ok := c.GetIfPresent(nil, "a"); ok {
			t.Error("an old value outlives one too large")
		}
	}
}

// TestAReadIsNotFailedByAValueTooLarge: it gets the value, which is counted and logged.
func TestAReadIsNotFailedByAValueTooLarge(t *testing.T) {
	var log bytes.Buffer
	config := small()
	config.Logger = logger(&log)
	c := open(t, config)
	v := noise(1 << 20)
	for range 2 {
		got, err := c.Get(background, "a", func(context.Context) ([]byte, error) { return v, nil })
		if err != nil || !bytes.Equal(got, v) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	}
	if n := c.Stats().TooLarge; n != 2 || !bytes.Contains(log.Bytes(), []byte(ErrTooLarge.Error())) {
		t.Errorf("%d too large; %s", n, &log)
	}
}

// TestPiecesOfTwoLoadsAreNeverPutTogether: values in pieces among evictions, rewrites and lost
// pieces: what is read is one of the values written, the last one.
func TestPiecesOfTwoLoadsAreNeverPutTogether(t *testing.T) {
	c := open(t, Config{MaxBytes: 2 << 20, OnHeap: true})
	r := seed.Random(t)
	limit := c.largest
	last := map[string]uint64{}
	value := func(n uint64) []byte {
		v := make([]byte, limit/2+int(n%uint64(limit)))
		s := rand.NewPCG(n, 0)
		for i := range v {
			v[i] = byte(s.Uint64())
		}
		return v
	}
	var whole, gone int
	for range 6000 {
		key := strconv.Itoa(int(r.ExpFloat64() * 3))
		switch n := r.Uint64(); {
		case r.IntN(3) == 0:
			switch err := c.Set(key, value(n)); {
			case err == nil:
				last[key] = n
			case errors.Is(err, ErrTooLarge):
				delete(last, key)
			default:
				t.Fatal(err)
			}
		case r.IntN(50) == 0: // a piece is lost
			id := c.plain(key)
			p := c.piece(&id, 1)
			c.mu.Lock()
			c.store.Delete(p.key)
			c.mu.Unlock()
		default:
			v, ok := c.GetIfPresent(nil, key)
			if !ok {
				gone++
				continue
			}
			if n, known := last[key]; !known || !bytes.Equal(v, value(n)) {
				t.Fatalf("key %s: %d bytes that were not the last written", key, len(v))
			}
			if len(v) > limit {
				whole++
			}
		}
	}
	if whole < 50 || gone == 0 {
		t.Errorf("%d values in pieces were read, %d gone: the test tests less than it says", whole, gone)
	}
}

// TestAPieceOfAnotherLoadIsNoticed by the sum of the whole.
func TestAPieceOfAnotherLoadIsNoticed(t *testing.T) {
	c := open(t, small())
	id, limit := c.plain("mixed"), c.largest
	if err := c.Set("mixed", noise(limit+1)); err != nil {
		t.Fatal(err)
	}
	p := c.piece(&id, 1)
	v, _, ok := c.store.Get(nil, p.key, p.unit)
	e, _ := parseEntry(v)
	if _, readable := c.GetIfPresent(nil, "mixed"); !ok || !readable {
		t.Fatal("not there")
	}
	e.body[len(e.body)-1]++
	c.mu.Lock()
	if err := c.put(&p, &filling{entry: e}); err != nil {
		t.Error(err)
	}
	c.mu.Unlock()
	if _, ok := c.GetIfPresent(nil, "mixed"); ok {
		t.Error("a value with another's piece was read")
	}
}

// TestLargestIsWhatTheStoreHolds: a byte more is refused by the books.
func TestLargestIsWhatTheStoreHolds(t *testing.T) {
	for _, c := range []*Cache{open(t, Config{MaxBytes: 96 << 20}), open(t, small())} {
		for more := range 2 {
			a := c.core.Arena()
			before := a.Composite().Refused
			r := arena.Request{Key: uint64(more)}
			a.Fill(arena.NoSlot, &r, uint32(c.largest+more))
			if refused := a.Composite().Refused - before; refused != int64(more) {
				t.Errorf("%d bytes and %d: %d refused", c.largest, more, refused)
			}
		}
	}
}

func TestSameBytesAreNotWrittenAgain(t *testing.T) {
	now := time.Now()
	config := small()
	config.TTL, config.Now = time.Minute, func() time.Time { return now }
	c := open(t, config)
	stored := func() int64 { return c.Stats().Stored }
	set := func(v string, writes int64) {
		t.Helper()
		before := stored()
		if err := c.Set("a", []byte(v)); err != nil || stored()-before != writes {
			t.Errorf("%q: %d writes, %v; want %d", v, stored()-before, err, writes)
		}
	}
	set("1", 1)
	set("1", 0)
	set("2", 1)
	if err := c.Delete("a"); err != nil {
		t.Fatal(err)
	}
	set("2", 1)
	now = now.Add(7 * time.Second) // more than the jitter
	set("2", 1)
	if n := c.Stats().Unchanged; n != 1 {
		t.Errorf("%d unchanged", n)
	}
}

// TestAScopeHasItsShare: beyond it nothing more is stored, until what it had is gone.
func TestAScopeHasItsShare(t *testing.T) {
	config := small()
	now := time.Now()
	config.MaxShare, config.Now = .1, func() time.Time { return now }
	c := open(t, config)
	l, err := NewList(c, ListConfig[string]{Name: "notes", TTL: time.Hour, Load: func(_ context.Context, q Query, r Range) ([]string, error) {
		return []string{string(bytes.Repeat([]byte("x"), 2000))}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	limit := int64(.1 * float64(c.store.Geometry.Capacity()))
	read := func(user, page int) Source {
		t.Helper()
		q, err := l.Query(Params{Scope: Scope{Kind: "user", ID: fmt.Sprint(user)}, Page: page})
		if err != nil {
			t.Fatal(err)
		}
		p, err := l.Page(background, q)
		if err != nil {
			t.Fatal(err)
		}
		return p.Source
	}
	for lap := range 3 {
		for page := 1; page <= 200; page++ {
			read(1, page)
		}
		n := c.Stats()
		if n.Memory.Live > limit+100*30 || n.Memory.Live < limit*9/10-100*30 && lap == 0 || n.Capped == 0 {
			t.Errorf("lap %d: %d bytes of %d, %d refused", lap, n.Memory.Live, limit, n.Capped)
		}
		if lap == 0 && read(1, 1) != Hit {
			t.Error("what was stored is gone")
		}
	}
	if read(2, 1) != Miss || read(2, 1) != Hit {
		t.Error("another scope has no room")
	}
	if now = now.Add(time.Hour); read(1, 1) != Miss || read(1, 1) != Hit {
		t.Error("what expired has no room in its own place")
	}
	if _, err := l.Invalidate(background, Scope{Kind: "user", ID: "1"}); err != nil {
		t.Fatal(err)
	}
	if read(1, 200) != Miss || read(1, 200) != Hit {
		t.Error("a scope that holds nothing any more has no room")
	}
}

// TestSharesAreWhatIsHeld: whatever is filled, dropped, replaced and outdated.
func TestSharesAreWhatIsHeld(t *testing.T) {
	config := small()
	config.MaxShare = 1
	c := open(t, config)
	r := seed.Random(t)
	for range 20_000 {
		key := strconv.Itoa(int(r.ExpFloat64() * 300))
		if r.IntN(30) == 0 {
			_ = c.Delete(key)
		} else if _, err := c.Get(background, key, func(context.Context) ([]byte, error) { return make([]byte, 1+r.IntN(9000)), nil }); err != nil {
			t.Fatal(err)
		}
	}
	sum := int64(0)
	for feed, s := range c.shares.scopes {
		if s.bytes <= 0 || s.feed != feed {
			t.Fatalf("a scope holds %d bytes", s.bytes)
		}
		sum += s.bytes
	}
	s := c.Stats()
	live := s.Memory.Live - s.Entries*int64(c.store.Geometry.Header)
	if s.Evicted == 0 || sum > live || sum < live*9/10 { // what was deleted and not asked for since counts as live
		t.Errorf("scopes hold %d bytes, the books %d; %d evicted", sum, live, s.Evicted)
	}
}
