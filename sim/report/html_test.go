package report

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/compare"
	"github.com/foliocache/folio/workloads"
)

// replayed returns a result of pages, small and real.
func replayed(t *testing.T) *sim.Result {
	t.Helper()
	source, err := workloads.Open("gen:tickets?n=20000&seed=3")
	if err != nil {
		t.Fatal(err)
	}
	trace, err := sim.DecodeSample(t.Context(), source, sim.Sample{})
	if err != nil {
		t.Fatal(err)
	}
	var jobs []sim.Job
	for _, size := range []string{"300", "1000"} {
		for _, p := range []string{"folio", "lru", "opt"} {
			policy, err := sim.ParsePolicy(p)
			if err != nil {
				t.Fatal(err)
			}
			s, err := sim.ParseSize(size)
			if err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, sim.Job{Trace: trace, Policy: policy, Size: s, Seed: 1})
		}
	}
	rows, err := sim.Run(t.Context(), jobs, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &sim.Result{Schema: sim.Schema, Seed: 1, Complete: true, Traces: []sim.TraceInfo{trace.Info()}, Rows: rows}
}

// TestThePageTellsAll: a verdict, the curves, and of each size depths, who ruled, calibration and facts; incomplete if it is.
func TestThePageTellsAll(t *testing.T) {
	r := replayed(t)
	var b bytes.Buffer
	if err := writeHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for text, times := range map[string]int{"folio hits most at 2 of 2 sizes": 1, "<svg": 7, "Hit ratio by page depth": 2, "Who ruled": 2, "Calibration": 2, "regret, to the best": 2, early: 0} {
		if n := strings.Count(page, text); n != times {
			t.Errorf("%q is there %d times, want %d", text, n, times)
		}
	}
	if found := regexp.MustCompile(`(?i)(src|href|url\()\s*=?\s*["']?https?:`).FindString(page); found != "" {
		t.Errorf("the page reaches for the network: %s", found)
	}
}

// TestWhatIsNamedInAPageIsNoMarkup: traces and policies are named by users.
func TestWhatIsNamedInAPageIsNoMarkup(t *testing.T) {
	r := replayed(t)
	const evil = "<script>alert(1)</script>"
	r.Traces[0].Name = evil
	for i := range r.Rows {
		r.Rows[i].Trace = evil
	}
	var b bytes.Buffer
	if err := writeHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script") {
		t.Error("a trace's name is markup")
	}
}

// TestPagesInABrowser: a real one has nothing to complain about, and finds what is to be seen.
func TestPagesInABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("this test needs Chromium: install it (Debian: apt-get install chromium), as make test does")
	}
	r := replayed(t)
	compared, err := compare.Compare(r, r, compare.Options{Alpha: .01, FailOn: compare.Regress})
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(b *bytes.Buffer) error{
		"run":     func(b *bytes.Buffer) error { return writeHTML(b, r) },
		"compare": func(b *bytes.Buffer) error { return compareHTML(b, compared) },
	} {
		var page, dom, said bytes.Buffer
		if err := write(&page); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "page.html")
		if err := os.WriteFile(path, page.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--dump-dom", "file://"+path)
		c.Stdout, c.Stderr = &dom, &said
		if err := c.Run(); err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		if strings.Contains(said.String(), "CONSOLE") {
			t.Errorf("%s: the console says\n%s", name, said.String())
		}
		want, got := strings.Count(page.String(), "<svg"), strings.Count(dom.String(), "</svg>")
		if !strings.Contains(dom.String(), "</h1>") || got != want {
			t.Errorf("%s: %d pictures of %d are on the page", name, got, want)
		}
	}
}
