// Package record writes what a cache is asked for as a trace that simulate replays.
//
// A [Recorder] is told by the cache's Config.Observe. It keeps the pages of lists and the writes to their scopes:
// when, which, how deep, how large, how many rows, and what their loads took. Of whom is not in it: scopes, filters,
// sorts and cursors are hashes; names of lists are as they are. Totals, plain keys and tags of other things
// than scopes are left out, and counted.
package record

import (
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/workloads"
)

// Recorder is told of events, and writes those of a sample of scopes while a recording is on. The zero value is
// ready. Safe for concurrent use: Observe costs some nanoseconds while nothing is recorded, or of what is not in the
// sample; else it hands the event on to a goroutine, together with others, and drops it where that cannot keep up.
type Recorder struct {
	recording atomic.Pointer[recording]
}

// Summary says what is in a recording.
type Summary struct {
	Reads, Writes int64
	LeftOut       int64 // events of the sample that a trace has no room for: totals, plain keys, other tags
	Dropped       int64 // requests that came faster than they could be written
}

// recording is one trace being written.
type recording struct {
	oneIn   uint64
	began   time.Time
	salt    uint64
	batches chan []event
	done    chan struct{}
	out     *workloads.Writer
	last    time.Duration
	loads   map[string]time.Duration // what a load of each list takes, lately
	summary Summary
	leftOut atomic.Int64
	err     error

	mu      sync.Mutex
	batch   []event // that is not handed on yet
	over    bool
	dropped int64
}

// event is what is handed on of one, and when it began.
type event struct {
	folio.Event
	at time.Duration
}

// ErrState reports a Start while a recording is on, or a Stop while none is.
var ErrState = errors.New("record: wrong time")

const (
	batch = 256 // events are handed on together: to wake who writes them costs more than a read
	queue = 16  // batches may wait to be written
)

// Start begins a recording of one scope in so many, 1 for all, to w in the folio format. Errors: [ErrState].
func (r *Recorder) Start(w io.Writer, oneIn int) error {
	n := &recording{oneIn: uint64(max(1, oneIn)), began: time.Now(), salt: rand.Uint64(), batches: make(chan []event, queue), done: make(chan struct{}),
		loads: map[string]time.Duration{}}
	if !r.recording.CompareAndSwap(nil, n) {
		return ErrState
	}
	n.out = workloads.NewWriter(w) // it writes at once
	go n.run()
	return nil
}

// Stop ends the recording, writes what is left of it, and returns what is in it. Errors: [ErrState], and those of
// writing.
func (r *Recorder) Stop() (Summary, error) {
	n := r.recording.Swap(nil)
	if n == nil {
		return Summary{}, ErrState
	}
	n.mu.Lock()
	n.over = true
	n.mu.Unlock()
	n.batches <- n.batch
	close(n.batches)
	<-n.done
	n.summary.LeftOut, n.summary.Dropped = n.leftOut.Load(), n.dropped
	return n.summary, n.err
}

// Observe is what Config.Observe is to be, or to call.
func (r *Recorder) Observe(e folio.Event) {
	n := r.recording.Load()
	if n == nil {
		return
	}
	switch e.Op {
	case folio.Read:
		if e.Feed%n.oneIn == 0 {
			n.handOn(e, e.Took)
		}
	case folio.Invalidate:
		if len(e.Hashes) == 0 { // everything
			n.leftOut.Add(1)
		}
		for i, hash := range e.Hashes {
			if hash%n.oneIn == 0 {
				one := e
				one.Tags, one.Hashes = e.Tags[i:i+1], e.Hashes[i:i+1]
				n.handOn(one, 0)
			}
		}
	}
}

func (n *recording) handOn(e folio.Event, took time.Duration) {
	at := time.Since(n.began) - took
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return
	}
	if n.batch = append(n.batch, event{e, at}); len(n.batch) < batch {
		return
	}
	select {
	case n.batches <- n.batch:
		n.batch = make([]event, 0, batch)
	default:
		n.dropped += int64(len(n.batch))
		n.batch = n.batch[:0]
	}
}

// run writes what is handed on.
func (n *recording) run() {
	defer close(n.done)
	for events := range n.batches {
		for i := range events {
			n.write(&events[i])
		}
	}
	n.err = errors.Join(n.err, n.out.Close())
}

func (n *recording) write(e *event) {
	q, ok := n.request(e)
	switch {
	case !ok:
		n.leftOut.Add(1)
		return
	case n.err != nil:
		return
	}
	q.Time = max(n.last, e.at) // reads end in another order than they begin
	n.last = q.Time
	if n.err = n.out.Write(q); n.err == nil && q.Op == workloads.Read {
		n.summary.Reads++
	} else if n.err == nil {
		n.summary.Writes++
	}
}

// request makes an event a request, if it is one of a page or of a scope.
func (n *recording) request(e *event) (q workloads.Request, ok bool) {
	if e.Op == folio.Invalidate {
		list, _, ok := strings.Cut(string(e.Tags[0]), ":")
		if _, known := n.loads[list]; !ok || !known {
			return q, false
		}
		return workloads.Request{Op: workloads.Invalidate, List: list, Scope: n.scope(e.Hashes[0])}, true
	}
	if e.List == "" || e.Err != nil {
		return q, false
	}
	q = workloads.Request{Op: workloads.Read, ID: e.Unit, List: e.List, Scope: n.scope(e.Feed), Rows: uint32(e.Rows), Size: uint32(e.Stored)}
	if !n.place(e.Key, &q) {
		return q, false
	}
	if _, known := n.loads[e.List]; e.Source == folio.Miss || !known {
		n.loads[e.List] = e.Took
	}
	q.Load = max(n.loads[e.List], time.Microsecond)
	return q, true
}

// scope is what a recording calls a scope: who knows the cache's seed does not know it.
func (n *recording) scope(feed uint64) string { return n.hashed(strconv.FormatUint(feed, 16)) }

// place reads from a page's canonical key where it begins, how many rows it has, and whether it is of the same query as
// others; keys of totals are none.
func (n *recording) place(key string, q *workloads.Request) bool {
	at := strings.LastIndex(key, ":limit=")
	if at < 0 {
		return false
	}
	before, after := key[:at], key[at+len(":limit="):]
	limit, rest, _ := strings.Cut(after, ":")
	number, err := strconv.ParseUint(limit, 10, 32)
	if err != nil || number == 0 {
		return false
	}
	q.Limit, q.Page = uint32(number), 1
	if i := strings.LastIndex(before, ":cursor="); i >= 0 {
		q.Cursor, q.Page = n.hashed(before[i:]), 3 // nobody knows how deep it is
		before = before[:i]
	} else if i := strings.LastIndex(before, ":offset="); i >= 0 {
		offset, err := strconv.ParseUint(before[i+len(":offset="):], 10, 32)
		if err != nil {
			return false
		}
		q.Offset = uint32(offset)
		q.Page, before = q.Offset/q.Limit+1, before[:i]
	} else {
		return false
	}
	q.Variant = n.hashed(before + ":" + rest) // an audience is part of it
	return true
}

// hashed is a text's hash under the recording's salt.
func (n *recording) hashed(text string) string {
	d := xxhash.NewWithSeed(n.salt)
	_, _ = d.WriteString(text) // a hash returns no error
	return hex.EncodeToString(d.Sum(nil))
}
