package workloads

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"
	"unicode"
)

// Source is a trace that can be read as often as wanted. Requests and SHA256 may be called
// concurrently once the hooks are set.
type Source struct {
	Path   string // of the file; a generator has none
	Name   string // file: base name without compression; generator: its spec
	Format string // name of the format; "gen" for a generator
	Size   int64  // bytes of the file as stored; generator: requests, 0 = not known

	// Progress, if set before Requests, is told how much of total was consumed, in the unit of
	// Size, from the goroutine that iterates. It is called at most once in 64 KiB or 4096
	// requests, and at the end.
	Progress func(done, total int64)
	// Skipped, if set before Requests, is told of every line that is no request.
	Skipped func(line int, why string)

	open   func() iter.Seq2[Request, error]
	digest func() (string, error)
}

// Open finds the trace that spec names: FORMAT:PATH, a bare PATH whose extension tells the
// format, or gen:KIND?param=value. The file is looked at but not read; it is opened anew by
// every call of Requests.
//
// Errors: an *Error that wraps an fs error, ErrUnknownFormat or ErrParameter.
func Open(text string) (*Source, error) {
	if rest, ok := strings.CutPrefix(text, generatorPrefix); ok {
		return openGenerator(rest)
	}
	s, err := parseSpec(text)
	if err != nil {
		return nil, &Error{Path: text, Err: err}
	}
	source, err := s.open()
	if err != nil {
		return nil, s.place(err)
	}
	return source, nil
}

func (s spec) open() (*Source, error) {
	head, size, err := peekFile(s.path)
	if err != nil {
		return nil, err
	}
	f, err := s.resolve(head)
	if err != nil {
		return nil, err
	}
	values, err := parseValues(f.Params, s.options)
	if err != nil {
		return nil, err
	}
	source := &Source{Name: printable(packedName(s.path)), Path: s.path, Format: f.Name, Size: size}
	source.open = func() iter.Seq2[Request, error] {
		return s.read(f, Options{Values: values, Skipped: source.Skipped}, source)
	}
	source.digest = sync.OnceValues(func() (string, error) { return hashFile(s.path) })
	return source, nil
}

// printable keeps what is no text out of reports.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '_'
	}, name)
}

// Requests streams the trace from its start. An error is the last thing it yields.
func (s *Source) Requests() iter.Seq2[Request, error] { return s.open() }

// SHA256 returns, in hex, the hash of the file as stored, or a generator's Digest. It is computed
// once and costs a pass over the file or the generator.
func (s *Source) SHA256() (string, error) { return s.digest() }

// place names the path in err.
func (s spec) place(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Err: plain(err)}
	}
	e.Path, e.Format = s.path, s.format
	return e
}

// peekFile returns the first decompressed bytes of a file and its size as stored. A fault of the
// compression is left to the reader, which knows more of its position.
func peekFile(path string) (head []byte, size int64, err error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := unpack(file, func() int64 { return 0 })
	if err != nil {
		return nil, info.Size(), nil
	}
	defer data.Close()
	head, _ = bufio.NewReaderSize(data, headBytes).Peek(headBytes)
	return head, info.Size(), nil
}

func openRegular(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || info.IsDir() {
		_ = file.Close() // nothing was written
		return nil, errors.Join(err, fmt.Errorf("is a directory"))
	}
	return file, nil
}

func hashFile(path string) (string, error) {
	file, err := openRegular(path)
	if err != nil {
		return "", spec{path: path}.place(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", spec{path: path}.place(err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// read streams the file once.
func (s spec) read(f Format, o Options, source *Source) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		s.format = f.Name
		file, err := openRegular(s.path)
		if err != nil {
			yield(Request{}, s.place(err))
			return
		}
		defer file.Close()
		meter := &meter{in: file, total: source.Size, report: source.Progress}
		data, err := unpack(meter, meter.consumed)
		if err != nil {
			yield(Request{}, s.place(err))
			return
		}
		defer data.Close()
		for request, err := range f.Read(data, o) {
			if err != nil {
				err = s.place(err)
			}
			if !yield(request, err) {
				return
			}
		}
	}
}

// meter counts the bytes read from a file and reports them.
type meter struct {
	in          io.Reader
	done, total int64
	report      func(done, total int64)
}

func (m *meter) consumed() int64 { return m.done }

// Read reads from the file.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	m.done += int64(n)
	if m.report != nil {
		m.report(m.done, m.total)
	}
	return n, err
}
