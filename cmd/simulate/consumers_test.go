package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joshdk/go-junit"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	renderer "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"
)

// reports has two policies compared and judged, and returns the path of the report in each format.
func reports(t *testing.T, formats ...string) map[string]string {
	t.Helper()
	folder := t.TempDir()
	paths := map[string]string{}
	args := []string{"compare", "-q", "--trace", "gen:tickets?n=20000", "-s", "1%,5%", "--seeds", "3", "lru", "s3fifo", "--fail-on", "never", "--assert", "hit_ratio > 0.99", "--assert", "hits > 0"}
	for _, format := range formats {
		paths[format] = filepath.Join(folder, "report."+format)
		args = append(args, "-o", format+":"+paths[format])
	}
	var stderr bytes.Buffer
	if got := run(t.Context(), args, io.Discard, &stderr); got != exitFailed {
		t.Fatalf("exit status %d: %s", got, stderr.String())
	}
	return paths
}

// TestJUnitIsRead by a library that reads what CI systems do.
func TestJUnitIsRead(t *testing.T) {
	suites, err := junit.IngestFile(reports(t, "junit")["junit"])
	if err != nil {
		t.Fatal(err)
	}
	if len(suites) != 1 || suites[0].Name != "gen:tickets?n=20000" {
		t.Fatalf("suites: %+v", suites)
	}
	// At each of two sizes a row, which nothing gates, and two claims about each of three seeds, of which one fails.
	total := suites[0].Totals
	if want := (junit.Totals{Tests: 14, Passed: 8, Failed: 6, Duration: total.Duration}); total != want {
		t.Errorf("totals %+v, want %+v", total, want)
	}
	names := map[string]bool{}
	for _, test := range suites[0].Tests {
		if names[test.Name] {
			t.Errorf("two tests are called %q", test.Name)
		}
		names[test.Name] = true
		if test.Status == junit.StatusFailed && !strings.HasPrefix(test.Message, "found 0.") {
			t.Errorf("%s says %q", test.Name, test.Message)
		}
	}
}

// TestBenchstatReadsTheLines: both sides are there, every row with a figure of each.
func TestBenchstatReadsTheLines(t *testing.T) {
	c := exec.CommandContext(t.Context(), "go", "-C", "../../bench", "tool", "benchstat", "-col", "/side", reports(t, "gobench")["gobench"])
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	for want, times := range map[string]int{"vs base": 3, "hit%": 2, "misses": 2, "queries": 2, "policy=lru_>_s3fifo/size=": 6} {
		if got := strings.Count(string(out), want); got != times {
			t.Errorf("%q is %d times in what benchstat says, want %d:\n%s", want, got, times, out)
		}
	}
}

// TestMarkdownIsRendered as GitHub does: two tables whose lines have as many cells as their heads, and page depths folded.
func TestMarkdownIsRendered(t *testing.T) {
	text, err := os.ReadFile(reports(t, "md")["md"])
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(renderer.WithUnsafe())).Convert(text, &page); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			found[n.Data]++
		}
		if n.Type == html.TextNode && strings.Contains(n.Data, "|") {
			t.Errorf("a line of a table is not one: %q", n.Data)
		}
	}
	if found["table"] != 2 || found["details"] != 1 || found["li"] == 0 {
		t.Errorf("elements: %v of\n%s", found, text)
	}
	cells := 0 // a renderer pads and cuts lines that have too few or too many
	for line := range strings.Lines(string(text)) {
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if n > 0 && cells > 0 && n != cells {
			t.Errorf("%d cells below a head of %d: %s", n-1, cells-1, line)
		}
		cells = n
	}
}
