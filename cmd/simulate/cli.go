package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// cli is the whole command line.
type cli struct {
	Run      runCmd      `cmd:"" help:"Replay traces through policies and report."`
	Inspect  inspectCmd  `cmd:"" help:"Say what is in a trace."`
	Gen      genCmd      `cmd:"" help:"Generate a workload."`
	Convert  convertCmd  `cmd:"" help:"Convert a trace to another format."`
	Policies policiesCmd `cmd:"" help:"List policies and their parameters."`
	Verify   verifyCmd   `cmd:"" help:"Check this very binary against exact results."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

const description = `simulate replays recorded traces of paginated list endpoints, and plain key traces, through
Folio's four admission strategies, their arbiter, and the baselines of the literature.

A TRACE is PATH or FORMAT:PATH (folio csv jsonl arc lirs oracleGeneral cache2k u64 pages accesslog), packed or not,
or gen:KIND?param=value for a generated one.

Examples:
  simulate run -p folio -p s3fifo -p lru -s 1%,5%,20% web12.trace.xz
  simulate run -p folio -s 64MiB -o json:result.json gen:tickets?seed=9
  simulate run -p folio -s 5% --assert 'hit_ratio{policy=folio} >= 0.4' trace.folio
  simulate inspect arc:OLTP.lis.zst
  simulate gen tickets --param n=100000 -o tickets.folio

Exit status: 0 fine; 1 an assertion failed; 2 usage or configuration; 3 a trace could not be read;
4 over --max-time; 70 internal error; 130, 143 interrupted.`

// The exit statuses, see description.
const (
	exitFine     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitInput    = 3
	exitBudget   = 4
	exitInternal = 70
)

var (
	errFailed = errors.New("an assertion failed")
	errBudget = errors.New("out of time")
)

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal syscall.Signal }

func (i interrupted) Error() string { return "interrupted by " + i.signal.String() }

// streams is where a command writes.
type streams struct {
	ctx            context.Context
	stdout, stderr io.Writer
}

// run is the program: arguments in, exit status out.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(stderr, "simulate: internal error: %v\n%s", p, debug.Stack())
			status = exitInternal
		}
	}()
	var c cli
	helped := false
	parser := kong.Must(&c, kong.Name("simulate"), kong.Description(description), kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true; panic(helpShown{}) }), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.Vars{"policies": policyList(), "outputs": outputList()})
	parsed, err := parse(parser, args)
	if helped {
		return exitFine
	}
	if err == nil {
		err = parsed.Run(&streams{ctx, stdout, stderr})
	} else {
		err = usageError{err}
	}
	if err != nil {
		fmt.Fprintf(stderr, "simulate: %v\n", err)
	}
	return statusOf(err)
}

// helpShown ends parsing after help was printed.
type helpShown struct{}

func parse(p *kong.Kong, args []string) (c *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(helpShown); !ok {
				panic(r)
			}
		}
	}()
	return p.Parse(args)
}

type usageError struct{ err error }

func (u usageError) Error() string { return u.err.Error() + " (see simulate --help)" }
func (u usageError) Unwrap() error { return u.err }

// statusOf maps an error to the exit status of the contract.
func statusOf(err error) int {
	var usage usageError
	var trace *workloads.Error
	var stop interrupted
	var path *fs.PathError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &stop):
		return 128 + int(stop.signal)
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.Is(err, errBudget), errors.Is(err, context.DeadlineExceeded):
		return exitBudget
	case errors.As(err, &usage), errors.Is(err, sim.ErrConfig), errors.Is(err, workloads.ErrParameter):
		return exitUsage
	case errors.As(err, &trace), errors.As(err, &path):
		return exitInput
	}
	return exitInternal
}
