package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/foliocache/folio/sim"
)

// made returns a result of so many policies at the sizes given, on one trace.
func made(policies int, sizes ...int64) *sim.Result {
	r := &sim.Result{Schema: sim.Schema, Complete: true, Traces: []sim.TraceInfo{{Name: "t<1>", Requests: 1000, IDs: 99}}}
	for i := range policies {
		for _, s := range sizes {
			r.Rows = append(r.Rows, sim.Row{Trace: "t<1>", Policy: fmt.Sprintf("p%02d", i), Size: s, SizeUnit: "objects", Seed: 1,
				HitRatio: float64(i+1) / float64(policies+2)})
		}
	}
	return r
}

func drawn(t *testing.T, r *sim.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := writeSVG(&b, r); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
	}
}

func TestPictureIsTheSameForTheSameResult(t *testing.T) {
	if a, b := drawn(t, made(14, 10, 100, 1000)), drawn(t, made(14, 10, 100, 1000)); a != b {
		t.Error("two pictures of one result differ")
	}
}

func TestPictureShowsAtMostTwelveLinesAndSaysSo(t *testing.T) {
	r := made(15, 10, 100)
	for _, p := range []string{"folio", "opt"} {
		r.Rows = append(r.Rows, sim.Row{Trace: "t<1>", Policy: p, Size: 10, SizeUnit: "objects"})
	}
	svg := drawn(t, r)
	for _, want := range []string{">folio<", ">opt<", ">p14<", "5 weaker policies", "t&lt;1&gt;"} {
		if !strings.Contains(svg, want) {
			t.Errorf("%q is not in the picture", want)
		}
	}
	if strings.Contains(svg, ">p00<") {
		t.Error("the weakest policy is drawn, though there are too many")
	}
	if n := len(linesOf(r).shown); n != maxLines {
		t.Errorf("%d lines, want %d", n, maxLines)
	}
}

func TestFolioIsThickAndInFront(t *testing.T) {
	r := made(2, 10, 100)
	r.Rows = append(r.Rows, sim.Row{Trace: "t<1>", Policy: "folio:strategy=x", Size: 10}, sim.Row{Trace: "t<1>", Policy: "folio:arbiter=exp3", Size: 10})
	l := linesOf(r).shown
	if l[0].policy != "folio:arbiter=exp3" || !l[0].front || l[0].stroke.Width <= l[1].stroke.Width {
		t.Errorf("%+v is first", l[0])
	}
}

func TestPictureOfAnythingIsDrawn(t *testing.T) {
	empty := &sim.Result{}
	one := made(1, 7)
	same := made(1, 7, 7)
	zero := made(3, 1, 1<<40)
	for i := range zero.Rows {
		zero.Rows[i].HitRatio = 0
		zero.Rows[i].SizeUnit = "bytes"
	}
	many := &sim.Result{Complete: true}
	for i := range 7 {
		many.Rows = append(many.Rows, sim.Row{Trace: strings.Repeat("long", 20) + fmt.Sprint(i), Policy: "lru", Size: 10, HitRatio: 1})
	}
	for name, r := range map[string]*sim.Result{"empty": empty, "one": one, "same": same, "zero": zero, "many": many} {
		if svg := drawn(t, r); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s: the picture holds NaN or Inf", name)
		}
	}
	if !strings.Contains(drawn(t, empty), "incomplete") {
		t.Error("an incomplete result is not marked")
	}
	if strings.Count(drawn(t, one), "<path") < 3 {
		t.Error("a single point is not drawn")
	}
}

func TestCountsAreShort(t *testing.T) {
	for v, want := range map[float64]string{1: "1", 687: "687", 1000: "1k", 3440: "3.44k", 12100: "12.1k", 196043: "196k", 1e6: "1M", 9999999: "10M", 4e9: "4G"} {
		if got := short(v); got != want {
			t.Errorf("short(%g) = %s, want %s", v, got, want)
		}
	}
}
