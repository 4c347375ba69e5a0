package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterruptedAtAnyMoment: whatever is written, and when it is ended, there is no file, a whole one, or one that says
// that it is not; and nothing is left beside it.
func TestInterruptedAtAnyMoment(t *testing.T) {
	const trace = "gen:tickets?n=30000"
	for name, args := range map[string][]string{
		"run":     {"run", "-p", "folio", "-p", "lru", "-s", "1%,5%", trace, "gen:zipf?n=20000"},
		"mrc":     {"mrc", "-p", "lru", "-p", "folio", "-s", "1%,5%,20%", trace},
		"compare": {"compare", "--trace", trace, "-s", "5%", "lru", "folio"},
		"tune":    {"tune", "-s", "4MiB", "--only", "rule", trace},
		"whatif":  {"whatif", "-s", "4MiB", trace},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := interruptedRun(t, args, time.Hour)
			moments := []time.Duration{0, whole / 50, whole / 10, whole / 4, whole / 2, whole * 3 / 4, whole * 9 / 10, whole}
			for _, after := range moments {
				interruptedRun(t, args, after)
			}
		})
	}
}

// interruptedRun runs the program with a JSON output, interrupts it after a while, looks at what it left, and returns how
// long it ran.
func interruptedRun(t *testing.T, args []string, after time.Duration) time.Duration {
	t.Helper()
	folder := t.TempDir()
	out := filepath.Join(folder, "out.json")
	c := exec.Command("simulate", append(slices.Clone(args), "-q", "-o", "json:"+out)...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	started := time.Now()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = c.Process.Signal(syscall.SIGINT) }) // it may have ended
	_ = c.Wait()                                                                    // its status is looked at
	timer.Stop()
	took := time.Since(started)
	code := c.ProcessState.ExitCode()
	if signalled := c.ProcessState.Sys().(syscall.WaitStatus).Signaled(); signalled { // before it listened
		code = 130
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != "out.json" {
			t.Errorf("after %s: %s is left", after, f.Name())
		}
	}
	text, err := os.ReadFile(out)
	var result struct {
		Complete *bool `json:"complete"`
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if code != 130 {
			t.Errorf("after %s: no file, exit status %d: %s", after, code, &stderr)
		}
		return took
	case err != nil:
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &result); err != nil || result.Complete == nil {
		t.Fatalf("after %s: %v, or it does not say whether it is complete: %s", after, err, strings.TrimSpace(string(text[:min(len(text), 300)])))
	}
	if *result.Complete != (code == 0 || code == 1) || code != 0 && code != 1 && code != 130 {
		t.Errorf("after %s: complete %v, exit status %d: %s", after, *result.Complete, code, &stderr)
	}
	return took
}
