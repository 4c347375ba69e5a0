package main

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/compare"
	"github.com/foliocache/folio/workloads"
)

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
	errBudget = errors.New("over budget")
	errOutput = errors.New("cannot write")

	errRegression = errors.New("the head fails")
)

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal syscall.Signal }

// Error says which signal it was.
func (i interrupted) Error() string { return "interrupted by " + i.signal.String() }

// usageError is a command line that cannot be read.
type usageError struct{ err error }

// Error points to the help.
func (u usageError) Error() string { return u.err.Error() + " (see simulate --help)" }

// Unwrap returns what is wrong.
func (u usageError) Unwrap() error { return u.err }

// cause returns why the context ended if that is all that err says, else err.
func cause(ctx context.Context, err error) error {
	if stopped(err) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// stopped reports whether an error only means that a run was ended early.
func stopped(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// statusOf maps an error to the exit status of the contract.
func statusOf(err error) int {
	var usage usageError
	var trace *workloads.Error
	var stop interrupted
	var path *fs.PathError
	is := func(all ...error) bool {
		for _, one := range all {
			if errors.Is(err, one) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &stop):
		return 128 + int(stop.signal)
	case is(errFailed, errRegression):
		return exitFailed
	case is(errBudget):
		return exitBudget
	case errors.As(err, &usage), is(errOutput, sim.ErrConfig, workloads.ErrParameter, workloads.ErrUnsupported):
		return exitUsage
	case errors.As(err, &trace), errors.As(err, &path), is(compare.ErrTraces):
		return exitInput
	}
	return exitInternal
}
