package folio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/tier"
)

func aParcel(t testing.TB, keys ...TierKey) *parcel {
	t.Helper()
	p, err := newParcel(keys)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestABombIsRefused: what decompresses to more than anybody writes.
func TestABombIsRefused(t *testing.T) {
	c, id, k := aParcel(t), &identity{text: "k", space: listSpace}, &tier.Key{Name: "k"}
	for size, want := range map[int]error{sharedMost: nil, sharedMost + 1: errShared} {
		b := c.encode(k, id, &page{body: make([]byte, size)}, 1)
		if len(b) > size/100 {
			t.Fatalf("%d bytes of %d", len(b), size)
		}
		p, _, err := c.decode(id, &tier.Value{Key: *k, Body: b})
		if !errors.Is(err, want) || err == nil && len(p.body) != size {
			t.Errorf("%d bytes: %v, want %v", size, err, want)
		}
	}
}

// TestNothingPackedIsNothing: what says that it is packed, and is empty, is not taken for a page that is not there.
func TestNothingPackedIsNothing(t *testing.T) {
	c, id, k := aParcel(t), &identity{text: "k", space: listSpace}, &tier.Key{Name: "k"}
	b := c.encode(k, id, &page{}, 1)
	b[clearHead] |= packedFlag
	binary.LittleEndian.PutUint64(b[2:], xxh3.Hash(b[clearHead:]))
	if _, _, err := c.decode(id, &tier.Value{Key: *k, Body: b}); !errors.Is(err, errShared) {
		t.Error(err)
	}
}

// FuzzShared: any bytes are refused, or are what somebody has written, and what is written is read.
func FuzzShared(f *testing.F) {
	id, k := &identity{text: "list:user:1", space: listSpace}, &tier.Key{Name: "k", Home: 7}
	open, shut := aParcel(f), aParcel(f, TierKey{ID: "a", Secret: make([]byte, 32)})
	for _, c := range []*parcel{open, shut} {
		f.Add(c.encode(k, id, &page{body: []byte("[1]"), rows: 1, revealed: []core.Tag{1, 2}}, 5))
		f.Add(c.encode(k, id, &page{body: bytes.Repeat([]byte("[1]"), 1000), rows: 1000}, 5))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range []*parcel{open, shut} {
			p, took, err := c.decode(id, &tier.Value{Key: *k, Body: b})
			if err == nil {
				again, took2, err := c.decode(id, &tier.Value{Key: *k, Body: c.encode(k, id, &p, took)})
				if err != nil || took2 != took || !bytes.Equal(again.body, p.body) || again.rows != p.rows {
					t.Errorf("%q: %+v %v", b, again, err)
				}
			} else if !errors.Is(err, errShared) && b != nil {
				t.Errorf("%q: %v", b, err)
			}
		}
		p, took, err := open.decode(id, &tier.Value{Key: *k, Body: open.encode(k, id, &page{body: b, rows: len(b)}, 3)})
		if err != nil || took != 3 || !bytes.Equal(p.body, b) || p.rows != len(b) {
			t.Errorf("%q: %+v %v", b, p, err)
		}
	})
}
