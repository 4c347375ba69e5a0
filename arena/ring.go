package arena

import (
	"math"
	"unsafe"
)

// ring is one byte ring of the store as bookkeeping: what fastcache holds, without the bytes.
// It is a FIFO by write order; a write takes the place of the oldest bytes. With several
// buckets each is such a FIFO of its own, as in fastcache.
type ring struct {
	buckets  []bucket
	capacity uint64 // of one bucket, in units of size
	granule  uint   // entries begin at multiples of 1 << granule; 0 but for buckets of 2 GiB and more. & 63 spares a shift its check
	chunk    uint64 // an entry never crosses a multiple of chunk; 0 = no such rule
	dense    bool   // neither granules nor chunks: entries touch
	most     uint32 // entries of one bucket
	written  uint64 // so far, with what chunks waste
	entries  uint64 // written so far
}

// bucket is one FIFO. Its offset is virtual: it only grows, and an entry is overwritten once
// the offset passes the entry's own by more than the capacity.
type bucket struct {
	entries    []entry // circular
	first      uint32  // where in entries the oldest one is
	head, tail uint32  // running indices of the oldest entry and of the next one
	offset     uint64  // where the next write begins
}

// entry is one write. It is dead when its slot's state no longer points at it.
type entry struct {
	slot   Slot
	offset uint32 // in granules; wraps
}

func newRing(buckets int, capacity, chunk uint64) ring {
	r := ring{buckets: make([]bucket, buckets), capacity: capacity, chunk: chunk, most: math.MaxUint32}
	for capacity>>r.granule >= 1<<31 {
		r.granule++
	}
	r.dense = r.granule == 0 && chunk == 0
	for i := range r.buckets { // far apart, so that slot and index name one entry of all buckets
		b := &r.buckets[i]
		b.head = uint32(uint64(i) << 32 / uint64(buckets))
		b.tail = b.head
	}
	return r
}

func (r *ring) bucket(key uint64) *bucket {
	if len(r.buckets) == 1 {
		return &r.buckets[0]
	}
	return &r.buckets[key%uint64(len(r.buckets))]
}

// fits reports whether an entry of this size can ever be held.
func (r *ring) fits(size uint64) bool {
	return size <= r.capacity && (r.chunk == 0 || size < r.chunk)
}

// place returns where an entry of this size would begin. fastcache leaves the rest of a chunk
// empty not only when the entry would cross its end, but also when it would touch it
// (v1.13, bucket.Set).
func (r *ring) place(b *bucket, size uint64) uint64 {
	if r.chunk == 0 {
		return b.offset
	}
	if in := b.offset % r.chunk; in+size >= r.chunk {
		return b.offset + r.chunk - in
	}
	return b.offset
}

// full reports whether a write that needs so much would take the oldest entry's bytes, or be an
// entry too many.
func (r *ring) full(b *bucket, need uint64) bool {
	n := b.tail - b.head
	return n > 0 && (b.offset+need-r.begin(b, b.oldest()) > r.capacity || n >= r.most)
}

// need returns how far a write of this size moves the bucket's offset.
func (r *ring) need(b *bucket, size uint64) uint64 {
	if r.dense {
		return size
	}
	return r.place(b, size) + r.round(size) - b.offset
}

// write appends an entry and returns its running index.
func (r *ring) write(b *bucket, slot Slot, size uint64) (index uint32) {
	need := r.need(b, size)
	r.written += need
	r.entries++
	b.offset += need
	return b.push(entry{slot, uint32((b.offset - r.round(size)) >> (r.granule & 63))})
}

// begin returns the virtual offset of an entry that is not overwritten yet.
func (r *ring) begin(b *bucket, e *entry) uint64 {
	return b.offset - uint64(uint32(b.offset>>(r.granule&63))-e.offset)<<(r.granule&63)
}

// round returns how many bytes an entry takes.
func (r *ring) round(size uint64) uint64 {
	return (size + 1<<(r.granule&63) - 1) >> (r.granule & 63) << (r.granule & 63)
}

// laps returns how often the ring was written round, in 1/parts of a lap: in bytes or in
// entries, whichever is oftener.
func (r *ring) laps(parts uint64) uint64 {
	if r.total() == 0 {
		return 0
	}
	bytes := r.written * parts / r.total()
	if r.most == math.MaxUint32 {
		return bytes
	}
	return max(bytes, r.entries*parts/(uint64(r.most)*uint64(len(r.buckets))))
}

// wrapped reports whether the ring has begun to overwrite.
func (r *ring) wrapped() bool {
	return r.written >= r.total() || r.entries >= uint64(r.most)*uint64(len(r.buckets))
}

// at returns the entry of a running index.
func (b *bucket) at(index uint32) *entry {
	i, n := b.first+index-b.head, uint32(len(b.entries))
	if i >= n {
		i -= n
	}
	return &b.entries[i]
}

// oldest returns the oldest entry; there must be one.
func (b *bucket) oldest() *entry { return &b.entries[b.first] }

// pop removes the oldest entry and returns its slot and running index.
func (b *bucket) pop() (Slot, uint32) {
	slot := b.oldest().slot
	b.head++
	if b.first++; b.first == uint32(len(b.entries)) {
		b.first = 0
	}
	return slot, b.head - 1
}

// push appends an entry and returns its running index.
func (b *bucket) push(e entry) uint32 {
	if b.tail-b.head == uint32(len(b.entries)) {
		b.grow()
	}
	*b.at(b.tail) = e
	b.tail++
	return b.tail - 1
}

func (b *bucket) grow() {
	bigger := make([]entry, len(b.entries)+len(b.entries)/8+8)
	n := copy(bigger, b.entries[b.first:])
	copy(bigger[n:], b.entries[:b.first])
	b.entries, b.first = bigger, 0
}

// used returns the bytes between the oldest byte that is still there and the write pointer.
func (r *ring) used() uint64 {
	sum := uint64(0)
	for i := range r.buckets {
		sum += min(r.buckets[i].offset, r.capacity)
	}
	return sum
}

func (b *bucket) metadata() int64 {
	return int64(unsafe.Sizeof(*b)) + int64(len(b.entries))*int64(unsafe.Sizeof(entry{}))
}

func (r *ring) total() uint64 { return r.capacity * uint64(len(r.buckets)) }

func (r *ring) metadata() int64 {
	n := int64(0)
	for i := range r.buckets {
		n += r.buckets[i].metadata()
	}
	return n
}
