package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/foliocache/folio/workloads"
)

// ReadResult reads a result that was written as JSON. Errors are [*workloads.Error], with the name and,
// where it is no JSON, the byte. A result of a run that was stopped early is one, too: what it lacks nobody
// can judge.
func ReadResult(name string, r io.Reader) (*Result, error) {
	fault := func(offset int64, err error) (*Result, error) {
		return nil, &workloads.Error{Path: name, Offset: offset, Err: err}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return fault(0, err)
	}
	result := &Result{}
	err = json.Unmarshal(text, result)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fault(syntax.Offset, err)
	case errors.As(err, &kind):
		return fault(kind.Offset, err)
	case err != nil:
		return fault(0, err)
	case result.Schema != Schema:
		return fault(0, fmt.Errorf("no result of simulate: its schema is %q, not %q", result.Schema, Schema))
	case !result.Complete:
		return fault(0, errors.New("the run was stopped early: its result is not complete"))
	case len(result.Rows) == 0:
		return fault(0, errors.New("the result has no rows"))
	}
	for i := range result.Rows {
		if err := result.Rows[i].check(); err != nil {
			return fault(0, fmt.Errorf("row %d: %w", i+1, err))
		}
	}
	return result, nil
}

// check reports a row whose counts contradict each other.
func (r *Row) check() error {
	classes := int64(0)
	for _, c := range r.Classes {
		classes += c.Requests
		if c.Hits < 0 || c.Hits > c.Requests {
			return fmt.Errorf("%d hits of %d requests of a class", c.Hits, c.Requests)
		}
	}
	if r.Folio != nil {
		for name, parts := range r.Folio.RuledParts {
			if len(parts) > PartCount {
				return fmt.Errorf("%d parts of the trace that %s ruled", len(parts), name)
			}
		}
	}
	switch {
	case r.Hits < 0 || r.Misses < 0 || r.Hits+r.Misses != r.Requests:
		return fmt.Errorf("%d hits and %d misses are not %d requests", r.Hits, r.Misses, r.Requests)
	case classes != 0 && classes != r.Requests:
		return fmt.Errorf("its classes have %d requests, not %d", classes, r.Requests)
	case r.SizeUnit != "objects" && r.SizeUnit != "bytes":
		return fmt.Errorf("a size in %q", r.SizeUnit)
	case len(r.Parts.Hits) != len(r.Parts.Requests):
		return fmt.Errorf("hits of %d parts, requests of %d", len(r.Parts.Hits), len(r.Parts.Requests))
	}
	return nil
}
