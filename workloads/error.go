package workloads

import (
	"errors"
	"fmt"
	"strings"
)

// The sentinels of input faults; test for them with errors.Is.
var (
	// ErrEmpty reports a trace without a request: check how it was recorded.
	ErrEmpty = errors.New("the trace holds no request")
	// ErrTruncated reports a file that ends early: fetch or record it again.
	ErrTruncated = errors.New("the file ends early (truncated)")
	// ErrCorrupt reports a checksum or structure that does not hold: fetch the file again.
	ErrCorrupt = errors.New("the file is corrupt")
	// ErrUnknownFormat reports a format that cannot be told, or that the content contradicts:
	// name the right one as FORMAT:PATH. The message names the likely ones.
	ErrUnknownFormat = errors.New("unknown trace format")
	// ErrUnsupported reports a request that the output format cannot hold: convert to another.
	ErrUnsupported = errors.New("the format cannot hold this request")
	// ErrParameter reports an unknown or bad parameter of a spec: correct the command line.
	ErrParameter = errors.New("bad parameter")
)

// Error is a fault of a trace, with its position.
type Error struct {
	Path        string // the file, or the spec of a generator; empty when read from a bare io.Reader
	Format      string // name of the format; empty while it is unknown
	Line        int    // 1-based, text formats; 0 = not known
	Offset      int64  // bytes from the start, binary formats; see Compression
	Compression string // gz, zst or xz when the fault is the compressed file's: Offset then counts bytes of the file as stored
	Err         error
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Error renders path, format, position and cause, leaving out what is not known.
func (e *Error) Error() string {
	parts := make([]string, 0, 5)
	for _, p := range []string{e.Path, e.Format, e.position()} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(append(parts, e.Err.Error()), ": ")
}

func (e *Error) position() string {
	switch {
	case e.Compression != "" && e.Line > 0:
		return fmt.Sprintf("line %d (%s byte %d)", e.Line, e.Compression, e.Offset)
	case e.Compression != "":
		return fmt.Sprintf("%s byte %d", e.Compression, e.Offset)
	case e.Line > 0:
		return fmt.Sprintf("line %d", e.Line)
	case e.Offset > 0:
		return fmt.Sprintf("byte %d", e.Offset)
	}
	return ""
}

// atLine places err at a line; an error that already has a byte position keeps it.
func atLine(err error, line int) error {
	var e *Error
	if errors.As(err, &e) {
		e.Line = line
		return e
	}
	return &Error{Line: line, Err: err}
}

// atByte places err at a byte of the data; the position of a compression fault goes first.
func atByte(err error, offset int64) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Offset: offset, Err: err}
}
