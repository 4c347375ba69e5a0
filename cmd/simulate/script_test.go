package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata/script")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"simulate": main})
}

// TestScripts runs testdata/script; there, simulate is this very program as a process.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup:         func(e *testscript.Env) error { e.Setenv("FOLIO_TRACES", ""); return nil },
		Condition:     condition,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"status": status, "without": without, "same": same, "reads": reads},
	})
}

// condition knows [race], for what is too slow with the race detector.
func condition(name string) (bool, error) {
	if name != "race" {
		return false, errors.New("no condition " + name)
	}
	build, _ := debug.ReadBuildInfo()
	return build != nil && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}), nil
}

// same FILE WORD FILE WORD fails unless two files differ in nothing but a word each.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: same file word file word")
	}
	a, b := ts.ReadFile(args[0]), strings.ReplaceAll(ts.ReadFile(args[2]), args[3], args[1])
	if a != b {
		ts.Fatalf("%s and %s differ:\n%s\n%s", args[0], args[2], a, b)
	}
}

// status N COMMAND… runs a command and fails unless its exit status is N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// without REGEXP FILE prints a file, or stdout, without the lines that match.
func without(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: without regexp file")
	}
	drop, text := regexp.MustCompile(args[0]), ts.ReadFile(args[1])
	for line := range strings.Lines(text) {
		if !drop.MatchString(strings.TrimSuffix(line, "\n")) {
			_, err := io.WriteString(ts.Stdout(), line)
			ts.Check(err)
		}
	}
}

// TestSignalEndsWithAPartialReport interrupts the program while it reads its second trace.
func TestSignalEndsWithAPartialReport(t *testing.T) {
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			c := exec.Command("simulate", "run", "-v", "--progress", "none", "--no-timing", "-p", "lru", "-s", "100", "-o", "json",
				"gen:zipf?n=1000", "gen:zipf?n=4000000000")
			var stdout bytes.Buffer
			c.Stdout = &stdout
			stderr, err := c.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			for lines := bufio.NewScanner(stderr); lines.Scan(); {
				if strings.Contains(lines.Text(), "reading") && strings.Contains(lines.Text(), "4000000000") {
					if err := c.Process.Signal(signal); err != nil {
						t.Fatal(err)
					}
				}
			}
			_ = c.Wait() // its status is looked at
			if got := c.ProcessState.ExitCode(); got != want {
				t.Errorf("exit status %d, want %d", got, want)
			}
			for _, part := range []string{`"complete": false`, `"trace": "gen:zipf?n=1000"`, `"misses": `} {
				if !strings.Contains(stdout.String(), part) {
					t.Errorf("%s is not in the report:\n%s", part, stdout.String())
				}
			}
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { panic("a bug") }

func TestPanicIsAnInternalError(t *testing.T) {
	var stderr bytes.Buffer
	if got := run(context.Background(), []string{"version"}, brokenWriter{}, &stderr); got != exitInternal {
		t.Errorf("exit status %d, want %d", got, exitInternal)
	}
	if !strings.Contains(stderr.String(), "internal error: a bug") {
		t.Errorf("stderr says %q", stderr.String())
	}
}

func TestFullDiskIsNoFaultOfTheTrace(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, args := range [][]string{{"version"}, {"policies"}, {"run", "-q", "-p", "lru", "-s", "10", "gen:loop?n=100&m=20"}, {"gen", "loop", "--param", "n=100"}} {
		var stderr bytes.Buffer
		if got := run(context.Background(), args, full, &stderr); got != exitUsage {
			t.Errorf("%v: exit status %d, want %d: %s", args, got, exitUsage, stderr.String())
		}
	}
}

// reads FILE leaves of a CSV file what was asked for and what of it was there: not what a store did for it.
func reads(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: reads file")
	}
	var out strings.Builder
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		f := strings.Split(strings.TrimSpace(line), ",")
		out.WriteString(strings.Join(append(f[:9:9], f[9], f[11]), ",") + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out.String()), 0o600))
}
