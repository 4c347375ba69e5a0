package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/compare"
)

// TestAnIncompleteResultSaysSo: in whatever format, and a complete one does not.
func TestAnIncompleteResultSaysSo(t *testing.T) {
	whole := replayed(t)
	for _, rows := range []int{len(whole.Rows), 0} {
		part, all := *whole, *whole
		part.Rows, all.Rows, part.Complete = whole.Rows[:rows], whole.Rows[:rows], false
		for _, format := range Runs {
			var whole, some bytes.Buffer
			if err := format.Write(&whole, &all); err != nil {
				t.Fatal(err)
			}
			if err := format.Write(&some, &part); err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(whole.Bytes(), some.Bytes()) || strings.Contains(whole.String(), early) {
				t.Errorf("%s of %d rows: a part and the whole look alike", format.Name, rows)
			}
		}
	}
}

// TestACommentFits: rows and failed claims beyond what a pull request's comment takes are counted, the gravest are there.
func TestACommentFits(t *testing.T) {
	for _, claims := range []int{0, 5000} {
		r := &compare.Result{Alpha: .01, FailOn: compare.Regress, Verdict: compare.Worse, Missing: make([]string, 3000), Traces: []sim.TraceInfo{{Name: "t"}}}
		for i := range 3000 {
			r.Missing[i] = fmt.Sprint("missing ", i)
			row := compare.Row{Trace: "a|b`c\nd", Policy: fmt.Sprintf("p|`%d", i), Seeds: 5, Verdict: compare.Undecided, Classes: map[string]compare.Class{"page1": {}}}
			if row.Head = row.Policy; i == 2999 {
				row.Verdict = compare.Worse
			}
			r.Rows = append(r.Rows, row)
		}
		for range claims {
			r.Claims = append(r.Claims, sim.Outcome{Claim: "hits > 0", Trace: "t", Row: "p"})
		}
		var b bytes.Buffer
		if err := compareMarkdown(&b, r); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if n := len(text); n > markdownMost || n < markdownMost*9/10 {
			t.Errorf("%d claims: %d bytes", claims, n)
		}
		for _, want := range []string{"| `a\\|b'c d` | `p\\|'2999` |", "only in the base: missing 19`", "and 2980 more only in the base", "more rows are in the JSON", "rows are missing; "} {
			if !strings.Contains(text, want) {
				t.Errorf("%d claims: no %q in %.2000s", claims, want, text)
			}
		}
		if strings.Contains(text, "- and 4980 more\n") != (claims > 0) || strings.Contains(text, "🔴 rows are missing; 5000 of 5000 claims failed; worse") != (claims > 0) {
			t.Errorf("%d claims: %.2000s", claims, text)
		}
	}
}
