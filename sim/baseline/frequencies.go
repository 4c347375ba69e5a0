package baseline

// frequencies orders nodes by how often they were counted, and those of equal count by when
// they reached it. All operations but add are O(1); 12 bytes a node. The structure is that
// of Shah, Mitra and Matani, "An O(1) algorithm for implementing the LFU cache eviction
// scheme" (2010): a list of buckets in the order of their counts, each a queue of nodes.
type frequencies struct {
	order   rings
	bucket  []uint32 // by node
	buckets []bucket // 0 closes the list
	free    uint32   // the first free bucket, linked by next, or 0
}

type bucket struct {
	count      uint64
	end        uint32 // of its ring
	prev, next uint32
}

func newFrequencies(nodes int) frequencies {
	return frequencies{
		order:   newRings(nodes, 0),
		bucket:  make([]uint32, nodes),
		buckets: make([]bucket, 1),
	}
}

// count returns how often a node was counted.
func (f *frequencies) count(n uint32) uint64 { return f.buckets[f.bucket[n]].count }

// add enters a node with a count, in the time of a walk over the lower counts.
func (f *frequencies) add(n uint32, count uint64) { f.place(n, f.bucketAfter(0, count)) }

// touch raises a node's count by one.
func (f *frequencies) touch(n uint32) {
	from := f.bucket[n]
	if f.alone(n) {
		f.buckets[from].count++
		return
	}
	to := f.bucketAfter(from, f.buckets[from].count+1)
	f.order.unlink(n)
	f.place(n, to)
	f.discardEmpty(from)
}

// alone reports whether a node's count may be raised in its bucket: there is no other node
// in it, and no bucket for the next count.
func (f *frequencies) alone(n uint32) bool {
	b := &f.buckets[f.bucket[n]]
	if f.order[n].prev != f.order[n].next {
		return false
	}
	next := &f.buckets[b.next]
	return b.next == 0 || next.count > b.count+1
}

// drop removes a node.
func (f *frequencies) drop(n uint32) {
	f.order.unlink(n)
	f.discardEmpty(f.bucket[n])
}

// least returns the node that reached the lowest count first; there must be one.
func (f *frequencies) least() uint32 { return f.order.front(f.buckets[f.buckets[0].next].end) }

func (f *frequencies) place(n, bucket uint32) {
	f.bucket[n] = bucket
	f.order.pushBack(f.buckets[bucket].end, n)
}

// bucketAfter returns the bucket of a count above that of bucket b, made where missing.
func (f *frequencies) bucketAfter(b uint32, count uint64) uint32 {
	next := f.buckets[b].next
	for next != 0 && f.buckets[next].count < count {
		b, next = next, f.buckets[next].next
	}
	if next != 0 && f.buckets[next].count == count {
		return next
	}
	made := f.vacant()
	f.buckets[made] = bucket{count, f.buckets[made].end, b, next}
	f.buckets[b].next = made
	f.buckets[next].prev = made
	return made
}

// vacant returns a bucket that is not in the list.
func (f *frequencies) vacant() uint32 {
	if b := f.free; b != 0 {
		f.free = f.buckets[b].next
		return b
	}
	f.buckets = append(f.buckets, bucket{end: f.order.open()})
	return uint32(len(f.buckets) - 1)
}

func (f *frequencies) discardEmpty(b uint32) {
	old := &f.buckets[b]
	if !f.order.empty(old.end) {
		return
	}
	f.buckets[old.prev].next = old.next
	f.buckets[old.next].prev = old.prev
	old.next = f.free
	f.free = b
}
