package workloads

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// The folio format holds every field of every request. All numbers are little-endian.
//
//	file    = magic block* trailer, nothing after it
//	magic   = 89 'F' 'O' 'L' 'I' 'O' version 0A      8 bytes; version = 1
//	block   = 01 u32 requests, u32 raw bytes, u32 stored bytes, u64 sum, stored
//	trailer = 02 u64 requests in the file, u64 sum
//
// stored is one zstd frame of raw. A block's sum is xxHash64 of its header up to the sum and of
// stored; the trailer's is xxHash64 of the magic, of all sums before it and of the trailer up
// to its own sum, so that a block lost, repeated or moved is found as well as a changed one. A
// file without its trailer was cut: ErrTruncated.
//
// Blocks stand alone, so a reader holds one at a time. raw is
//
//	uvarint texts, each as uvarint length and its bytes; text 0 is "" and not stored
//	one column for each field, in the order of folioColumns:
//	  00                       the field is zero in all requests of the block, or
//	  01 uvarint × requests    its values
//
// Columns hold the number itself; Time the difference to the request before in the block (it never
// falls), ID the same difference modulo 2^64 in zigzag form; List, Scope, Variant and Cursor the
// index of their text.
const folioName = "folio"

const (
	folioMagic       = "\x89FOLIO\x01\n"
	folioBlock       = 1
	folioTrailer     = 2
	folioBlockHead   = 21 // bytes, kind and sum included
	folioTrailerSize = 17
	maxBlockRequests = 1 << 16
	maxBlockRaw      = 64 << 20 // bytes; the writer ends a block at a sixteenth of it
)

func init() {
	register(Format{
		Name:       folioName,
		Doc:        "our recording: every field, zstd blocks, checksummed",
		Extensions: []string{".folio"},
		Read:       readFolio,
		Sniff:      func(head []byte) bool { return bytes.HasPrefix(head, []byte(folioMagic[:6])) },
		Write:      func(w io.Writer) Sink { return NewWriter(w) },
	})
}

// folioReader reads block by block.
type folioReader struct {
	in      *bufio.Reader
	offset  int64 // of the next byte
	count   uint64
	chain   *xxhash.Digest
	decoder *zstd.Decoder
	stored  bytes.Buffer
	raw     []byte
	block   block
}

func readFolio(r io.Reader, _ Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlockRaw))
		if err != nil {
			yield(Request{}, err)
			return
		}
		defer decoder.Close()
		f := &folioReader{in: bufio.NewReaderSize(r, bufferBytes), chain: xxhash.New(), decoder: decoder}
		if err := f.magic(); err != nil {
			yield(Request{}, err)
			return
		}
		for {
			requests, err := f.next()
			if err != nil {
				yield(Request{}, err)
				return
			}
			if requests == nil {
				return
			}
			for i := range requests {
				if !yield(requests[i], nil) {
					return
				}
			}
		}
	}
}

func (f *folioReader) magic() error {
	head, err := f.take(len(folioMagic))
	if err != nil {
		return err
	}
	if string(head[:6]) != folioMagic[:6] || head[7] != folioMagic[7] {
		return atByte(fmt.Errorf("%w: it does not begin as a folio file does", ErrCorrupt), 0)
	}
	if head[6] != folioMagic[6] {
		return atByte(fmt.Errorf("folio version %d, this reads version %d: get a newer simulate", head[6], folioMagic[6]), 6)
	}
	_, _ = f.chain.Write(head) // a hash returns no error
	return nil
}

// next returns the requests of the next block, valid until the next call; nil after the trailer.
func (f *folioReader) next() ([]Request, error) {
	start := f.offset
	kind, err := f.in.Peek(1)
	if err != nil {
		return nil, f.cut(err, 0)
	}
	switch kind[0] {
	case folioBlock:
		return f.nextBlock(start)
	case folioTrailer:
		return nil, f.trailer(start)
	}
	return nil, atByte(fmt.Errorf("%w: byte %#x begins neither a block nor the trailer", ErrCorrupt, kind[0]), start)
}

func (f *folioReader) nextBlock(start int64) ([]Request, error) {
	head, err := f.take(folioBlockHead)
	if err != nil {
		return nil, err
	}
	head = bytes.Clone(head)
	requests, raw, stored := binary.LittleEndian.Uint32(head[1:]), binary.LittleEndian.Uint32(head[5:]), binary.LittleEndian.Uint32(head[9:])
	if requests == 0 || requests > maxBlockRequests || raw > maxBlockRaw || stored > maxBlockRaw {
		return nil, atByte(fmt.Errorf("%w: a block of %d requests, %d bytes, stored in %d", ErrCorrupt, requests, raw, stored), start)
	}
	if err := f.fetch(int64(stored)); err != nil {
		return nil, err
	}
	if sum := blockSum(head[:13], f.stored.Bytes()); sum != binary.LittleEndian.Uint64(head[13:]) {
		return nil, atByte(fmt.Errorf("%w: the block's checksum does not hold", ErrCorrupt), start)
	}
	_, _ = f.chain.Write(head[13:])
	if err := f.unpack(int(requests), int(raw)); err != nil {
		return nil, atByte(fmt.Errorf("%w: %w", ErrCorrupt, err), start)
	}
	f.count += uint64(requests)
	return f.block.requests, nil
}

// unpack decodes the stored block.
func (f *folioReader) unpack(requests, raw int) (err error) {
	if f.raw, err = f.decoder.DecodeAll(f.stored.Bytes(), f.raw[:0]); err != nil {
		return err
	}
	if len(f.raw) != raw {
		return fmt.Errorf("the block has %d bytes, not %d", len(f.raw), raw)
	}
	return f.block.decode(f.raw, requests)
}

func (f *folioReader) trailer(start int64) error {
	tail, err := f.take(folioTrailerSize)
	if err != nil {
		return err
	}
	_, _ = f.chain.Write(tail[:9])
	if f.chain.Sum64() != binary.LittleEndian.Uint64(tail[9:]) {
		return atByte(fmt.Errorf("%w: the trailer's checksum does not hold", ErrCorrupt), start)
	}
	if count := binary.LittleEndian.Uint64(tail[1:]); count != f.count {
		return atByte(fmt.Errorf("%w: %d requests, the trailer says %d", ErrCorrupt, f.count, count), start)
	}
	if _, err := f.in.Peek(1); !errors.Is(err, io.EOF) {
		return atByte(errors.Join(fmt.Errorf("%w: bytes after the trailer", ErrCorrupt), err), f.offset)
	}
	return nil
}

// take returns the next n bytes, valid until the next read.
func (f *folioReader) take(n int) ([]byte, error) {
	b, err := f.in.Peek(n)
	if err != nil {
		return nil, f.cut(err, len(b))
	}
	_, _ = f.in.Discard(n) // was just peeked
	f.offset += int64(n)
	return b, nil
}

// fetch reads n bytes into f.stored; it allocates no more than the file really holds.
func (f *folioReader) fetch(n int64) error {
	f.stored.Reset()
	got, err := io.CopyN(&f.stored, f.in, n)
	f.offset += got
	if err != nil {
		return f.cut(err, 0)
	}
	return nil
}

// cut reports where the file ends, extra bytes beyond the offset.
func (f *folioReader) cut(err error, extra int) error {
	if errors.Is(err, io.EOF) {
		err = ErrTruncated
	}
	return atByte(err, f.offset+int64(extra))
}

func blockSum(head, stored []byte) uint64 {
	sum := xxhash.New()
	_, _ = sum.Write(head)
	_, _ = sum.Write(stored)
	return sum.Sum64()
}
