package board

import (
	"sync"
	"testing"
)

func TestABoardTellsWhatWasNoted(t *testing.T) {
	b := new(Board)
	b.Hit(3, Main) // there is no place yet
	b.Grow(4)
	if n := b.Noted(3); n != 0 {
		t.Errorf("%d hits noted before there was a place", n)
	}
	b.Turn(Main, 200)
	b.Turn(Probation, 7)
	b.Hit(3, Probation)
	b.Hit(3, Main)
	b.Hit(2, Probation)
	b.Grow(1 << 20)
	for _, want := range []struct {
		slot       uint32
		hits, hand uint8
	}{{3, 2, 200}, {2, 1, 7}, {1, 0, 0}, {1 << 19, 0, 0}, {1 << 21, 0, 0}} {
		if n := b.Noted(want.slot); n != want.hits {
			t.Errorf("slot %d: %d hits noted, want %d", want.slot, n, want.hits)
		}
		if n, hand := b.Take(want.slot); n != want.hits || hand != want.hand {
			t.Errorf("slot %d: %d hits, the hand at %d; want %d at %d", want.slot, n, hand, want.hits, want.hand)
		}
		if n, _ := b.Take(want.slot); n != 0 {
			t.Errorf("slot %d: %d hits after they were taken", want.slot, n)
		}
	}
	for i := range 300 {
		b.Turn(Main, uint8(i))
		b.Hit(5, Main)
	}
	if n, hand := b.Take(5); n != mostHits || hand != 299%256 {
		t.Errorf("300 hits: %d, the hand at %d", n, hand)
	}
	if n := b.Bytes(); n < 4<<20 || n > 5<<20 {
		t.Errorf("%d bytes for 2^20 slots", n)
	}
}

func TestReadsAreCountedUntilTaken(t *testing.T) {
	var r Reads
	(*Reads)(nil).Add()
	for range 2000 {
		r.Add()
	}
	if n := r.Take(); n != mostReads {
		t.Errorf("2,000 reads: %d", n)
	}
	r.Add()
	if n := r.Take(); n != 1 {
		t.Errorf("1 read: %d", n)
	}
}

// TestNotesMayBeTakenAtAnyTime is for the race detector; some hits may be forgotten, none is made up.
func TestNotesMayBeTakenAtAnyTime(t *testing.T) {
	b, all := new(Board), sync.WaitGroup{}
	b.Grow(1)
	for range 4 {
		all.Go(func() {
			for i := range 10_000 {
				b.Hit(uint32(i), Ring(i%2))
			}
		})
	}
	taken := 0
	for i := range 10_000 {
		b.Grow(i)
		b.Turn(Main, uint8(i))
		n, _ := b.Take(uint32(i))
		taken += int(n)
	}
	all.Wait()
	for i := range uint32(10_000) {
		n, _ := b.Take(i)
		taken += int(n)
	}
	if taken == 0 || taken > 40_000 {
		t.Errorf("%d hits taken of 40,000", taken)
	}
}
