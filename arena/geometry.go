package arena

import (
	"fmt"
	"math"
)

// Geometry says how a capacity is cut into rings.
type Geometry struct {
	Probation, Main uint64 // sizes of the rings
	Buckets         int    // FIFOs that each ring is cut into
	Chunk           uint64 // no entry crosses a multiple of it; 0 = none
	Loose           bool   // probation is cut into HeapBuckets FIFOs without chunks, whatever main is
	Header          uint32 // bytes an entry takes beside its key and value
	Most            uint32 // entries that both rings may hold, outdated ones included; 0 = as many as fit
}

// Capacity returns the size of both rings.
func (g Geometry) Capacity() uint64 { return g.Probation + g.Main }

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

// MinFastcache is the smallest capacity that is cut for fastcache: 32 MiB for probation and twice that for main.
const MinFastcache = 3 * fastcacheStep

// What a ring on the Go heap is made of, without chunks.
const (
	HeapBuckets = 16     // FIFOs
	HeapHeader  = 16 + 4 // the hashed key, the value's length; as long as fastcache's
)

// Fastcache cuts a capacity in bytes as fastcache can hold it: 512 buckets of 64 KiB chunks, whole steps of 32 MiB.
// Below 20 steps what is left beside whole steps for main, at least a twentieth, is for a probation on the Go heap,
// which takes any size; from there on, or if it is a whole number of steps, probation is an instance of fastcache, a
// tenth of the steps, and the rest is lost. Less than [MinFastcache] is an error.
func Fastcache(capacity int64) (Geometry, error) {
	if capacity < MinFastcache {
		return Geometry{}, fmt.Errorf("arena: %d bytes are less than the %d that fastcache needs", capacity, MinFastcache)
	}
	g := Geometry{Buckets: fastcacheBuckets, Chunk: fastcacheChunk, Header: fastcacheHeader}
	bytes := uint64(capacity)
	steps := bytes / fastcacheStep
	if bytes%fastcacheStep == 0 || steps >= 2*probationShare {
		p := max(1, steps/probationShare)
		g.Probation, g.Main = p*fastcacheStep, (steps-p)*fastcacheStep
		return g, nil
	}
	g.Main = (bytes - bytes/(2*probationShare)) / fastcacheStep * fastcacheStep
	g.Probation, g.Loose = (bytes-g.Main)/HeapBuckets*HeapBuckets, true
	return g, nil
}

func (g Geometry) probation() ring {
	if g.Loose {
		g.Buckets, g.Chunk = HeapBuckets, 0
	}
	return g.ring(g.Probation, g.Most-g.mostMain())
}

func (g Geometry) main() ring { return g.ring(g.Main, g.mostMain()) }

func (g Geometry) ring(capacity uint64, most uint32) ring {
	r := newRing(g.Buckets, capacity/uint64(g.Buckets), g.Chunk)
	if g.Most > 0 {
		r.most = max(1, most/uint32(g.Buckets))
	}
	return r
}

// Largest returns the size of the largest unit that the rings can hold, key and value together; 0 if
// there is none.
func (g Geometry) Largest() uint32 {
	n := max(g.Probation, g.Main) / uint64(g.Buckets)
	if g.Chunk > 0 {
		n = min(n, g.Chunk-1)
	}
	return uint32(max(n, uint64(g.Header)) - uint64(g.Header))
}

// Held returns which of some units, written one after the other to one bucket of the small ring, are
// still there at the end. A store compares itself with it.
func (g Geometry) Held(sizes []uint32) []bool {
	r, held := g.probation(), make([]bool, len(sizes))
	b := &r.buckets[0]
	for i, size := range sizes {
		for n := uint64(size + g.Header); r.full(b, r.need(b, n)); {
			old, _ := b.pop()
			held[old] = false
		}
		r.write(b, Slot(i), uint64(size+g.Header))
		held[i] = true
	}
	return held
}

// mostMain returns main's part of the entries: as much as of the bytes, but for one a bucket of probation.
func (g Geometry) mostMain() uint32 {
	small := uint32(float64(g.Most)*float64(g.Probation)/float64(g.Capacity()) + 1e-6)
	return g.Most - max(min(g.Most, uint32(g.Buckets)), small)
}

// ghosts returns a world's memory of what it dropped: as much as main holds.
func (g Geometry) ghosts() ghosts {
	if g.Most > 0 {
		return ghosts{limit: g.Main, most: g.mostMain()}
	}
	return ghosts{limit: g.Main, most: math.MaxUint32}
}

// scaled returns the geometry of a shadow that sees one of n feeds.
func (g Geometry) scaled(n uint64) Geometry {
	s := Geometry{Probation: max(1, g.Probation/n), Main: max(1, g.Main/n), Buckets: 1}
	if g.Most > 0 {
		s.Most = max(2, g.Most/uint32(n))
	}
	return s
}
