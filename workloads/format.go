package workloads

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Format is one kind of trace file. Each lives in a file of its own and registers itself.
type Format struct {
	Name, Doc  string   // Name as in specs, FORMAT:PATH
	Extensions []string // of a bare PATH, with the dot; none = only by name
	Text       bool     // errors carry lines, not byte offsets
	Params     []Param  // options a spec may carry, FORMAT:PATH?name=value

	// Read streams the requests of r and ends after its first error. It reads r once.
	Read func(r io.Reader, o Options) iter.Seq2[Request, error]
	// Sniff reports whether a file that begins with head looks like this format. It is exact for
	// text formats and folio, a good guess for the binary ones.
	Sniff func(head []byte) bool
	// Write returns a sink that writes this format to w; nil where there is no writer.
	Write func(w io.Writer) Sink
}

// Options are what a Format is told beside its bytes. The zero value is valid for formats
// without a required parameter.
type Options struct {
	Values  Values                     // the spec's options
	Skipped func(line int, why string) // told of every line that is no request, where a format has such; nil = not told
}

func (o Options) skip(line int, why string) {
	if o.Skipped != nil {
		o.Skipped(line, why)
	}
}

// Sink takes requests one by one. Close ends the file and must be called; it does not close the
// io.Writer below. A Sink is not safe for concurrent use.
type Sink interface {
	Write(Request) error
	Close() error
}

var formats = map[string]Format{}

// register adds f under its name, its reader wrapped so that every error names the format, an
// empty trace is an error and a mistaken format is told by its content.
func register(f Format) {
	if _, twice := formats[f.Name]; twice {
		panic("workloads: format " + f.Name + " registered twice")
	}
	f.Read = guard(f)
	formats[f.Name] = f
}

// Formats returns every registered format, by name.
func Formats() []Format {
	all := make([]Format, 0, len(formats))
	for _, f := range formats {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Format) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// FormatNamed returns the format of that name; ErrUnknownFormat offers the nearest names.
func FormatNamed(name string) (Format, error) {
	if f, ok := formats[name]; ok {
		return f, nil
	}
	return Format{}, fmt.Errorf("%w %q%s", ErrUnknownFormat, name, didYouMean(name, formatNames()))
}

func formatNames() []string {
	names := make([]string, 0, len(formats))
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return names
}

// headBytes is how much of a file the sniffers see, decompressed.
const headBytes = 4096

// bufferBytes is the read buffer of every reader, and the longest line a text format may have.
const bufferBytes = 1 << 20

// guard wraps the raw reader of f; see register.
func guard(f Format) func(io.Reader, Options) iter.Seq2[Request, error] {
	raw := f.Read
	return func(r io.Reader, o Options) iter.Seq2[Request, error] {
		return func(yield func(Request, error) bool) {
			in := bufio.NewReaderSize(r, bufferBytes)
			head, err := in.Peek(headBytes)
			if fault := headFault(f, head, err); fault != nil {
				yield(Request{}, f.named(fault))
				return
			}
			head = slices.Clone(head)
			f.pump(raw(in, o), head, yield)
		}
	}
}

// pump hands requests on; it ends after the first error or reports a trace without any.
func (f Format) pump(requests iter.Seq2[Request, error], head []byte, yield func(Request, error) bool) {
	empty := true
	for request, err := range requests {
		if err != nil {
			yield(Request{}, f.named(f.hint(err, head)))
			return
		}
		empty = false
		if !yield(request, nil) {
			return
		}
	}
	if empty {
		yield(Request{}, f.named(ErrEmpty))
	}
}

// headFault judges the first bytes: nothing there, unreadable, or plainly another format.
func headFault(f Format, head []byte, err error) error {
	if len(head) == 0 && err != nil {
		if errors.Is(err, io.EOF) {
			return ErrEmpty
		}
		return err
	}
	if exact(f) {
		return nil // finds out by itself, with a position
	}
	if like := certainly(head); len(like) > 0 {
		return fmt.Errorf("%w: not %s; it looks like %s", ErrUnknownFormat, f.Name, strings.Join(like, " or "))
	}
	return nil
}

// named returns err as an *Error that names the format.
func (f Format) named(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Err: err}
	}
	e.Format = f.Name
	return e
}

// hint adds what the content looks like, if the format contradicts it.
func (f Format) hint(err error, head []byte) error {
	var e *Error
	if !errors.As(err, &e) || e.Compression != "" || errors.Is(err, ErrParameter) || f.Sniff(head) {
		return err
	}
	if like := Looks(head); len(like) > 0 {
		e.Err = fmt.Errorf("%w (%w: it looks like %s)", e.Err, ErrUnknownFormat, strings.Join(like, " or "))
	}
	return e
}

// Looks names the formats that a file beginning with head (decompressed) may have: the exact
// matches if there are any, else the guesses among the binary formats.
func Looks(head []byte) []string {
	if sure := certainly(head); len(sure) > 0 {
		return sure
	}
	return sniffed(head, func(f Format) bool { return !exact(f) })
}

// certainly names the formats whose Sniff is exact and accepts head.
func certainly(head []byte) []string { return sniffed(head, exact) }

func exact(f Format) bool { return f.Text || f.Name == folioName }

func sniffed(head []byte, among func(Format) bool) []string {
	var names []string
	for _, f := range Formats() {
		if among(f) && f.Sniff(head) {
			names = append(names, f.Name)
		}
	}
	return names
}
