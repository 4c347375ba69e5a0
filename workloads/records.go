package workloads

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// records reads a binary trace of records that all have one size.
type records struct {
	in      *bufio.Reader
	size    int   // bytes of a record
	offset  int64 // of the next record
	failure error
}

func newRecords(r io.Reader, size int) *records {
	return &records{in: bufio.NewReaderSize(r, bufferBytes), size: size}
}

// next returns the next record, valid until the next call; nil at the end or at a fault, see err.
func (r *records) next() []byte {
	record, err := r.in.Peek(r.size)
	if err != nil {
		r.failure = err
		if errors.Is(err, io.EOF) && len(record) > 0 {
			r.failure = fmt.Errorf("%w: %d bytes of a %d-byte record", ErrTruncated, len(record), r.size)
		}
		return nil
	}
	_, _ = r.in.Discard(r.size) // was just peeked
	r.offset += int64(r.size)
	return record
}

// err returns what ended the reading, with its offset; nil at the end of the file.
func (r *records) err() error {
	if r.failure == nil || errors.Is(r.failure, io.EOF) {
		return nil
	}
	return atByte(r.failure, r.offset)
}
