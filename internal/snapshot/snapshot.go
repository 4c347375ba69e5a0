// Package snapshot keeps a cache's contents and the versions that they depend on in files, so that a
// restart, or a kill at any moment, brings nothing back that is outdated.
//
// A folder holds one snapshot and its log. The snapshot is written aside and renamed, and checked as a whole
// before any of it is used. The log has every version that was bumped since the snapshot began; a bump is
// written before it is acknowledged. While a snapshot is being written, bumps go to two logs.
package snapshot

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
)

// ErrCorrupt reports a file that was not written by this package, or is damaged. Errors tell where.
var ErrCorrupt = errors.New("corrupt")

// The file is
//
//	magic, blocks, nothing after the last one
//	block = u8 kind, u32 bytes, payload, u64 sum
//
// all little-endian. A block's sum is xxHash64 of the sum before it, its head and its payload. The first block is
// the header, the last one the trailer; between them are blocks of entries, then blocks of versions.
const (
	magic = "\x89FOLIOS\x01"

	headerBlock  = 1
	entryBlock   = 2
	versionBlock = 3
	trailerBlock = 4

	blockHead  = 5
	blockBytes = 1 << 20   // a block ends when it is larger
	maxBlock   = 256 << 20 // readers accept no more
	sumBytes   = 8
)

// The files of a folder.
const (
	snapshotFile = "snapshot"
	logFile      = "log"
	nextSuffix   = ".next"
)

// Header says what a snapshot is of.
type Header struct {
	ID      uint64 // of the snapshot
	Seed    uint64 // of the hashes that name tags
	Version string // of the contents, as the cache's owner says
}

// Entry is what is kept of a value.
type Entry struct {
	Space, Kind, Ring, Strategy uint8
	Pieces                      uint16
	Rows                        uint32
	Sum                         uint64
	Born, Expires               int64 // ns since 1970; Expires 0: never
	Hazard, Early, Confidence   float32
	Key, Stamps, Body           []byte // of one read, valid until the next
}

const entryHead = 4 + 2 + 4 + 8 + 8 + 8 + 4 + 4 + 4 + 4 + 4 + 4

func (e *Entry) appendTo(dst []byte) []byte {
	dst = append(dst, e.Space, e.Kind, e.Ring, e.Strategy)
	dst = binary.LittleEndian.AppendUint16(dst, e.Pieces)
	dst = binary.LittleEndian.AppendUint32(dst, e.Rows)
	for _, n := range [...]uint64{e.Sum, uint64(e.Born), uint64(e.Expires)} {
		dst = binary.LittleEndian.AppendUint64(dst, n)
	}
	for _, x := range [...]float32{e.Hazard, e.Early, e.Confidence} {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	for _, b := range [...][]byte{e.Key, e.Stamps, e.Body} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
	}
	return append(append(append(dst, e.Key...), e.Stamps...), e.Body...)
}

// parse reads an entry and returns what is behind it; ok is false if there is none.
func (e *Entry) parse(b []byte) (rest []byte, ok bool) {
	if len(b) < entryHead {
		return nil, false
	}
	e.Space, e.Kind, e.Ring, e.Strategy = b[0], b[1], b[2], b[3]
	e.Pieces, e.Rows = binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint32(b[6:])
	e.Sum, e.Born, e.Expires = binary.LittleEndian.Uint64(b[10:]), int64(binary.LittleEndian.Uint64(b[18:])), int64(binary.LittleEndian.Uint64(b[26:]))
	float := func(at int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b[at:])) }
	e.Hazard, e.Early, e.Confidence = float(34), float(38), float(42)
	lengths := b[46:]
	b = b[entryHead:]
	for i, field := range [...]*[]byte{&e.Key, &e.Stamps, &e.Body} {
		n := uint64(binary.LittleEndian.Uint32(lengths[4*i:]))
		if n > uint64(len(b)) {
			return nil, false
		}
		*field, b = b[:n], b[n:]
	}
	return b, true
}

// Writer writes a snapshot aside. Not for concurrent use.
type Writer struct {
	dir               string
	file              *os.File
	out               *bufio.Writer
	sum               uint64
	kind              uint8
	block             []byte
	entries, versions uint64
	err               error
}

// Create begins a snapshot in a folder, in place of one that was begun and not finished.
func Create(dir string, h Header) (*Writer, error) {
	f, err := os.OpenFile(filepath.Join(dir, snapshotFile+nextSuffix), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: dir, file: f, out: bufio.NewWriterSize(f, 1<<18)}
	_, w.err = w.out.WriteString(magic)
	w.kind = headerBlock
	w.block = binary.LittleEndian.AppendUint64(w.block, h.ID)
	w.block = binary.LittleEndian.AppendUint64(w.block, h.Seed)
	w.block = append(w.block, h.Version...)
	w.flush()
	return w, w.err
}

// Entry adds an entry. Entries come before versions.
func (w *Writer) Entry(e *Entry) error {
	w.begin(entryBlock)
	w.block = e.appendTo(w.block)
	w.entries++
	return w.end()
}

// Version adds a tag's version.
func (w *Writer) Version(tag, n uint64) error {
	w.begin(versionBlock)
	w.block = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(w.block, tag), n)
	w.versions++
	return w.end()
}

func (w *Writer) begin(kind uint8) {
	if w.kind != kind {
		w.flush()
		w.kind = kind
	}
}

func (w *Writer) end() error {
	if len(w.block) > blockBytes {
		w.flush()
	}
	return w.err
}

// flush writes the block, unless it is empty.
func (w *Writer) flush() {
	if w.err != nil || len(w.block) == 0 {
		return
	}
	head := binary.LittleEndian.AppendUint32([]byte{w.kind}, uint32(len(w.block)))
	w.sum = sum(w.sum, head, w.block)
	tail := binary.LittleEndian.AppendUint64(nil, w.sum)
	for _, b := range [...][]byte{head, w.block, tail} {
		if w.err == nil {
			_, w.err = w.out.Write(b)
		}
	}
	w.block = w.block[:0]
}

func sum(before uint64, head, payload []byte) uint64 {
	d := xxhash.NewWithSeed(before)
	_, _ = d.Write(head) // a hash returns no error
	_, _ = d.Write(payload)
	return d.Sum64()
}

// Commit puts the snapshot in the place of the one before, so that it is there after a loss of power, too. clean: no
// bump follows, and there is no log.
func (w *Writer) Commit(clean bool) error {
	w.begin(trailerBlock)
	w.block = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(w.block, w.entries), w.versions)
	w.block = append(w.block, flag(clean))
	w.flush()
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if w.err == nil {
		w.err = w.file.Sync()
	}
	if err := w.file.Close(); w.err == nil {
		w.err = err
	}
	if w.err == nil {
		w.err = os.Rename(filepath.Join(w.dir, snapshotFile+nextSuffix), filepath.Join(w.dir, snapshotFile))
	}
	if w.err == nil {
		w.err = syncDir(w.dir)
	}
	return w.err
}

// Abort gives the snapshot up.
func (w *Writer) Abort() {
	_ = w.file.Close() // its contents do not matter any more
	_ = os.Remove(filepath.Join(w.dir, snapshotFile+nextSuffix))
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// Drop removes a folder's snapshot, as what it says may not be true any more, and then its logs.
func Drop(dir string) error {
	for _, name := range [...]string{snapshotFile, logFile, logFile + nextSuffix} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Snapshot is a file that was checked as a whole.
type Snapshot struct {
	Header
	Entries  uint64
	Versions map[uint64]uint64 // by tag
	Clean    bool
	logged   map[uint64]bool // tags of the log
	logAt    string          // the log's file; empty: there is none
	file     *os.File
}

// Open reads a folder's snapshot through, but for its entries. An error is os.ErrNotExist if there is none,
// ErrCorrupt, or the file system's.
func Open(dir string) (*Snapshot, error) {
	f, err := os.Open(filepath.Join(dir, snapshotFile))
	if err != nil {
		return nil, err
	}
	s := &Snapshot{file: f, Versions: map[uint64]uint64{}, logged: map[uint64]bool{}}
	if err := s.read(f, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", f.Name(), err), f.Close())
	}
	return s, nil
}

// Close closes the file.
func (s *Snapshot) Close() error { return s.file.Close() }

// Each tells of all entries.
func (s *Snapshot) Each(do func(*Entry)) error {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	again := Snapshot{Versions: map[uint64]uint64{}}
	return again.read(s.file, do)
}

// reader reads blocks.
type reader struct {
	in      *bufio.Reader
	at      int64
	sum     uint64
	payload bytes.Buffer
}

// next returns the next block.
func (r *reader) next() (kind uint8, payload []byte, err error) {
	head := make([]byte, blockHead)
	if err := r.full(head); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxBlock {
		return 0, nil, r.corrupt("a block of %d bytes", n)
	}
	r.payload.Reset() // it grows by what the file really holds
	if got, err := io.CopyN(&r.payload, r.in, int64(n)); err != nil {
		return 0, nil, r.corrupt("the file is cut: %d bytes of a block of %d", got, n)
	}
	r.at += int64(n)
	tail := make([]byte, sumBytes)
	if err := r.full(tail); err != nil {
		return 0, nil, err
	}
	if r.sum = sum(r.sum, head, r.payload.Bytes()); r.sum != binary.LittleEndian.Uint64(tail) {
		return 0, nil, r.corrupt("a block's checksum does not hold")
	}
	return head[0], r.payload.Bytes(), nil
}

func (r *reader) full(b []byte) error {
	n, err := io.ReadFull(r.in, b)
	r.at += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.corrupt("the file is cut")
	}
	return err
}

func (r *reader) corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: byte %d: %s", ErrCorrupt, r.at, fmt.Sprintf(format, args...))
}

// read reads a whole file and tells of its entries, if anybody wants to know.
func (s *Snapshot) read(in io.Reader, do func(*Entry)) error {
	r := &reader{in: bufio.NewReaderSize(in, 1<<18)}
	start := make([]byte, len(magic))
	if err := r.full(start); err != nil {
		return err
	}
	if string(start) != magic {
		return r.corrupt("it does not begin as a snapshot of this version does")
	}
	versions, last := uint64(0), uint8(0)
	for {
		kind, payload, err := r.next()
		if err != nil {
			return err
		}
		if kind < last || last == 0 && kind != headerBlock || kind == headerBlock && last != 0 {
			return r.corrupt("a block of kind %d behind one of kind %d", kind, last)
		}
		switch last = kind; kind {
		case headerBlock:
			if len(payload) < 16 {
				return r.corrupt("a header of %d bytes", len(payload))
			}
			s.Header = Header{binary.LittleEndian.Uint64(payload), binary.LittleEndian.Uint64(payload[8:]), string(payload[16:])}
		case entryBlock:
			err = s.entries(r, payload, do)
		case versionBlock:
			for ; len(payload) >= 16; payload = payload[16:] {
				s.Versions[binary.LittleEndian.Uint64(payload)] = binary.LittleEndian.Uint64(payload[8:])
				versions++
			}
			if len(payload) > 0 {
				return r.corrupt("%d bytes behind a version", len(payload))
			}
		case trailerBlock:
			return s.trailer(r, payload, versions)
		default:
			return r.corrupt("a block of kind %d", kind)
		}
		if err != nil {
			return err
		}
	}
}

func (s *Snapshot) entries(r *reader, payload []byte, do func(*Entry)) error {
	for len(payload) > 0 {
		var e Entry
		var ok bool
		if payload, ok = e.parse(payload); !ok {
			return r.corrupt("an entry is cut")
		}
		s.Entries++
		if do != nil {
			do(&e)
		}
	}
	return nil
}

func (s *Snapshot) trailer(r *reader, payload []byte, versions uint64) error {
	if len(payload) != 17 || binary.LittleEndian.Uint64(payload) != s.Entries || binary.LittleEndian.Uint64(payload[8:]) != versions {
		return r.corrupt("the trailer speaks of other entries or versions than there are")
	}
	s.Clean = payload[16] == 1
	if _, err := r.in.Peek(1); !errors.Is(err, io.EOF) {
		return r.corrupt("something is behind the trailer")
	}
	return nil
}
