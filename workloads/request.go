package workloads

import (
	"errors"
	"fmt"
	"time"
)

// Op says what a request does to its feed.
type Op uint8

// The operations. Every operation but Read invalidates the request's feed (list + scope).
const (
	Read       Op = iota // asks for one page, or for one key of a key trace
	Insert               // adds a row at Position
	Update               // changes the row at Position in place
	Delete               // removes the row at Position
	Invalidate           // bumps the feed because a row of another feed changed
)

// Request is one line of a trace: a read of one page, or a write to one feed.
//
// A key trace has only IDs: List is empty and every id is its own feed. In a paginated
// trace List and Scope name the feed, Variant the canonical filter and sort, and the page
// is the row range [Offset, Offset+Limit), or the Limit rows from Cursor on.
type Request struct {
	Time time.Duration // since the trace's start; never decreases within a trace; 0 throughout where the trace has no clock
	Op   Op

	ID uint64 // in a key trace the id; of a read of a page, a hash of what a cache knows it by, 0 = unknown

	List, Scope string // the feed; both empty in a key trace
	Variant     string // canonical filter and sort, without limit and page
	Offset      uint32 // rows before the page; 0 on keyset lists
	Limit       uint32 // rows asked for, >= 1 in a paginated trace
	Cursor      string // where a keyset page begins; empty on its first page and on offset lists
	Page        uint32 // depth of the page, 1 = first; 0 in a key trace
	Rows        uint32 // rows in the answer, at most Limit; less than Limit ends the list; 0 = unknown
	Total       bool   // the answer also carries the list's total count

	Size uint32        // bytes of the answer; 0 = unknown
	Load time.Duration // what the origin takes for it; 0 = unknown

	Position uint32 // writes only: index of the written row in the feed's default order
}

// Paginated reports whether the request belongs to a paginated trace, not to a key trace.
func (r Request) Paginated() bool { return r.List != "" }

// publicScope is the scope of feeds that everybody sees alike.
const publicScope = "public"

var opNames = [...]string{Read: "read", Insert: "insert", Update: "update", Delete: "delete", Invalidate: "invalidate"}

// String returns the operation's name as csv and jsonl traces write it.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// opNamed is the inverse of String.
func opNamed(name []byte) (Op, error) {
	for op, known := range opNames {
		if string(name) == known {
			return Op(op), nil
		}
	}
	return 0, fmt.Errorf("%s is no operation%s", clip(name), didYouMean(string(name), opNames[:]))
}

// check reports what contradicts the field comments of Request. Every reader that takes its
// fields one by one ends with it.
func (r *Request) check() error {
	switch {
	case int(r.Op) >= len(opNames):
		return fmt.Errorf("%v is no operation", r.Op)
	case r.Time < 0 || r.Load < 0:
		return errors.New("a time is negative")
	case r.Op == Read && r.Position != 0:
		return errors.New("a read has no position")
	case r.List == "":
		return r.checkKey()
	case r.Scope == "":
		return errors.New("the scope is empty: say public if everybody sees the same rows")
	case r.Op == Read:
		return r.checkPage()
	case r.ID != 0:
		return errors.New("a write to a list has no id")
	}
	return nil
}

func (r *Request) checkKey() error {
	bare := Request{Time: r.Time, Op: r.Op, ID: r.ID, Size: r.Size, Load: r.Load}
	if *r != bare {
		return errors.New("a request without a list has an id, size and load only")
	}
	return nil
}

func (r *Request) checkPage() error {
	switch {
	case r.Limit == 0:
		return errors.New("the limit is 0")
	case r.Page == 0:
		return errors.New("the page is 0; the first is 1")
	case r.Rows > r.Limit:
		return fmt.Errorf("%d rows are more than the limit of %d", r.Rows, r.Limit)
	case r.Cursor != "" && r.Offset != 0:
		return errors.New("a page has an offset or a cursor, not both")
	}
	return nil
}

// inOrder checks requests one after the other; sinks do, so that they write nothing that cannot be read.
type inOrder struct{ last time.Duration }

// admit is Request.check, and an error if time falls.
func (o *inOrder) admit(r *Request) error {
	if r.Time < o.last {
		return fmt.Errorf("the time falls from %v to %v", o.last, r.Time)
	}
	o.last = r.Time
	return r.check()
}
