package baseline

// segment numbers the queues a policy divides its units among, residents and ghosts alike.
// Policies name theirs 1, 2, …. The end of a segment's ring has the same number.
type segment = uint8

// nowhere is the segment of units a policy does not know. Its number is the node 0, which
// units are at that have none.
const nowhere segment = 0

// maxSegments bounds the segment numbers; a power of two.
const maxSegments = 8

// queues is what policies made of queues consist of: each unit known is a node in one
// segment, and each segment's weight is counted. 4 bytes an id and 13 a unit known, 4 more
// once sizes differ.
type queues struct {
	directory
	rings
	in   []segment // by node
	used [maxSegments]int64
}

// newQueues returns queues with the segments 1..n, all empty, for residents and the given
// weight of ghosts.
func newQueues(cfg Config, n int, ghosts int64) (queues, error) {
	d, err := newDirectory(cfg, n+1, ghosts)
	if err != nil {
		return queues{}, err
	}
	return queues{directory: d, rings: newRings(d.keys, n+1), in: make([]segment, d.keys)}, nil
}

// where returns the segment a unit is in.
func (q *queues) where(id uint32) segment { return q.in[q.at[id]] }

// push makes a node that is in no segment the newest of one.
func (q *queues) push(to segment, n uint32) {
	q.in[n] = to
	q.used[to%maxSegments] += q.size(n)
	q.pushBack(uint32(to), n)
}

// move makes a node the newest of another segment.
func (q *queues) move(to segment, n uint32) {
	q.used[q.in[n]%maxSegments] -= q.size(n)
	q.unlink(n)
	q.push(to, n)
}

// renew makes a node the newest of the segment it is in.
func (q *queues) renew(n uint32) {
	q.unlink(n)
	q.pushBack(uint32(q.in[n]), n)
}

// oldest returns the front of a segment, which must not be empty.
func (q *queues) oldest(of segment) uint32 { return q.front(uint32(of)) }

// none reports whether a segment is empty.
func (q *queues) none(of segment) bool { return q.empty(uint32(of)) }

// lose removes a node and all that is known of its unit.
func (q *queues) lose(n uint32) {
	q.used[q.in[n]%maxSegments] -= q.size(n)
	q.in[n] = nowhere
	q.unlink(n)
	q.forget(n)
}

// evict removes a resident without trace.
func (q *queues) evict(n uint32) {
	q.release(n)
	q.lose(n)
}

// demote removes a resident and remembers it in a ghost segment of at most room.
func (q *queues) demote(n uint32, ghost segment, room int64) {
	q.release(n)
	q.move(ghost, n)
	q.trim(ghost, room)
}

// trim forgets the oldest ghosts of a segment until it weighs at most room.
func (q *queues) trim(ghost segment, room int64) {
	for q.used[ghost] > room {
		q.lose(q.oldest(ghost))
	}
}

// store makes an unknown unit a resident and returns its node.
func (q *queues) store(to segment, id uint32, size int64) uint32 {
	n := q.enlist(id)
	q.admit(n, size)
	q.push(to, n)
	return n
}

// offer opens a Put. It settles what needs no policy and returns the room to make: 0 when
// the unit is refused, and removed where resident, or was resident and took its new size
// (which may leave Used above the capacity); otherwise its size, for a unit to be stored.
func (q *queues) offer(id uint32, size int64, resident bool) int64 {
	n := q.at[id]
	switch {
	case q.tooLarge(size):
		if resident {
			q.evict(n)
		}
		return 0
	case resident:
		q.used[q.in[n]] += q.resize(n, size)
		return 0
	}
	return size
}
