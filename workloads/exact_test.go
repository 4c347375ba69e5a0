package workloads

import (
	"math"
	"testing"

	"github.com/foliocache/folio/internal/seed"
)

func TestExactFunctionsAgreeWithMath(t *testing.T) {
	random := seed.Random(t)
	for range 20000 {
		x := (random.Float64() - 0.5) * 100
		if got, want := exactExp(x), math.Exp(x); math.Abs(got-want) > 4e-15*want {
			t.Fatalf("exp %v: %v, want %v", x, got, want)
		}
		y := math.Exp(x)
		if got, want := exactLog(y), math.Log(y); math.Abs(got-want) > 1e-15*math.Max(1, math.Abs(want)) {
			t.Fatalf("log %v: %v, want %v", y, got, want)
		}
		if got, want := exactSin(x), math.Sin(2*math.Pi*x); math.Abs(got-want) > 1e-13 {
			t.Fatalf("sin of %v turns: %v, want %v", x, got, want)
		}
	}
	if exactLog(1) != 0 || exactExp(0) != 1 || exactSin(0) != 0 {
		t.Error("fixed points")
	}
}

func TestAgendaKeepsOrder(t *testing.T) {
	random := seed.Random(t)
	var a agenda
	var last appointment
	for range 20000 {
		if random.IntN(3) > 0 || len(a.heap) == 0 {
			a.put(last.at+seconds(float64(random.IntN(5))), session{})
			continue
		}
		next := a.take()
		if next.at < last.at || next.at == last.at && next.order < last.order {
			t.Fatalf("%v after %v", next, last)
		}
		last = next
	}
}
