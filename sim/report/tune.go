package report

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/foliocache/folio/sim/compare"
	"github.com/foliocache/folio/sim/tune"
)

// tuned writes what a search found: the config, what it gains, what each setting is worth.
func tuned(w io.Writer, f *tune.Found) error {
	if !f.Complete {
		fmt.Fprintln(w, early)
	}
	fmt.Fprintf(w, "%s at %s: %d settings tried\n%s\n\n", f.Trace.Name, f.Size, f.Tried, f.Why)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if f.HeldOut != nil {
		fmt.Fprintln(t, "\tdefaults %\ttuned %\tpoints\tbetween\tqueries\torigin time\t")
		for _, row := range []struct {
			name string
			*compare.Row
		}{{"whole trace", f.Whole}, {"held out", f.HeldOut}} {
			queries, took := change(row.From.OriginQueries, row.To.OriginQueries), change(int64(row.From.OriginMS), int64(row.To.OriginMS))
			if row.From.OriginQueries == 0 { // of a part of the trace they are not counted
				queries, took = "", ""
			}
			fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%+.2f\t%s\t%s\t%s\t%s\n", row.name, 100*row.From.HitRatio, 100*row.To.HitRatio, row.Points, interval(row.Row), queries, took, row.Verdict)
		}
		fmt.Fprintln(t)
	}
	for _, s := range f.Sets {
		fmt.Fprintf(t, "set\t%s\t%s\t%+.2f points beside the others\n", s.Knob, s.Value, s.Points)
	}
	for _, s := range f.Others {
		said := fmt.Sprintf("%+.2f points at best", s.Points)
		if s.Share < 1 {
			said += fmt.Sprintf(", on a sample of 1/%.0f", 1/s.Share)
		}
		if s.Costly {
			said += "; all that was tried asks too much of the origin, or is too stale"
		}
		fmt.Fprintf(t, "left alone\t%s\t%s\t%s\n", s.Knob, s.Value, said)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n%s\n", literal("folio.Config", f.Config), literal("folio.ListConfig[T]", f.List))
	return err
}

// literal writes the fields of a struct that are set, as Go does.
func literal(name string, v any) string {
	var fields []string
	for s, i := reflect.ValueOf(v), 0; i < s.NumField(); i++ {
		switch field := s.Field(i).Interface().(type) {
		case time.Duration:
			if field%time.Second != 0 {
				fields = append(fields, fmt.Sprintf("%s: %d * time.Millisecond", s.Type().Field(i).Name, field.Milliseconds()))
			} else if field > 0 {
				fields = append(fields, fmt.Sprintf("%s: %d * time.Second", s.Type().Field(i).Name, field/time.Second))
			}
		default:
			if !s.Field(i).IsZero() {
				fields = append(fields, fmt.Sprintf("%s: %#v", s.Type().Field(i).Name, field))
			}
		}
	}
	return name + "{" + strings.Join(fields, ", ") + "}"
}
