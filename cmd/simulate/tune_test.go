package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/tune"
	"github.com/foliocache/folio/workloads"
)

// TestATunedConfigIsAccepted: by folio.New and folio.NewList, whatever was found, for sizes in objects and in bytes.
func TestATunedConfigIsAccepted(t *testing.T) {
	for _, args := range [][]string{
		{"-s", "5%", "../../workloads/testdata/web12.trace.xz"},
		{"-s", "8MiB", "gen:tickets?n=30000"},
		{"-s", "128MiB", "gen:tickets?n=30000"},
		{"-s", "128MiB", "--ttl", "1500ms", "gen:tickets?n=30000"},
		{"-s", "3", "gen:tickets?n=3000"},
		{"-s", "8MiB", "--untold", "1", "--max-stale", "0.05", "gen:tickets?n=30000&writes=.05"},
	} {
		var out, said bytes.Buffer
		if code := run(t.Context(), append([]string{"tune", "-q", "-o", "json"}, args...), &out, &said); code != 0 {
			t.Fatalf("%v: status %d: %s", args, code, said.String())
		}
		var found struct {
			tune.Found
			Config folio.Config `json:"config"`
			List   struct {
				TTL      time.Duration
				MaxAhead int
				MaxStale float64
			} `json:"list"`
		}
		d := json.NewDecoder(bytes.NewReader(out.Bytes()))
		if err := d.Decode(&found); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out.String())
		}
		c, err := folio.New(found.Config)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out.String())
		}
		_, err = folio.NewList(c, folio.ListConfig[int]{Name: "l", TTL: found.List.TTL, MaxAhead: found.List.MaxAhead, MaxStale: found.List.MaxStale,
			Load: func(_ context.Context, _ folio.Query, _ folio.Range) ([]int, error) { return nil, nil }})
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out.String())
		}
		if values := c.Stats().Memory.Values; args[1] == "128MiB" && (values < 127<<20 || values > 129<<20) {
			t.Errorf("%v: %d bytes are for values\n%s", args, values, out.String())
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestEverythingThatIsTriedHasAField: each value of each knob becomes one of the config.
func TestEverythingThatIsTriedHasAField(t *testing.T) {
	source, err := workloads.Open("gen:tickets?n=3000")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := sim.DecodeSample(t.Context(), source, sim.Sample{})
	if err != nil {
		t.Fatal(err)
	}
	size, err := sim.ParseSize("8MiB")
	if err != nil {
		t.Fatal(err)
	}
	knobs, err := tune.Knobs(whole, nil, 1, .01)
	if err != nil {
		t.Fatal(err)
	}
	if len(knobs) != 5 {
		t.Errorf("%d knobs of a trace with pages and a clock", len(knobs))
	}
	for _, k := range knobs {
		for _, v := range k.Values {
			c, l, err := configOf(&tune.Found{Best: tune.Candidate{{Knob: k.Name, Value: v}}}, size, whole, 0)
			plain, none, _ := configOf(&tune.Found{}, size, whole, 0)
			if err != nil || c == plain && l == none {
				t.Errorf("%s: %+v, %+v, %v", v, c, l, err)
			}
		}
	}
}

// TestASearchGoesOn: what a state's file holds is not replayed again, and a last line that was cut is.
func TestASearchGoesOn(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	search := func() string {
		var out, said bytes.Buffer
		if code := run(t.Context(), []string{"tune", "-q", "-s", "5%", "--state", state, "gen:zipf?n=20000&m=2000"}, &out, &said); code != 0 {
			t.Fatalf("status %d: %s", code, said.String())
		}
		return out.String()
	}
	first := search()
	whole := content(t, state)
	if n := strings.Count(whole, "\n"); n < 10 {
		t.Fatalf("%d rows are kept", n)
	}
	if again := search(); again != first || content(t, state) != whole {
		t.Errorf("%s\nand again:\n%s", first, again)
	}
	put(t, state, whole[:len(whole)-10])
	if again := search(); again != first || content(t, state) != whole {
		t.Errorf("%s\nafter a cut line:\n%s", first, again)
	}
	put(t, state, strings.Replace(whole, "{", "", 1))
	var out, said bytes.Buffer
	if code := run(t.Context(), []string{"tune", "-q", "--state", state, "gen:zipf?n=20000&m=2000"}, &out, &said); code != exitInput || !strings.Contains(said.String(), "no state") {
		t.Errorf("status %d of a broken file: %s", code, said.String())
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
