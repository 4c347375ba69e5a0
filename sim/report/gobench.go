package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/foliocache/folio/sim"
)

func init() { register(Format{"gobench", "Go benchmark lines, for benchstat", writeGobench}) }

// writeGobench writes exact counts; benchstat compares them without a test.
func writeGobench(w io.Writer, r *sim.Result) error {
	var b strings.Builder
	b.WriteString("Unit hit% better=higher assume=exact\nUnit misses better=lower assume=exact\nUnit queries better=lower assume=exact\n")
	name := strings.NewReplacer(" ", "_", "/", "_")
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "BenchmarkSim/trace=%s/policy=%s/size=%d%s/seed=%d 1 %.4f hit%% %d misses %d queries\n", name.Replace(row.Trace),
			name.Replace(row.Name()), row.Size, row.SizeUnit[:1], row.Seed, 100*row.HitRatio, row.Misses, row.OriginQueries)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
