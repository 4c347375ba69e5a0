// Command simulate replays recorded traces of list endpoints through admission strategies and
// the baselines of the literature. See simulate --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		stop(interrupted{(<-signals).(syscall.Signal)})
		signal.Stop(signals) // a second signal kills
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
