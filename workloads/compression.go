package workloads

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// compression is one way a trace may be packed, recognised by content.
type compression struct {
	name  string // the extension without its dot
	match func(head []byte) bool
	open  func(r *bufio.Reader) (io.ReadCloser, error)
}

var compressions = []compression{
	{"gz", isGzip, openGzip},
	{"zst", hasMagic("\x28\xb5\x2f\xfd"), openZstd},
	{"xz", hasMagic(xzMagic), openXZ},
}

const xzMagic = "\xfd7zXZ\x00"

// magicBytes is how much of a file tells its compression (and an xz file's dictionary size).
const magicBytes = 64

// maxDictionary bounds, in bytes, what a file's header may make a decoder allocate. It is what
// zstd --long=27 and xz -9 need.
const maxDictionary = 128 << 20

func hasMagic(magic string) func([]byte) bool {
	return func(head []byte) bool { return strings.HasPrefix(string(head), magic) }
}

// isGzip asks for deflate and no reserved flag too, since two bytes alone may begin a binary trace.
func isGzip(head []byte) bool {
	return hasMagic("\x1f\x8b\x08")(head) && len(head) > 3 && head[3]&0xe0 == 0
}

func openGzip(r *bufio.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }

func openZstd(r *bufio.Reader) (io.ReadCloser, error) {
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxDictionary))
	if err != nil {
		return nil, err
	}
	return decoder.IOReadCloser(), nil
}

func openXZ(r *bufio.Reader) (io.ReadCloser, error) {
	head, _ := r.Peek(magicBytes) // a short file is the decoder's to report
	if size := xzDictionary(head); size > maxDictionary {
		return nil, fmt.Errorf("%w: asks for a dictionary of %d bytes, at most %d are granted", ErrCorrupt, size, maxDictionary)
	}
	tail := &tailed{r: r}
	decoder, err := xz.NewReader(tail)
	return io.NopCloser(&footed{decoder, tail}), err
}

// footed is a decoder of an xz file that ends as one does: the library takes one that is cut behind its last block
// for whole. Source: The .xz File Format 1.2.1, section 2.1.2.4.
type footed struct {
	io.Reader
	tail *tailed
}

func (f *footed) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF && f.tail.last != [2]byte{'Y', 'Z'} {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// tailed remembers the last two bytes read that are not padding.
type tailed struct {
	r    io.Reader
	last [2]byte
}

func (t *tailed) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if end := bytes.TrimRight(p[:n], "\x00"); len(end) > 1 {
		t.last = [2]byte(end[len(end)-2:])
	} else if len(end) == 1 {
		t.last = [2]byte{t.last[1], end[0]}
	}
	return n, err
}

// xzDictionary returns the bytes of dictionary that the first block asks for, 0 where it cannot
// be told. Source: The .xz File Format 1.2.1, sections 3.1 and 5.3.1.
func xzDictionary(head []byte) int64 {
	const lzma2 = "\x21\x01" // filter id and the size of its properties
	block := head[min(len(head), 12):]
	at := strings.Index(string(block[:min(len(block), 24)]), lzma2)
	if at < 0 || at+2 >= len(block) || block[at+2] > 40 {
		return 0
	}
	bits := block[at+2]
	return int64(2|bits&1) << (bits/2 + 11)
}

// unpacked is the data of a file, decompressed if need be. Its errors are *Error with the
// position in the file as stored.
type unpacked struct {
	io.ReadCloser
	name string // of the compression; empty = none
	at   func() int64
}

// unpack looks at the content of r and decompresses it. at tells the bytes read from r so far.
func unpack(r io.Reader, at func() int64) (*unpacked, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	head, err := in.Peek(magicBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	i := slices.IndexFunc(compressions, func(c compression) bool { return c.match(head) })
	if i < 0 {
		return &unpacked{ReadCloser: io.NopCloser(in)}, nil
	}
	u := &unpacked{name: compressions[i].name, at: at}
	data, err := compressions[i].open(in)
	if err != nil {
		return nil, u.fault(err)
	}
	u.ReadCloser = data
	return u, nil
}

// Read reads decompressed bytes.
func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && u.name != "" {
		err = u.fault(err)
	}
	return n, err
}

func (u *unpacked) fault(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		err = ErrTruncated
	case !errors.Is(err, ErrCorrupt):
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return &Error{Compression: u.name, Offset: u.at(), Err: err}
}
