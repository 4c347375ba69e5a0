package baseline

import "math/bits"

// radix is a priority queue for keys that never fall below the last minimum: the radix heap
// of Ahuja, Mehlhorn, Orlin and Tarjan, "Faster Algorithms for the Shortest Path Problem"
// (JACM 1990). A node lies in the ring numbered by the highest bit in which its key differs
// from the last minimum, so that it moves at most 64 times; 16 bytes a node.
//
// Nodes of equal key come out in the order they were pushed: they share a ring always.
type radix struct {
	rings
	keys   []uint64 // by node, below 1<<63
	last   uint64   // the last minimum
	filled uint64   // bit r: ring r may have units
}

// radixRings is the number of rings of a radix. Their ends come first: nodes start here.
const radixRings = 64

func newRadix(nodes int) radix {
	return radix{rings: newRings(nodes, radixRings), keys: make([]uint64, nodes)}
}

// push enters a node that is not in the queue, under a key of at least the last minimum.
func (r *radix) push(n uint32, key uint64) {
	r.keys[n] = key
	ring := uint32(bits.Len64(key ^ r.last))
	r.filled |= 1 << ring
	r.pushBack(ring, n)
}

// least returns the first node with the smallest key, which becomes the last minimum. There
// must be one.
func (r *radix) least() uint32 {
	for {
		ring := uint32(bits.TrailingZeros64(r.filled))
		switch {
		case r.empty(ring):
			r.filled &^= 1 << ring
		case ring == 0:
			return r.front(0)
		default:
			r.spread(ring)
		}
	}
}

// spread takes the smallest key of a ring as the last minimum and its nodes to lower rings.
func (r *radix) spread(ring uint32) {
	least := ^uint64(0)
	for n := r.front(ring); n != ring; n = r.after(n) {
		least = min(least, r.keys[n])
	}
	r.last = least
	for !r.empty(ring) {
		n := r.front(ring)
		r.unlink(n)
		r.push(n, r.keys[n])
	}
}
