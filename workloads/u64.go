package workloads

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
)

func init() {
	register(Format{
		Name:       "u64",
		Doc:        "little-endian uint64, one key a request",
		Extensions: []string{".u64"},
		Read:       readU64,
		Sniff:      sniffU64,
		Write:      func(w io.Writer) Sink { return &u64Sink{out: bufio.NewWriter(w)} },
	})
}

func readU64(r io.Reader, _ Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		in := newRecords(r, 8)
		for record := in.next(); record != nil; record = in.next() {
			if !yield(Request{ID: binary.LittleEndian.Uint64(record)}, nil) {
				return
			}
		}
		if err := in.err(); err != nil {
			yield(Request{}, err)
		}
	}
}

// sniffU64 guesses: ids seldom use their highest two bytes all over.
func sniffU64(head []byte) bool {
	small := 0
	for i := 0; i+8 <= len(head); i += 8 {
		if binary.LittleEndian.Uint64(head[i:])>>48 == 0 {
			small++
		}
	}
	return small > 0 && small >= len(head)/8*9/10
}

// u64Sink keeps ids only: time, size and load are not written.
type u64Sink struct{ out *bufio.Writer }

// Write takes reads of key traces; anything else is ErrUnsupported.
func (s *u64Sink) Write(r Request) error {
	if r.Paginated() || r.Op != Read {
		return fmt.Errorf("u64: %w: it holds reads of ids only", ErrUnsupported)
	}
	var record [8]byte
	binary.LittleEndian.PutUint64(record[:], r.ID)
	_, err := s.out.Write(record[:])
	return err
}

// Close writes what is buffered.
func (s *u64Sink) Close() error { return s.out.Flush() }
