package strategy

import (
	"testing"

	"github.com/foliocache/folio/internal/seed"
)

func TestPriceStaysWithinItsClip(t *testing.T) {
	r := seed.Random(t)
	var p Price
	if p.K() != MinPrice {
		t.Errorf("of nothing: %v", p.K())
	}
	for range 10_000 {
		p.Hit(r.ExpFloat64(), 1e-6+r.ExpFloat64()*1e3)
		if r.IntN(20) == 0 {
			p.Decay()
		}
		if k := p.K(); k < MinPrice || k > MaxPrice {
			t.Fatalf("price %v", k)
		}
	}
}

func TestPriceRisesWhenTheTailEarns(t *testing.T) {
	var young, tail Price
	for range 100 {
		young.Hit(.1, 1)
		tail.Hit(.9, 1)
	}
	if young.K() != MinPrice || tail.K() != MaxPrice {
		t.Errorf("hits on the young: %v, hits at the tail: %v", young.K(), tail.K())
	}
	var p Price
	last := 0.0
	for range 3 { // 30 young hits, ever more late ones
		for range 10 {
			p.Hit(.1, 1)
		}
	}
	for range 40 {
		p.Hit(.8, 1)
		if p.K() < last {
			t.Fatalf("falls to %v as the tail earns more", p.K())
		}
		last = p.K()
	}
	if last != MaxPrice {
		t.Errorf("ends at %v", last)
	}
}

func TestPriceIsTheLastQuartersShareOfFour(t *testing.T) {
	var p Price
	p.Hit(0, 3)
	p.Hit(.3, 2)
	p.Hit(.6, 2.6)
	p.Hit(5, 1.4) // older than a lap counts as the tail: 4·1.4/9
	if k, want := p.K(), 4*1.4/9; k < want-1e-12 || k > want+1e-12 {
		t.Errorf("got %v, want %v", k, want)
	}
}

func TestDecayAgesButDoesNotTurnThePrice(t *testing.T) {
	var p Price
	p.Hit(.1, 8.5)
	p.Hit(.9, 1.5)
	k := p.K()
	for range 50 {
		p.Decay()
	}
	if d := p.K() - k; d < -1e-9 || d > 1e-9 {
		t.Errorf("from %v to %v", k, p.K())
	}
	p.Hit(.9, 1.5) // now the latest outweighs all before
	if p.K() != MaxPrice {
		t.Errorf("the past still weighs: %v", p.K())
	}
}
