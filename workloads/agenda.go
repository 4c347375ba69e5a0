package workloads

import "time"

// agenda holds the next page view of every session under way: a binary heap on time, ties in the
// order in which they were put in.
type agenda struct {
	heap []appointment
	puts uint64
}

type appointment struct {
	at      time.Duration
	order   uint64
	session session
}

func (a appointment) before(b appointment) bool {
	return a.at < b.at || a.at == b.at && a.order < b.order
}

// put adds a session's next view. O(log n).
func (a *agenda) put(at time.Duration, s session) {
	a.puts++
	item := appointment{at, a.puts, s}
	a.heap = append(a.heap, item)
	i := len(a.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !item.before(a.heap[parent]) {
			break
		}
		a.heap[i] = a.heap[parent]
		i = parent
	}
	a.heap[i] = item
}

// next returns when the earliest view is due; false if there is none.
func (a *agenda) next() (time.Duration, bool) {
	if len(a.heap) == 0 {
		return 0, false
	}
	return a.heap[0].at, true
}

// take removes the earliest view. O(log n).
func (a *agenda) take() appointment {
	first, n := a.heap[0], len(a.heap)-1
	item := a.heap[n]
	a.heap = a.heap[:n]
	i := 0
	for child := 1; child < n; child = 2*i + 1 {
		if child+1 < n && a.heap[child+1].before(a.heap[child]) {
			child++
		}
		if !a.heap[child].before(item) {
			break
		}
		a.heap[i] = a.heap[child]
		i = child
	}
	if n > 0 {
		a.heap[i] = item
	}
	return first
}
