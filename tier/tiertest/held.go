package tiertest

import (
	"testing"
	"time"

	"github.com/foliocache/folio/tier"
)

// held: what is announced to be written is neither current nor stored until everybody who has announced it is done, or
// their time is over; what was loaded meanwhile is never stored.
func held(t *testing.T, open func(*testing.T) tier.Tier) {
	on := open(t)
	h, ok := on.(tier.Holder)
	if !ok {
		return // writes cannot be announced in it
	}
	tags, k := fresh(3)
	asked := tags
	store := func(want bool) {
		t.Helper()
		m, _ := read(t, on, asked, k)
		write(t, on, m, k, tags, "body")
		if _, v := read(t, on, asked, k); (v != nil) != want {
			t.Errorf("stored: %v, want %v", v != nil, want)
		}
	}
	hold := func(by string, d time.Duration) {
		t.Helper()
		if _, err := h.Hold(within(t), by, tags[1:], d); err != nil {
			t.Fatal(err)
		}
	}
	release := func(by string) {
		t.Helper()
		if at, err := h.Release(within(t), by, tags[1:]); err != nil || len(at) == 0 {
			t.Fatal(at, err)
		}
	}
	store(true)
	hold("a", time.Minute)
	if _, v := read(t, on, tags, k); v != nil {
		t.Error("current, though it is being written")
	}
	store(false)
	bump(t, on, tags...)
	store(false)
	hold("b", time.Minute)
	hold("a", time.Minute)
	m, _ := read(t, on, tags, k)
	release("a")
	store(false)
	release("nobody")
	store(false)
	release("b")
	write(t, on, m, k, tags, "of before")
	if _, v := read(t, on, tags, k); v != nil {
		t.Error("loaded while it was written, and stored")
	}
	store(true)
	for _, first := range []string{"read", "write"} { // whoever has announced it is dead
		if first == "write" {
			asked = tags[:1:1] // the others, which are held, are known of the value alone
			for shard := range on.Shards() {
				asked = append(asked, uint64(shard)) // a tag of each
			}
		}
		hold("a", 200*time.Millisecond)
		m, _ = read(t, on, asked, k)
		store(false)
		time.Sleep(250 * time.Millisecond)
		if first == "read" {
			read(t, on, asked, k)
		}
		write(t, on, m, k, tags, "of before")
		if _, v := read(t, on, asked, k); v != nil {
			t.Errorf("first a %s: loaded while it was written, and stored when the time was over", first)
		}
		store(true)
	}
}
