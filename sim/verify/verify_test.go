package verify

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// TestAWrongCountIsTold: of a trace that is another one, each count that differs is named.
func TestAWrongCountIsTold(t *testing.T) {
	goldens, _, err := load(Options{Quick: true})
	if err != nil {
		t.Fatal(err)
	}
	said := map[bool][]string{}
	say := func(ok bool, what string, _ ...any) { said[ok] = append(said[ok], what) }
	for _, spec := range []string{specs["g-loop"], "gen:loop?n=30000&m=1499"} {
		source, err := workloads.Open(spec)
		if err != nil {
			t.Fatal(err)
		}
		trace, err := sim.Decode(source)
		if err != nil {
			t.Fatal(err)
		}
		if err := counts(context.Background(), trace, goldens["g-loop"], say); err != nil {
			t.Fatal(err)
		}
	}
	if len(said[true]) != 1 || len(said[false]) < 2 || !strings.Contains(said[false][0], "misses, want") {
		t.Errorf("%d things hold, these do not: %v", len(said[true]), said[false])
	}
	if _, err := Run(context.Background(), Options{Traces: t.TempDir(), Say: func(_ bool, what string) { t.Error(what) }}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder without the traces: %v", err)
	}
}
