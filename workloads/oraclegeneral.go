package workloads

import (
	"encoding/binary"
	"io"
	"iter"
	"time"
)

func init() {
	register(Format{
		Name:  "oracleGeneral",
		Doc:   "libCacheSim's 24-byte little-endian records: u32 seconds, u64 id, u32 size, i64 next access (ignored)",
		Read:  readOracleGeneral,
		Sniff: sniffOracleGeneral,
	})
}

// oracleRecord is the size of a record in bytes.
const oracleRecord = 24

// readOracleGeneral yields ids with size and time since the first record; a clock that steps
// back is held. Source: struct oracleGeneral of github.com/1a1a11a/libCacheSim, traceReader/.
func readOracleGeneral(r io.Reader, _ Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		var clock clock
		in := newRecords(r, oracleRecord)
		for record := in.next(); record != nil; record = in.next() {
			request := Request{
				Time: clock.since(time.Duration(binary.LittleEndian.Uint32(record)) * time.Second),
				ID:   binary.LittleEndian.Uint64(record[4:]),
				Size: binary.LittleEndian.Uint32(record[12:]),
			}
			if !yield(request, nil) {
				return
			}
		}
		if err := in.err(); err != nil {
			yield(Request{}, err)
		}
	}
}

// sniffOracleGeneral holds if time never falls and the next access lies ahead or is -1.
func sniffOracleGeneral(head []byte) bool {
	var last uint32
	for i := 0; i+oracleRecord <= len(head); i += oracleRecord {
		record := head[i:]
		seconds, next := binary.LittleEndian.Uint32(record), int64(binary.LittleEndian.Uint64(record[16:]))
		if seconds < last || next < -1 || next > 1<<48 {
			return false
		}
		last = seconds
	}
	return len(head) >= oracleRecord
}
