package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/foliocache/folio/sim/report"
)

// cli is the whole command line.
type cli struct {
	Run       runCmd       `cmd:"" help:"Replay traces through policies and report." set:"sizes=1%,5%,20%" set:"byDefault=folio, each strategy alone, and the common baselines"`
	MRC       mrcCmd       `cmd:"" name:"mrc" help:"Draw miss-ratio curves: hit ratio over cache size." set:"sizes=0.1%,0.2%,0.5%,1%,2%,5%,10%,20%,50%,100%" set:"byDefault=lru"`
	Compare   compareCmd   `cmd:"" help:"Compare two results, or two policies." set:"sizes=1%,5%,20%"`
	Check     checkCmd     `cmd:"" help:"Judge a saved result."`
	Inspect   inspectCmd   `cmd:"" help:"Say what is in a trace."`
	Tune      tuneCmd      `cmd:"" help:"Search settings for a trace and a size." set:"sizes=5%"`
	WhatIf    whatifCmd    `cmd:"" name:"whatif" help:"Say what would be without a cache, with other memory, with other invalidation." set:"sizes=5%"`
	Gen       genCmd       `cmd:"" help:"Generate a workload."`
	Convert   convertCmd   `cmd:"" help:"Convert a trace to another format."`
	AccessLog accesslogCmd `cmd:"" name:"accesslog" help:"Make a trace of a web server's access log."`
	Policies  policiesCmd  `cmd:"" help:"List policies and their parameters."`
	Verify    verifyCmd    `cmd:"" help:"Check this very binary against exact results."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

const description = `simulate replays recorded traces of paginated list endpoints, and plain key traces, through
Folio's four admission strategies, their arbiter, and the baselines of the literature.

A TRACE is PATH or FORMAT:PATH (folio csv jsonl arc lirs oracleGeneral cache2k u64 pages accesslog), packed or not,
or gen:KIND?param=value for a generated one.

Examples:
  simulate run -p folio -p s3fifo -p lru -s 1%,5%,20% web12.trace.xz
  simulate run -p folio -s 64MiB -o json:result.json gen:tickets?seed=9
  simulate run -p folio -s 5% --assert 'hit_ratio{policy=folio} >= 0.4' trace.folio
  simulate compare base.json head.json -o md:comment.md
  simulate check result.json --assert 'misses{policy=folio} <= misses{policy=lru}'
  simulate inspect arc:OLTP.lis.zst
  simulate gen tickets --param n=100000 -o tickets.folio
  simulate accesslog /var/log/nginx/access.log trace.folio

Exit status: 0 fine; 1 a claim failed, or compare found a regression; 2 usage, configuration or an output that cannot be written; 3 a trace
or result could not be read, or they are of different traces; 4 over --max-time or --max-mem; 70 internal error; 130, 143 interrupted.`

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
		kong.Vars{"policies": policyList(), "outputs": report.Runs.Names(), "comparisons": report.Comparisons.Names(),
			"searches": report.Searches.Names(), "answers": report.Answers.Names()})
	parsed, err := parse(parser, args)
	if helped {
		return exitFine
	}
	if err == nil {
		err = cause(ctx, parsed.Run(&streams{ctx, faithful{stdout}, stderr}))
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
