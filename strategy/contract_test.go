package strategy

import (
	"slices"
	"strings"
	"testing"
)

// ours are the strategies of this package; tests may register more.
var ours = []string{"aggressive", "balanced", "conservative", "exploratory"}

func named(t *testing.T, name string) Strategy {
	t.Helper()
	s, err := New(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// candidates yields every combination of moment, price, size, hits and credit with a confidence.
func candidates(confidence float64, yield func(Candidate)) {
	for m := range moments {
		for _, k := range []float64{MinPrice, .5, .6, .7, MaxPrice, 1} {
			for _, hits := range []uint8{0, 1, 2, 3, 15} {
				for credit := range uint8(4) {
					for _, size := range []float64{.1, 1, 8} {
						yield(Candidate{Moment: m, Confidence: confidence, Price: k, Size: size, Hits: hits, Credit: credit})
					}
				}
			}
		}
	}
}

func TestOurStrategiesAreRegistered(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) {
		t.Errorf("not in order: %v", names)
	}
	for _, n := range ours {
		if !slices.Contains(names, n) {
			t.Errorf("%s is not registered", n)
		}
	}
	for _, n := range names {
		if d := Doc(n); d == "" || strings.Contains(d, "\n") {
			t.Errorf("%s: its doc is not one line: %q", n, d)
		}
	}
}

func TestUnknownStrategyIsAnErrorThatListsTheKnown(t *testing.T) {
	_, err := New("agressive")
	if err == nil || !strings.Contains(err.Error(), `"agressive"`) || !strings.Contains(err.Error(), "aggressive balanced") {
		t.Errorf("got %v", err)
	}
}

// TestThresholdsMayBeOthers: what is likelier than the threshold is admitted, or less likely where novelty counts; all else is
// as ever.
func TestThresholdsMayBeOthers(t *testing.T) {
	for name, admits := range map[string]bool{"balanced@0.3": true, "balanced@0.5": false, "conservative@0.2": true, "conservative@0.7": false,
		"exploratory@0.5": true, "exploratory@0.9": false, "aggressive@1": true} {
		s, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Decide(Candidate{Moment: LeaveProbation, Confidence: .35, Price: 1, Size: 1}); (got == Admit) != admits {
			t.Errorf("%s: %v for a confidence of .35", name, got)
		}
	}
	weeds, err := New("aggressive@0.5")
	if err != nil {
		t.Fatal(err)
	}
	if got := weeds.Decide(Candidate{Moment: MainTail, Confidence: .35, Price: 1, Size: 1}); got != Reject {
		t.Errorf("aggressive@0.5: %v for a confidence of .35 at main's tail", got)
	}
	for _, name := range []string{"balanced@", "balanced@2", "balanced@-1", "balanced@NaN", "nobody@0.3"} {
		if s, err := New(name); err == nil {
			t.Errorf("%s is %v", name, s)
		}
	}
}

func TestNameTakenTwicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Register("balanced", "again", usual)
}

func TestEveryStrategyIsTotalAndPure(t *testing.T) {
	for _, n := range Names() {
		s := named(t, n)
		var first []Verdict
		for round := range 2 {
			i := 0
			for c := 0.0; c <= 1; c += 1. / 64 {
				candidates(c, func(x Candidate) {
					v := s.Decide(x)
					if v != Admit && v != Reject {
						t.Fatalf("%s: verdict %d on %+v", n, v, x)
					}
					if round == 0 {
						first = append(first, v)
					} else if first[i] != v {
						t.Fatalf("%s changes its mind on %+v", n, x)
					}
					i++
				})
			}
		}
	}
}

func TestMoreConfidenceNeverTurnsAdmitIntoReject(t *testing.T) {
	for _, n := range []string{"conservative", "balanced", "aggressive"} {
		s := named(t, n)
		for c := 1. / 64; c <= 1; c += 1. / 64 {
			candidates(c, func(x Candidate) {
				less := x
				less.Confidence -= 1. / 64
				if s.Decide(less) > s.Decide(x) {
					t.Fatalf("%s admits at %v and rejects %+v", n, less.Confidence, x)
				}
			})
		}
	}
}

func TestExploratoryPrefersTheNovelBeforeMainsTail(t *testing.T) {
	s := named(t, "exploratory")
	for c := 1. / 64; c <= 1; c += 1. / 64 {
		candidates(c, func(x Candidate) {
			less := x
			less.Confidence -= 1. / 64
			if x.Moment != MainTail && s.Decide(less) < s.Decide(x) {
				t.Fatalf("rejects at %v and admits %+v", less.Confidence, x)
			}
		})
	}
	for _, m := range []Moment{Fill, LeaveProbation} {
		novel, sure := Candidate{Moment: m, Price: MaxPrice, Size: 1}, Candidate{Moment: m, Confidence: 1, Price: MinPrice, Size: 1}
		if s.Decide(novel) != Admit || s.Decide(sure) != Reject {
			t.Errorf("moment %d: novel %v, sure %v", m, s.Decide(novel), s.Decide(sure))
		}
	}
}

// TestStrictnessIsOrdered: what conservative lets into main balanced does as well, and what
// balanced lets in aggressive does.
func TestStrictnessIsOrdered(t *testing.T) {
	strict := []Strategy{named(t, "conservative"), named(t, "balanced"), named(t, "aggressive")}
	for c := 0.0; c <= 1; c += 1. / 64 {
		candidates(c, func(x Candidate) {
			if x.Moment == MainTail {
				return
			}
			for i := range 2 {
				if strict[i].Decide(x) > strict[i+1].Decide(x) {
					t.Fatalf("strategy %d admits %+v, the laxer one does not", i, x)
				}
			}
		})
	}
}

func TestStrategiesDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, n := range ours {
		s, b := named(t, n), strings.Builder{}
		for c := 0.0; c <= 1; c += 1. / 64 {
			candidates(c, func(x Candidate) { b.WriteByte('0' + byte(s.Decide(x))) })
		}
		if twin, ok := seen[b.String()]; ok {
			t.Errorf("%s and %s decide alike", n, twin)
		}
		seen[b.String()] = n
	}
}

func TestAggressiveAdmitsAllButTheLargeBeforeMainsTail(t *testing.T) {
	s := named(t, "aggressive")
	for _, c := range []float64{0, .01, .5, 1} {
		candidates(c, func(x Candidate) {
			if x.Moment != MainTail && x.Size <= 1 && s.Decide(x) != Admit {
				t.Fatalf("rejects %+v", x)
			}
		})
	}
	if s.Decide(Candidate{Moment: MainTail, Price: 1, Size: 1}) != Reject || s.Decide(Candidate{Moment: MainTail, Confidence: 1, Price: 1, Size: 1}) != Admit {
		t.Error("main's tail does not weed")
	}
}

func TestThresholdsScaleWithThePrice(t *testing.T) {
	for _, n := range []string{"conservative", "balanced"} {
		s := named(t, n)
		least := func(price float64) float64 {
			for c := 0.0; c <= 1; c += 1. / 1024 {
				if s.Decide(Candidate{Moment: LeaveProbation, Confidence: c, Price: price, Size: 1}) == Admit {
					return c
				}
			}
			return 2
		}
		if cheap, dear := least(.5), least(1); cheap <= 0 || dear > 1 || dear < 1.9*cheap || dear > 2.1*cheap {
			t.Errorf("%s: admits above %v at half the price and above %v at the whole", n, cheap, dear)
		}
	}
}

// TestThresholdsScaleWithTheSize: where requests are rare, as many times as large wants as many times the chance; what
// surely comes back is worth any size.
func TestThresholdsScaleWithTheSize(t *testing.T) {
	for n, m := range map[string]Moment{"conservative": LeaveProbation, "balanced": MainTail, "aggressive": MainTail} {
		s := named(t, n)
		least := func(size float64) float64 {
			for c := 0.0; c < 1; c += 1. / 4096 {
				if s.Decide(Candidate{Moment: m, Confidence: c, Price: MinPrice, Size: size}) == Admit {
					return c
				}
			}
			return 1
		}
		usual := least(1)
		if half, tenth := least(.5), least(.1); half < .45*usual || half > .6*usual || tenth < .08*usual || tenth > .13*usual {
			t.Errorf("%s: admits above %v, half as large above %v, a tenth as large above %v", n, usual, half, tenth)
		}
		if double, vast := least(2), least(8); double < 1.6*usual || double > 2*usual || vast <= double || vast > .98 {
			t.Errorf("%s: admits above %v, twice as large above %v, eight times as large above %v", n, usual, double, vast)
		}
	}
	if c := (Candidate{Moment: Fill, Confidence: .1, Size: 8}); named(t, "aggressive").Decide(c) != Reject {
		t.Error("aggressive has room for what is large and seldom asked for")
	}
}
