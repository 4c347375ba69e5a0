package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/foliocache/folio/sim"
)

const gobenchUnits = "Unit hit% better=higher assume=exact\nUnit misses better=lower assume=exact\nUnit queries better=lower assume=exact\n"

// writeGobench writes exact counts; benchstat compares them without a test.
func writeGobench(w io.Writer, r *sim.Result) error {
	var b strings.Builder
	b.WriteString(gobenchUnits)
	if !r.Complete {
		b.WriteString("state: " + early + "\n")
	}
	for _, row := range r.Rows {
		gobenchLine(&b, row.Trace, row.Name(), row.Size, row.SizeUnit, fmt.Sprintf("seed=%d", row.Seed), row.HitRatio, row.Misses, row.OriginQueries)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var gobenchName = strings.NewReplacer(" ", "_", "/", "_")

func gobenchLine(b *strings.Builder, trace, policy string, size int64, unit, last string, ratio float64, misses, queries int64) {
	fmt.Fprintf(b, "BenchmarkSim/trace=%s/policy=%s/size=%d%s/%s 1 %.4f hit%% %d misses %d queries\n", gobenchName.Replace(trace),
		gobenchName.Replace(policy), size, unit[:1], last, 100*ratio, misses, queries)
}
