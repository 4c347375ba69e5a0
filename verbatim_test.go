package folio

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/quick"
	"testing/synctest"
	"time"
)

// TestWhatIsSaidToBeVerbatimIs: of types that are told of, random values are what comes back from JSON wherever that
// is said, and it is said of all that are plain.
func TestWhatIsSaidToBeVerbatimIs(t *testing.T) {
	type status string
	type flat struct {
		ID     int64   `json:"id"`
		Title  string  `json:",omitempty"`
		State  status  `json:"state"`
		Price  float64 `json:"price,omitempty"`
		Ratio  float32
		Small  uint8
		Open   bool
		Nested struct{ A, B string }
		At     time.Time `json:"at"`
	}
	is := verbatimOf(reflect.TypeFor[flat]())
	rng := rand.New(rand.NewPCG(1, 2))
	places := []*time.Location{time.UTC, time.FixedZone("x", 3600), time.Local}
	said, both := 0, [2]int{}
	if err := quick.Check(func(id int64, title, state, a, b string, price float64, ratio float32, small uint8, open bool, raw [2][]byte, sec int32, kind uint8) bool {
		v := flat{id, title, status(state), price, ratio, small, open, struct{ A, B string }{a, b}, time.Time{}}
		v.At = time.Unix(int64(sec), rng.Int64N(1e9)).In(places[kind%3])
		if kind%5 == 4 {
			v.At = time.Now().UTC()
		}
		if kind%7 == 6 {
			v.Price = math.Copysign(0, -1)
		}
		if kind&64 > 0 {
			v.Nested.A, v.State = string(raw[0]), status(raw[1]) // mostly no UTF-8
		}
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back flat
		if err := json.Unmarshal(body, &back); err != nil {
			t.Fatal(err)
		}
		same, told := v == back && math.Signbit(v.Price) == math.Signbit(back.Price), all(is, []flat{v})
		if told {
			said++
		}
		if same {
			both[1]++
		} else {
			both[0]++
		}
		return same || !told
	}, &quick.Config{MaxCount: 5000}); err != nil {
		t.Error(err)
	}
	if both[0] < 500 || said < 500 || said != both[1] {
		t.Errorf("%d came back, %d did not, %d were said to", both[1], both[0], said)
	}
}

// TestTypesThatMayComeBackOtherwiseAreNotVerbatim: of all of them there are values that do, or that share memory.
func TestTypesThatMayComeBackOtherwiseAreNotVerbatim(t *testing.T) {
	for name, v := range map[string]any{
		"unexported": struct{ a, B int }{},
		"left out": struct {
			A int `json:"-"`
		}{},
		"named -": struct {
			A int `json:"-,"`
		}{},
		"as string": struct {
			A int `json:",string"`
		}{},
		"omitzero": struct {
			A int `json:",omitzero"`
		}{},
		"same name": struct {
			A int `json:"b"`
			B int
		}{},
		"odd name": struct {
			A int `json:"a.b"`
		}{},
		"embedded":        struct{ Range }{},
		"pointer":         struct{ A *int }{},
		"slice":           struct{ A []int }{},
		"map":             map[string]int{},
		"any":             struct{ A any }{},
		"own marshaler":   struct{ A json.RawMessage }{},
		"text":            struct{ A ownText }{},
		"pointer methods": struct{ A ownJSON }{},
		"number":          json.Number("1"),
		"array":           [2]int{},
		"complex":         1i,
	} {
		if verbatimOf(reflect.TypeOf(v)) != nil {
			t.Errorf("%s: %T is taken for verbatim", name, v)
		}
	}
}

type ownText int

func (ownText) MarshalText() ([]byte, error) { return []byte("x"), nil }

type ownJSON string

func (r *ownJSON) UnmarshalJSON([]byte) error { *r = "read"; return nil }

// TestAMissShowsWhatAHitWill: whatever the loader's rows are, and whoever writes to what was handed out.
func TestAMissShowsWhatAHitWill(t *testing.T) {
	showTheSame(t, "plain", func(i int) order { return order{i, "a", time.Unix(int64(i), 0).UTC(), ""} })
	showTheSame(t, "odd text", func(i int) order { return order{i, "\xff", time.Unix(int64(i), 0).UTC(), ""} })
	showTheSame(t, "other time zone", func(i int) order { return order{i, "a", time.Unix(int64(i), 0).In(time.FixedZone("x", 60)), ""} })
	showTheSame(t, "hidden", func(i int) secret { return secret{i, "hidden"} })
	showTheSame(t, "pointers", func(i int) *order { return &order{ID: i} })
}

type order struct {
	ID    int
	Title string
	At    time.Time
	Note  string
}

type secret struct {
	ID     int
	hidden string
}

func showTheSame[T any](t *testing.T, name string, row func(int) T) {
	t.Run(name, func(t *testing.T) {
		kept := make([]T, 40) // the loader's own
		for i := range kept {
			kept[i] = row(i)
		}
		l, err := NewList(open(t, small()), ListConfig[T]{Name: "orders", Load: func(_ context.Context, _ Query, r Range) ([]T, error) {
			return kept[r.Offset:min(len(kept), r.Offset+r.Limit)], nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		q, err := l.Query(Params{Scope: someone})
		if err != nil {
			t.Fatal(err)
		}
		var seen [3]Page[T]
		for i := range seen {
			p, err := l.Page(background, q)
			if err != nil {
				t.Fatal(err)
			}
			seen[i] = Page[T]{Items: append([]T{}, p.Items...), Next: p.Next}
			if want := []Source{Miss, Hit, Hit}[i]; p.Source != want {
				t.Errorf("a %s, want a %s", p.Source, want)
			}
			clear(p.Items)
		}
		if !reflect.DeepEqual(seen[0], seen[1]) || !reflect.DeepEqual(seen[1], seen[2]) {
			t.Errorf("a miss showed %v, hits %v and %v", seen[0], seen[1], seen[2])
		}
		if reflect.ValueOf(kept[0]).IsZero() {
			t.Error("a reader has written to the loader's rows")
		}
	})
}

// TestALoaderMayWriteToItsRowsAgain: as to a buffer that it uses for every query.
func TestALoaderMayWriteToItsRowsAgain(t *testing.T) {
	l, err := NewList(open(t, small()), ListConfig[order]{Name: "orders", Load: func(context.Context, Query, Range) ([]order, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	rows := []order{{ID: 7}}
	p, err := l.page(Query{}, rows)
	rows[0].ID = 8
	if got, ok := p.decoded.([]order); err != nil || !ok || got[0].ID != 7 {
		t.Errorf("%v, %v", p.decoded, err)
	}
}

// TestRowsThatSeveralWaitedForAreEachOnesOwn: who waits for another's load may write to what it gets.
func TestRowsThatSeveralWaitedForAreEachOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := NewList(open(t, small()), ListConfig[order]{Name: "orders", Load: func(context.Context, Query, Range) ([]order, error) {
			time.Sleep(time.Second)
			return []order{{ID: 7}}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		q, err := l.Query(Params{Scope: someone})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			go func() {
				p, err := l.Page(background, q)
				if err != nil || len(p.Items) != 1 || p.Items[0].ID != 7 {
					t.Errorf("%v, %v", p, err)
					return
				}
				p.Items[0].ID = -1
			}()
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
	})
}
