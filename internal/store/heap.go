package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/foliocache/folio/arena"
)

// MinHeap is the smallest capacity of a store on the Go heap, in bytes.
const MinHeap = 1 << 18

// What rings on the heap are made of.
const (
	heapBuckets = arena.HeapBuckets
	heapHeader  = arena.HeapHeader
)

// newHeap makes a store whose rings are slices without pointers on the Go heap. It takes sizes
// in steps of 160 bytes.
func newHeap(capacity int64) (*Store, error) {
	if capacity < MinHeap {
		return nil, fmt.Errorf("store: %d bytes are less than the %d that rings on the heap need", capacity, MinHeap)
	}
	bucket := uint64(capacity) / heapBuckets / 10
	g := arena.Geometry{Probation: bucket * heapBuckets, Main: 9 * bucket * heapBuckets, Buckets: heapBuckets, Header: heapHeader}
	return newStore(g, newHeapRing(g.Main), newHeapRing(g.Probation)), nil
}

// heap is a ring on the Go heap.
type heap struct{ buckets [heapBuckets]heapBucket }

// heapBucket is a FIFO of entries: key, length, value. Offsets are virtual and only grow; an
// entry may run over the end of the memory into its beginning.
type heapBucket struct {
	mu     sync.RWMutex
	bytes  []byte
	offset uint64            // where the next entry begins
	at     map[uint64]uint64 // offset of an entry by its key's unit
	swept  uint64            // the offset at which at was last swept
}

func newHeapRing(capacity uint64) memory {
	h := new(heap)
	for i := range h.buckets {
		h.buckets[i] = heapBucket{bytes: make([]byte, capacity/heapBuckets), at: map[uint64]uint64{}}
	}
	return h
}

func (h *heap) bucket(unit uint64) *heapBucket { return &h.buckets[unit%heapBuckets] }

func (h *heap) get(dst []byte, k Key) ([]byte, bool) {
	unit := k.Unit()
	b := h.bucket(unit)
	b.mu.RLock()
	defer b.mu.RUnlock()
	at, ok := b.at[unit]
	if !ok || b.offset-at > uint64(len(b.bytes)) {
		return dst, false
	}
	var head [heapHeader]byte
	b.copyOut(head[:], at)
	if Key(head[:16]) != k {
		return dst, false
	}
	n := int(binary.LittleEndian.Uint32(head[16:]))
	dst = slices.Grow(dst, n)[:len(dst)+n]
	b.copyOut(dst[len(dst)-n:], at+heapHeader)
	return dst, true
}

func (h *heap) set(k Key, value []byte) {
	unit := k.Unit()
	b := h.bucket(unit)
	b.mu.Lock()
	defer b.mu.Unlock()
	var head [heapHeader]byte
	copy(head[:], k[:])
	binary.LittleEndian.PutUint32(head[16:], uint32(len(value)))
	b.at[unit] = b.offset
	b.copyIn(head[:])
	b.copyIn(value)
	b.sweep()
}

// sweep forgets, once a lap, the entries that are overwritten.
func (b *heapBucket) sweep() {
	if b.offset-b.swept < uint64(len(b.bytes)) {
		return
	}
	b.swept = b.offset
	for unit, at := range b.at {
		if b.offset-at > uint64(len(b.bytes)) {
			delete(b.at, unit)
		}
	}
}

func (h *heap) del(k Key) {
	unit := k.Unit()
	b := h.bucket(unit)
	b.mu.Lock()
	delete(b.at, unit)
	b.mu.Unlock()
}

func (h *heap) free() {
	for i := range h.buckets {
		b := &h.buckets[i]
		b.mu.Lock()
		b.bytes, b.at = nil, nil
		b.mu.Unlock()
	}
}

func (b *heapBucket) copyOut(dst []byte, from uint64) {
	n := copy(dst, b.bytes[from%uint64(len(b.bytes)):])
	copy(dst[n:], b.bytes)
}

func (b *heapBucket) copyIn(src []byte) {
	n := copy(b.bytes[b.offset%uint64(len(b.bytes)):], src)
	copy(b.bytes, src[n:])
	b.offset += uint64(len(src))
}
