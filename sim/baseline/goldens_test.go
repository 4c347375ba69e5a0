package baseline_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// golden is a row of the golden files. Where agreement is "exact", two independent programs
// give these misses. The other rows of S3-FIFO are those of one of the two, within 0.003
// points of the other; those of 2Q have one source. All are met to the miss.
type golden struct {
	trace, digest, policy, agreement string
	requests, unique                 int
	size                             int64
	misses                           int
}

// row returns a golden from the columns trace, id_stream_sha256, requests, unique, policy,
// size, misses, hit_ratio_pct, oracle, agreement.
func row(t *testing.T, c []string) golden {
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return golden{
		trace: c[0], digest: c[1], requests: number(c[2]), unique: number(c[3]),
		policy: c[4], size: int64(number(c[5])), misses: number(c[6]), agreement: c[9],
	}
}

// readGoldens returns the rows of a golden file by trace.
func readGoldens(t *testing.T, name string) map[string][]golden {
	f, err := os.Open(filepath.Join("testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]golden{}
	for _, record := range records[1:] {
		g := row(t, record)
		rows[g.trace] = append(rows[g.trace], g)
	}
	return rows
}

// goldenNames maps the policies of the golden files to ours.
var goldenNames = map[string]string{
	"fifo": "fifo", "lru": "lru", "clock": "clock", "sieve": "sieve", "lfu": "lfu",
	"arc": "arc", "s3fifo": "s3fifo", "belady": "opt", "2q": "2q",
}

// withoutPolicy lists the policies of the golden files that this package lacks.
var withoutPolicy = map[string]bool{"lirs": true, "s4lru": true}

func TestGeneratedTracesGiveTheGoldenMisses(t *testing.T) {
	for name, rows := range readGoldens(t, "generated.csv") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkGoldens(t, recipes[name].generate(), rows)
		})
	}
}

func TestRecordedTracesGiveTheGoldenMisses(t *testing.T) {
	folder := os.Getenv("FOLIO_TRACES")
	if folder == "" {
		t.Skip("FOLIO_TRACES is not set: the folder with OLTP.lis.zst and P3.lis.zst")
	}
	recorded := map[string]string{"arc-oltp": "OLTP.lis.zst", "arc-p3": "P3.lis.zst"}
	for name, rows := range readGoldens(t, "miss-counts.csv") {
		t.Run(name, func(t *testing.T) {
			file, ok := recorded[name]
			if !ok {
				checkGoldens(t, recipes[name].generate(), rows)
				return
			}
			tr, err := readLis(filepath.Join(folder, file))
			if err != nil {
				t.Fatal(err)
			}
			checkGoldens(t, tr, rows)
		})
	}
}

// checkGoldens replays a trace once for each row, on all cores.
func checkGoldens(t *testing.T, tr trace, rows []golden) {
	g := rows[0]
	if len(tr.ids) != g.requests || tr.unique != g.unique || tr.sha256() != g.digest {
		t.Fatalf("generated %d requests for %d ids, SHA-256 %s; want %d, %d, %s",
			len(tr.ids), tr.unique, tr.sha256(), g.requests, g.unique, g.digest)
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, 2)
	for _, g := range rows {
		if withoutPolicy[g.policy] {
			continue
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if fault := g.check(t, tr); fault != nil {
				t.Error(fault)
			}
		})
	}
	running.Wait()
}

func (g golden) check(t *testing.T, tr trace) error {
	name, ok := goldenNames[g.policy]
	if !ok {
		return fmt.Errorf("golden for unknown policy %q", g.policy)
	}
	got := tr.misses(build(t, name, tr.config(g.size)))
	if got != g.misses {
		return fmt.Errorf("%s of %d: %d misses, want %d (%s)", name, g.size, got, g.misses, g.agreement)
	}
	return nil
}
