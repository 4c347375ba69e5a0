package baseline

// rings is a set of doubly linked lists over the same nodes; a node is in at most one of
// them. Each ring goes by the node that closes it, its end, so that no operation has to
// branch. The front of a ring is its oldest node, the back its newest. 8 bytes a node.
type rings []link

// link joins a node to its neighbours.
type link struct{ prev, next uint32 }

// newRings returns links for the nodes below n, the first of which are the ends of empty
// rings. The capacity beyond is for rings opened later.
func newRings(n, ends int) rings {
	const spare = 256
	r := make(rings, n, n+spare)
	for end := range uint32(ends) {
		r[end] = link{end, end}
	}
	return r
}

// open adds an empty ring and returns its end.
func (r *rings) open() uint32 {
	end := uint32(len(*r))
	*r = append(*r, link{end, end})
	return end
}

// front returns the oldest node, or the end of an empty ring.
func (r rings) front(end uint32) uint32 { return r[end].next }

func (r rings) empty(end uint32) bool { return r[end].next == end }

// after returns a node's neighbour towards the back, or the ring's end.
func (r rings) after(n uint32) uint32 { return r[n].next }

func (r rings) pushBack(end, n uint32) {
	back := r[end].prev
	r[n] = link{back, end}
	r[back].next = n
	r[end].prev = n
}

func (r rings) pushFront(end, n uint32) { r.pushBack(r[end].next, n) }

// unlink takes a node out of whichever ring it is in.
func (r rings) unlink(n uint32) {
	l := r[n]
	r[l.prev].next = l.next
	r[l.next].prev = l.prev
}
