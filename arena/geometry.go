package arena

import "fmt"

// Geometry says how a capacity is cut into rings.
type Geometry struct {
	Probation, Main uint64 // sizes of the rings
	Buckets         int    // FIFOs that each ring is cut into
	Chunk           uint64 // no entry crosses a multiple of it; 0 = none
	Header          uint32 // bytes an entry takes beside its key and value
}

// probationShare is the small ring's part of the capacity (S3-FIFO, section 4.1).
const probationShare = 10 // one tenth

// Plain cuts any capacity, objects or bytes, into one FIFO each: a tenth for probation, at
// least one object, and the rest for main.
func Plain(capacity int64) Geometry {
	p := max(1, uint64(capacity)/probationShare)
	return Geometry{Probation: p, Main: uint64(capacity) - p, Buckets: 1}
}

// What one instance of fastcache (v1.13) is made of.
const (
	fastcacheBuckets = 512
	fastcacheChunk   = 64 << 10
	fastcacheStep    = fastcacheBuckets * fastcacheChunk // 32 MiB: the floor and the step of an instance
	fastcacheHeader  = 4 + 16                            // two lengths of two bytes and the hashed key
)

// MinFastcache is the smallest capacity that two instances of fastcache make sense of:
// 32 MiB for probation and twice that for main.
const MinFastcache = 3 * fastcacheStep

// Fastcache cuts a capacity in bytes as two instances of fastcache can hold it: 512 buckets of
// 64 KiB chunks, whole steps of 32 MiB, rounded down. The tenth for probation is therefore
// exact only for multiples of 320 MiB. Less than [MinFastcache] is an error.
func Fastcache(capacity int64) (Geometry, error) {
	if capacity < MinFastcache {
		return Geometry{}, fmt.Errorf("arena: %d bytes are less than the %d that fastcache needs", capacity, MinFastcache)
	}
	steps := uint64(capacity) / fastcacheStep
	p := max(1, steps/probationShare)
	return Geometry{Probation: p * fastcacheStep, Main: (steps - p) * fastcacheStep,
		Buckets: fastcacheBuckets, Chunk: fastcacheChunk, Header: fastcacheHeader}, nil
}

func (g Geometry) probation() ring { return newRing(g.Buckets, g.Probation/uint64(g.Buckets), g.Chunk) }
func (g Geometry) main() ring      { return newRing(g.Buckets, g.Main/uint64(g.Buckets), g.Chunk) }

// ghost returns how much a world remembers of what it dropped: main's size once more.
func (g Geometry) ghost() uint64 { return g.Main }

// scaled returns the geometry of a shadow that sees one of n feeds.
func (g Geometry) scaled(n uint64) Geometry {
	return Geometry{Probation: max(1, g.Probation/n), Main: max(1, g.Main/n), Buckets: 1}
}
