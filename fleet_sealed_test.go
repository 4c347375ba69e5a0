package folio_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier"
)

var keys = []folio.TierKey{{ID: "2026-11", Secret: bytes.Repeat([]byte{1}, 32)}, {ID: "2026-10", Secret: bytes.Repeat([]byte{2}, 16)}}

// taken has a tier that has the pages of scopes 1 and 2, as an instance wrote them, and returns the second one's.
func taken(t *testing.T, config func(*folio.Config)) (bad *spoiled, s *site, other []byte) {
	bad = &spoiled{Tier: tier.NewMemory(1)}
	s = &site{tier: bad}
	a := s.instance(t, config)
	bad.spoil = func(b []byte) []byte { other = b; return b }
	a.read(t, "2")
	time.Sleep(time.Second)
	if _, from := s.instance(t, config).read(t, "2"); from != folio.Shared || other == nil {
		t.Fatal("it has nothing", from)
	}
	bad.spoil = nil
	a.read(t, "1")
	time.Sleep(time.Second)
	return bad, s, other
}

// TestWhatTheTierHasIsNotTrusted: each byte changed, each end cut off, and another scope's page are refused, counted and
// loaded afresh; sealed or not.
func TestWhatTheTierHasIsNotTrusted(t *testing.T) {
	for _, k := range [][]folio.TierKey{nil, keys} {
		synctest.Test(t, func(t *testing.T) {
			config := func(c *folio.Config) { c.TierKeys = k }
			bad, s, other := taken(t, config)
			refused := func(what string, config func(*folio.Config), spoil func([]byte) []byte) {
				bad.spoil = spoil
				i := s.instance(t, config)
				if v, from := i.read(t, "1"); v != 0 || from != folio.Miss || i.cache.Stats().Tier.Refused != 1 {
					t.Errorf("%s: %d from %s, %+v", what, v, from, i.cache.Stats().Tier)
				}
				time.Sleep(time.Second)
			}
			for n := range len(other) {
				refused(fmt.Sprint("byte ", n), config, func(b []byte) []byte { b[n] ^= 16; return b })
				refused(fmt.Sprint("cut to ", n), config, func(b []byte) []byte { return b[:n] })
			}
			refused("another scope's", config, func([]byte) []byte { return other })
		})
	}
}

// TestSealed: who has the key reads it, whichever it was sealed by; who has none, or another one of that name, does not. In
// the tier nothing of the rows, or of whose they are, can be read.
func TestSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := func(keys ...folio.TierKey) func(*folio.Config) {
			return func(c *folio.Config) { c.TierKeys = keys }
		}
		bad, s, other := taken(t, of(keys[1]))
		if bytes.Contains(other, []byte("user")) || !bytes.Contains(other, []byte(keys[1].ID)) {
			t.Errorf("%q", other)
		}
		for _, c := range []struct {
			what    string
			config  func(*folio.Config)
			want    folio.Source
			refused int64
		}{
			{"the same key", of(keys[1]), folio.Shared, 0},
			{"the next one, and it", of(keys...), folio.Shared, 0},
			{"none", of(), folio.Miss, 0}, // there is nothing under that name
			{"another one of the same name", of(folio.TierKey{ID: keys[1].ID, Secret: keys[0].Secret}), folio.Miss, 1},
			{"another one", of(keys[0]), folio.Miss, 1},
		} {
			bad.spoil = func([]byte) []byte { return bytes.Clone(other) }
			i := s.instance(t, c.config)
			if _, from := i.read(t, "2"); from != c.want {
				t.Errorf("%s: %s", c.what, from)
			}
			if n := i.cache.Stats().Tier.Refused; n != c.refused {
				t.Errorf("%s: %d refused", c.what, n)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestKeysThatCannotBe: names and secrets of wrong lengths, names given twice, keys of no tier.
func TestKeysThatCannotBe(t *testing.T) {
	for _, k := range [][]folio.TierKey{{{}}, {{ID: "a", Secret: make([]byte, 5)}}, {{ID: string(make([]byte, 33)), Secret: make([]byte, 32)}}, {keys[0], keys[0]}} {
		if _, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true, Tier: tier.NewMemory(1), TierKeys: k}); !errors.Is(err, folio.ErrConfig) {
			t.Errorf("%v: %v", k, err)
		}
	}
	if _, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true, TierKeys: keys}); !errors.Is(err, folio.ErrConfig) {
		t.Error(err)
	}
}
