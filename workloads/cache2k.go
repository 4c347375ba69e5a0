package workloads

import (
	"encoding/binary"
	"io"
	"iter"
)

func init() {
	register(Format{
		Name:       "cache2k",
		Doc:        "big-endian int32, one key a request, taken as unsigned (cache2k-benchmark)",
		Extensions: []string{".trace"},
		Read:       readCache2k,
		Sniff:      sniffCache2k,
	})
}

// readCache2k yields one id per four bytes.
// Source: the traces of github.com/cache2k/cache2k-benchmark.
func readCache2k(r io.Reader, _ Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		in := newRecords(r, 4)
		for record := in.next(); record != nil; record = in.next() {
			if !yield(Request{ID: uint64(binary.BigEndian.Uint32(record))}, nil) {
				return
			}
		}
		if err := in.err(); err != nil {
			yield(Request{}, err)
		}
	}
}

// sniffCache2k guesses: the first byte of the ids varies less than the last.
func sniffCache2k(head []byte) bool {
	var high, low [256]bool
	for i := 0; i+4 <= len(head); i += 4 {
		high[head[i]], low[head[i+3]] = true, true
	}
	return len(head) >= 4 && spread(high) < spread(low)
}

// spread counts the byte values that were seen.
func spread(seen [256]bool) int {
	n := 0
	for _, s := range seen {
		if s {
			n++
		}
	}
	return n
}
