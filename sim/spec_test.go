package sim

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSizesAreRead(t *testing.T) {
	trace := &Trace{Name: "test", ids: []uint32{0, 1, 0}, sizes: []uint32{100, 300, 200}, units: 2}
	for text, want := range map[string]struct {
		bytes bool
		n     int64
	}{
		"1000": {false, 1000}, "1": {false, 1}, "64MiB": {true, 64 << 20}, "1.5KiB": {true, 1536}, "2kB": {true, 2000}, "1GB": {true, 1e9},
		"3GiB": {true, 3 << 30}, "10B": {true, 10}, "50%": {false, 1}, "100%": {false, 2}, "50%B": {true, 250}, "7MB": {true, 7e6},
	} {
		s, err := ParseSize(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		n, err := s.Resolve(trace)
		if err != nil || n != want.n || s.Bytes != want.bytes || s.Text != text {
			t.Errorf("%s: %d, bytes %t, %v", text, n, s.Bytes, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "1.5", "ten", "%", "0%", "-5%", "B", "MiB", "5 MiB", "NaN", "inf", "1e999", "0B", "5%%", "64mib", "MiB64", "5%KiB", "1e30", "0x1p4", "1_000"} {
		if s, err := ParseSize(text); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
	if _, err := size(t, "1MiB").Resolve(&Trace{Name: "bare"}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "bare") {
		t.Errorf("bytes of a trace without sizes: %v", err)
	}
}

func TestPoliciesAreRead(t *testing.T) {
	p := policy(t, "folio:strategy=balanced,geometry=plain")
	want := map[string]string{"strategy": "balanced", "arbiter": "hedge", "geometry": "plain"}
	for k, v := range want {
		if diff := cmp.Diff(v, p.Params[k]); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
	}
	if _, err := ParsePolicy("folio:geometry=fastcache"); err != nil {
		t.Error(err)
	}
	for _, i := range Info() {
		if p := policy(t, i.Name); p.Name != i.Name || len(p.Params) != len(i.Params) {
			t.Errorf("%s: %+v", i.Name, p)
		}
	}
	for text, says := range map[string]string{
		"":                  "",
		"lur":               "lru",
		"foliio":            "folio",
		"lru:x=1":           `no parameter "x"`,
		"folio:strategy":    "strategy",
		"folio:strategies=": `no parameter "strategies"`,
		"folio:a=b=c":       "no parameter",
		"folio:,":           "folio:,",
	} {
		if _, err := ParsePolicy(text); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestJobsThatCannotBeAreErrors(t *testing.T) {
	trace := traceOf(event{}, event{id: 1})
	for text, s := range map[string]string{
		"folio:strategy=none": "5", "folio:arbiter=none": "5", "folio:exact=0": "5", "folio:exact=x": "5",
		"folio:geometry=round": "5", "folio:geometry=fastcache": "5", "lru": "5MiB", "folio": "5%B",
	} {
		p, err := ParsePolicy(text)
		if err == nil {
			err = Job{Trace: trace, Policy: p, Size: size(t, s)}.Check()
		}
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%s at %s: %v", text, s, err)
		}
	}
	if err := (Job{Trace: trace, Policy: policy(t, "folio"), Size: size(t, "5")}).Check(); err != nil {
		t.Error(err)
	}
}

// judgedRows are two policies at two sizes.
func judgedRows() []Row {
	row := func(p string, size, hits int64) Row {
		return Row{Trace: "t", Policy: p, Size: size, Seed: 1, Requests: 100, Hits: hits, Misses: 100 - hits, HitRatio: float64(hits) / 100,
			Classes: map[string]Class{"page1": {Requests: 40, Hits: hits / 2}}, SizeText: map[int64]string{10: "1%", 50: "5%"}[size]}
	}
	rows := []Row{row("folio", 10, 30), row("folio", 50, 60), row("lru", 10, 31), row("lru", 50, 50)}
	rows[0].Folio, rows[1].Folio = &Folio{Switches: 2}, &Folio{Switches: 3}
	return rows
}

// wantHeld judges an assertion and compares what held.
func wantHeld(t *testing.T, text string, want []bool, judge func(Assertion) ([]Outcome, error)) Assertion {
	t.Helper()
	a, err := ParseAssertion(text)
	var outcomes []Outcome
	if err == nil {
		outcomes, err = judge(a)
	}
	if err != nil {
		t.Errorf("%s: %v", text, err)
	}
	var held []bool
	for _, o := range outcomes {
		held = append(held, o.Held)
	}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("%s: %s", text, diff)
	}
	return a
}

func TestAssertionsAreJudged(t *testing.T) {
	for text, want := range map[string][]bool{
		"hit_ratio{policy=folio} >= 30%":                                        {true, true},
		"hit_ratio{policy=folio} > 30%":                                         {false, true},
		"hit_ratio{policy=folio} > hit_ratio{policy=lru}":                       {false, true},
		"hits{policy=folio,size=1%} == 30":                                      {true},
		"hits{policy=folio,size=10} != 30":                                      {false},
		"misses{size=5%} <= 40":                                                 {true, false},
		"misses{size=5%}<41":                                                    {true, false},
		"warn: hits < 0":                                                        {false, false, false, false},
		"error:hits{trace=t,seed=1} >= 0":                                       {true, true, true, true},
		"hit_ratio{class=page1,policy=folio} == .375":                           {true, false},
		"requests{class=page1} == 40":                                           {true, true, true, true},
		"folio.switches{policy=folio} <= 2":                                     {true, false},
		`hits{policy="folio"} >= 30`:                                            {true, true},
		"hits{policy=folio,class=page1,size=5%} > hits{policy=lru,class=page1}": {true},
	} {
		a := wantHeld(t, text, want, func(a Assertion) ([]Outcome, error) { return a.Judge(judgedRows()) })
		if a.Warn != strings.HasPrefix(text, "warn:") {
			t.Errorf("%s: warn is %t", text, a.Warn)
		}
	}
}

func TestAssertionsThatMeanNothingAreErrors(t *testing.T) {
	for _, text := range []string{"", "hits", "hits >=", ">= 3", "3 >= hits", "hitz > 3", "hits{policy} > 3", "hits{colour=red} > 3", "hits > x", "hits => 3", "hits{policy=lru > 3", "fatal:hits > 3", "size > 3"} {
		if a, err := ParseAssertion(text); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
	}
	for _, text := range []string{"hits{policy=fifo} > 3", "folio.switches{class=page1,policy=folio} > 3", "folio.switches{policy=lru} > 3", "hits{policy=folio} > hits{policy=fifo}", "hits{class=deeper} > 3"} {
		a, err := ParseAssertion(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if o, err := a.Judge(judgedRows()); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %+v, %v", text, o, err)
		}
	}
}

func TestDeltasAreJudgedOnPairs(t *testing.T) {
	var pairs []Pair
	for _, head := range judgedRows() {
		base := head
		base.Hits, base.Misses, base.HitRatio, base.Policy = head.Hits+2, head.Misses-2, head.HitRatio+.02, "was"
		base.Classes = map[string]Class{"page1": {Requests: 40, Hits: 10}}
		pairs = append(pairs, Pair{base, head})
	}
	for text, want := range map[string][]bool{
		"delta.hit_ratio{policy=folio} >= -1pp":               {false, false},
		"delta.hit_ratio{policy=folio} >= -2.1pp":             {true, true},
		"delta.hits{policy=lru} == -2":                        {true, true},
		"delta.misses{policy=folio} <= +3%":                   {true, false}, // of 68 and of 38
		"delta.hit_ratio{class=page1,policy=folio} > 0":       {true, true},
		"delta.hit_ratio{class=page1,policy=folio} == 12.5pp": {true, false},
		"delta.evicted{policy=folio} <= 0%":                   {true, true},
		"delta.hits{policy=was,size=1%} < 0":                  {true, true},
		"hits{policy=folio} >= 31":                            {false, true},
		"delta.warmed == 0":                                   {true, true, true, true},
	} {
		wantHeld(t, text, want, func(a Assertion) ([]Outcome, error) { return a.JudgePairs(pairs) })
	}
	for _, text := range []string{"delta.hit_ratio > 3%", "delta.hits > 3pp", "hit_ratio > 3pp", "delta.hits > delta.hits", "delta.hits > hits", "hits > delta.hits", "delta.hitz > 1", "delta.delta.hits > 1"} {
		if a, err := ParseAssertion(text); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
	}
	a, err := ParseAssertion("delta.hits > 3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Judge(judgedRows()); !errors.Is(err, ErrConfig) {
		t.Errorf("a delta of one result: %v", err)
	}
}
