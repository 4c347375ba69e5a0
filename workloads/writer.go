package workloads

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// Writer writes the folio format; see folio.go for its layout. It is not safe for concurrent use.
// Memory: one block, up to 65,536 requests.
type Writer struct {
	out     io.Writer
	encoder *zstd.Encoder
	chain   *xxhash.Digest
	block   block
	order   inOrder
	count   uint64
	raw     []byte
	frame   []byte // header and stored bytes of a block
	err     error  // of an earlier call; nothing is written after it
	closed  bool
}

var errClosed = errors.New("folio: the writer is closed")

// maxText bounds each text of a request, in bytes, so that a block stays within what readers accept.
const maxText = 1 << 20

// NewWriter returns a Writer to w. The caller closes w, after the Writer.
func NewWriter(w io.Writer) *Writer {
	encoder, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false)) // these options are valid
	out := &Writer{out: w, encoder: encoder, chain: xxhash.New()}
	out.emit([]byte(folioMagic))
	_, _ = out.chain.WriteString(folioMagic) // a hash returns no error
	return out
}

// Write adds one request. It is buffered: an error of w may come later, and stays. A request that
// breaks the rules of Request, or whose time falls, is ErrUnsupported and leaves the file as it was.
func (w *Writer) Write(r Request) error {
	if w.closed {
		return errClosed
	}
	if w.err != nil {
		return w.err
	}
	if err := w.admit(&r); err != nil {
		return fmt.Errorf("folio: %w", err)
	}
	w.block.add(r)
	w.count++
	if w.block.full() {
		w.flush()
	}
	return w.err
}

func (w *Writer) admit(r *Request) error {
	for _, text := range [...]string{r.List, r.Scope, r.Variant, r.Cursor} {
		if len(text) > maxText {
			return fmt.Errorf("%w: a text of %d bytes, at most %d are", ErrUnsupported, len(text), maxText)
		}
	}
	if err := w.order.admit(r); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}

// Close writes what is buffered and the trailer, without which the file counts as truncated. It
// may be called again and then does nothing.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.flush()
	w.closed = true
	tail := binary.LittleEndian.AppendUint64([]byte{folioTrailer}, w.count)
	_, _ = w.chain.Write(tail)
	w.emit(binary.LittleEndian.AppendUint64(tail, w.chain.Sum64()))
	return errors.Join(w.err, w.encoder.Close())
}

// flush writes the current block, if it holds a request.
func (w *Writer) flush() {
	if len(w.block.requests) == 0 {
		return
	}
	w.raw = w.block.encode(w.raw[:0])
	w.frame = append(w.frame[:0], make([]byte, folioBlockHead)...)
	w.frame = w.encoder.EncodeAll(w.raw, w.frame)
	head, stored := w.frame[:folioBlockHead], w.frame[folioBlockHead:]
	head[0] = folioBlock
	binary.LittleEndian.PutUint32(head[1:], uint32(len(w.block.requests)))
	binary.LittleEndian.PutUint32(head[5:], uint32(len(w.raw)))
	binary.LittleEndian.PutUint32(head[9:], uint32(len(stored)))
	binary.LittleEndian.PutUint64(head[13:], blockSum(head[:13], stored))
	_, _ = w.chain.Write(head[13:])
	w.emit(w.frame)
	w.block.reset()
}

func (w *Writer) emit(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
}
