package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// cli is the whole command line.
type cli struct {
	Serve  serveCmd  `cmd:"" default:"withargs" help:"Run the tickets list API, on a database that fills itself, behind Folio (default)."`
	Proxy  proxyCmd  `cmd:"" help:"Run a caching proxy in front of any API."`
	Demo   demoCmd   `cmd:"" help:"Drive traffic through the tickets API and tell what happens."`
	Token  tokenCmd  `cmd:"" help:"Make a token for the admin listener, and the lines of configuration that know it."`
	Schema schemaCmd `cmd:"" help:"Print the JSON schema of the configuration."`

	Version kong.VersionFlag `help:"Print the version and end."`
}

const description = `server shows Folio at work over HTTP.

With no arguments it fills an embedded SQLite database with users, events and tickets, serves their lists on
http://127.0.0.1:8080 from the cache, and a dashboard on http://127.0.0.1:8081. Try:

  curl -i 'http://127.0.0.1:8080/api/tickets?user=1&page=1&limit=20&sort=-created_at'

Examples:
  server --db postgres://user@host/db
  server --config server.yaml --check
  server proxy --upstream http://127.0.0.1:9000 --config proxy.yaml
  server demo

Exit status: 0 fine; 2 usage or configuration; 1 anything else.`

// Exit statuses.
const (
	exitFine = iota
	exitFailed
	exitUsage
)

// streams is where a command writes.
type streams struct {
	ctx            context.Context
	stdout, stderr io.Writer
}

// errUsage says that the command line or the configuration is wrong.
var errUsage = errors.New("usage")

// version is what the program was built from.
func version() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := b.Main.Version
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text + " " + b.GoVersion
}

// run is the program: arguments in, exit status out. It ends when ctx does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	var c cli
	type helpShown struct{}
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(helpShown); !ok {
				panic(p)
			}
		}
	}()
	parser := kong.Must(&c, kong.Name("server"), kong.Description(description), kong.Writers(stdout, stderr),
		kong.Vars{"version": version()}, kong.Exit(func(int) { panic(helpShown{}) }), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}))
	parsed, err := parser.Parse(args)
	if err == nil {
		err = parsed.Run(&streams{ctx, stdout, stderr})
	} else {
		err = fmt.Errorf("%w: %w (server --help tells what there is)", errUsage, err)
	}
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "server: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "server: %v\n", err)
	return exitFailed
}
