package folio

import (
	"errors"
	"fmt"
)

// What callers may want to tell apart, with errors.Is.
var (
	// ErrConfig: something that cannot work was given to New or NewList, or asked of what they made. The
	// text says all of it.
	ErrConfig = errors.New("folio: bad config")
	// ErrClosed: the cache was closed.
	ErrClosed = errors.New("folio: cache is closed")
	// ErrNotFound: the origin has no such value. A loader that returns it has that remembered for
	// Config.NegativeTTL.
	ErrNotFound = errors.New("folio: not found")
	// ErrQuery: a query that no list can answer; a [QueryError] says which part of it.
	ErrQuery = errors.New("folio: bad query")
	// ErrCursor: a loader was asked for rows behind a cursor that nobody gave out. It is the client's
	// fault, and is not remembered.
	ErrCursor = errors.New("folio: bad cursor")
	// ErrRows: a loader returned more rows than it was asked for.
	ErrRows = errors.New("folio: loader returned too many rows")
	// ErrRecursion: a loader asked the cache, in its own context, for what it is loading.
	ErrRecursion = errors.New("folio: a load waits for itself")
	// ErrTooLarge: a value is more than the store can hold, compressed and cut in pieces.
	ErrTooLarge = errors.New("folio: value is too large")
	// ErrCascade: an invalidation would reach too many tags; nothing was invalidated.
	ErrCascade = errors.New("folio: invalidation reaches too many tags")
)

// QueryError says what is wrong with a query. It is an [ErrQuery].
type QueryError struct {
	Param  string // as in the URL: page, limit, sort, scope, or a filter's name
	Value  string
	Reason string
}

// Error says which parameter is wrong, and why.
func (e *QueryError) Error() string {
	return fmt.Sprintf("folio: bad query: %s=%q: %s", e.Param, e.Value, e.Reason)
}

// Is makes it an [ErrQuery].
func (e *QueryError) Is(target error) bool { return target == ErrQuery }

// PanicError is what those get who waited for a load that panicked. Who began it gets the panic.
type PanicError struct {
	Value any
	Stack []byte // of the loader
}

// Error tells the panic's value and stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("folio: loader panicked: %v\n%s", e.Value, e.Stack)
}
