package folio

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// shop are the rules of a ticketing platform.
var shop = Rules{
	"event":  {"event:{id}", "events:city:{city}", "key:analytics:{id}"},
	"ticket": {"ticket:{id}", "tickets:user:{user}", "event:{event}"},
	"user":   {"key:profile:{id}", "tickets:user:{id}", "payments:user:{id}"},
}

// TestRulesReachWhatAChangeOutdates: of the list of a scope whose id needs escaping, of an entity
// that moves, and of what depends on the tags.
func TestRulesReachWhatAChangeOutdates(t *testing.T) {
	config := small()
	config.Rules = shop
	c := open(t, config)
	odd := Scope{Kind: "user", ID: "a:b"}
	l, _ := tickets(t, c, nil)
	if err := c.Depend("leaderboard", "event:7"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		entity string
		fields []map[string]string
		want   []Tag
	}{
		{"event", []map[string]string{{"id": "7", "city": "Bern", "x": ""}, {"id": "7", "city": "Rom"}},
			[]Tag{"event:7", "events:city:Bern", "key:analytics:7", "events:city:Rom", "leaderboard"}},
		{"ticket", []map[string]string{{"id": "a:b", "user": "a:b", "event": "e:1"}}, []Tag{"ticket:a:b", "ticket:a%3Ab", "tickets:user:a:b", l.Tag(odd), "event:e:1", "event:e%3A1"}},
	} {
		got, err := c.Reach(test.entity, test.fields...)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v; want %q", test.entity, got, err, test.want)
		}
		before := c.Stats().Invalidations
		if err := c.Changed(background, test.entity, test.fields...); err != nil {
			t.Fatal(err)
		}
		if n := c.Stats().Invalidations - before; n != int64(len(test.want)) {
			t.Errorf("%s: %d invalidations, want %d", test.entity, n, len(test.want))
		}
	}
	q := parse(t, l, odd, "")
	for i, want := range []Source{Miss, Hit, Miss} {
		if i == 2 {
			if err := c.Changed(background, "user", map[string]string{"id": "a:b"}); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := l.Page(background, q); err != nil || p.Source != want {
			t.Errorf("read %d: %v, %v", i, p.Source, err)
		}
	}
	before := c.Stats().Invalidations
	for _, err := range []error{c.Changed(background, "events", nil), c.Changed(background, "event", map[string]string{"id": "7"}), c.Changed(background, "event")} {
		if !errors.Is(err, ErrConfig) {
			t.Errorf("got %v", err)
		}
	}
	if n := c.Stats().Invalidations - before; n != 0 {
		t.Errorf("%d invalidations by what failed", n)
	}
}

func TestRulesAreChecked(t *testing.T) {
	config := small()
	config.Rules = Rules{"a": {"x:{id}", "x:{", "}"}, "b": {"{}", "{a{b}}", ""}}
	_, err := New(config)
	if !errors.Is(err, ErrConfig) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{`rule of "a": "x:{"`, `rule of "a": "}"`, `rule of "b": "{}"`, `rule of "b": "{a{b}}"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not tell of %s", err, part)
		}
	}
}
