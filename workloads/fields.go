package workloads

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
)

// field is one column of a csv trace, or one member of a jsonl object.
type field struct {
	name  string
	text  bool // jsonl writes it as a string
	keys  bool // sinks write it in key traces
	pages bool // sinks write it in paginated traces
	read  func(r *row, text []byte) error
	write func(to []byte, r *Request) []byte // nil: only read, another field is written
}

// row is a request being read field by field.
type row struct {
	Request
	given fieldSet
	names *intern
}

// fieldSet has a bit for each of fields, by its index.
type fieldSet uint32

// The fields that row.end asks for.
var (
	timeSFields  = setOf("time_s")
	timeMSFields = setOf("time_ms")
	keyFields    = setOf("id") | setOf("key")
	listFields   = setOf("list")
	scopeFields  = setOf("scope")
	limitFields  = setOf("limit")
	pageFields   = setOf("page")
	placeFields  = setOf("offset") | setOf("cursor")
)

func setOf(name string) fieldSet {
	for i := range fields {
		if fields[i].name == name {
			return 1 << i
		}
	}
	panic("workloads: no field " + name)
}

// has reports whether any of some is in the set.
func (s fieldSet) has(some fieldSet) bool { return s&some != 0 }

// fields are all there are, in the order in which sinks write them. An empty value is one that
// is not given.
var fields = []field{
	{"time_s", false, true, true, readTime(time.Second), func(to []byte, r *Request) []byte { return appendDuration(to, r.Time, time.Second) }},
	{"time_ms", false, false, false, readTime(time.Millisecond), nil},
	{"op", true, true, true, func(r *row, text []byte) (err error) { r.Op, err = opNamed(text); return }, func(to []byte, r *Request) []byte { return append(to, r.Op.String()...) }},
	{"id", false, true, false, func(r *row, text []byte) (err error) { r.ID, err = parseUint(text); return }, func(to []byte, r *Request) []byte { return strconv.AppendUint(to, r.ID, 10) }},
	{"key", true, false, false, func(r *row, text []byte) error { r.ID = xxhash.Sum64(text); return nil }, nil},
	stringField("list", func(r *Request) *string { return &r.List }),
	stringField("scope", func(r *Request) *string { return &r.Scope }),
	stringField("variant", func(r *Request) *string { return &r.Variant }),
	numberField("offset", false, func(r *Request) *uint32 { return &r.Offset }),
	numberField("limit", false, func(r *Request) *uint32 { return &r.Limit }),
	stringField("cursor", func(r *Request) *string { return &r.Cursor }),
	numberField("page", false, func(r *Request) *uint32 { return &r.Page }),
	numberField("rows", false, func(r *Request) *uint32 { return &r.Rows }),
	{"total", false, false, true, func(r *row, text []byte) (err error) { r.Total, err = parseBool(text); return }, func(to []byte, r *Request) []byte { return strconv.AppendBool(to, r.Total) }},
	numberField("size", true, func(r *Request) *uint32 { return &r.Size }),
	{"load_ms", false, true, true, func(r *row, text []byte) (err error) { r.Load, err = parseDuration(text, time.Millisecond); return }, func(to []byte, r *Request) []byte { return appendDuration(to, r.Load, time.Millisecond) }},
	numberField("position", false, func(r *Request) *uint32 { return &r.Position }),
}

func readTime(unit time.Duration) func(*row, []byte) error {
	return func(r *row, text []byte) (err error) {
		r.Time, err = parseDuration(text, unit)
		return err
	}
}

func stringField(name string, at func(*Request) *string) field {
	return field{name, true, false, true,
		func(r *row, text []byte) error { *at(&r.Request) = r.names.text(text); return nil },
		func(to []byte, r *Request) []byte { return append(to, *at(r)...) }}
}

func numberField(name string, keys bool, at func(*Request) *uint32) field {
	return field{name, false, keys, true,
		func(r *row, text []byte) (err error) { *at(&r.Request), err = parseUint32(text); return err },
		func(to []byte, r *Request) []byte { return strconv.AppendUint(to, uint64(*at(r)), 10) }}
}

func parseBool(text []byte) (bool, error) {
	b, err := strconv.ParseBool(string(text))
	if err != nil {
		return false, fmt.Errorf("%s is neither true nor false", clip(text))
	}
	return b, nil
}

// fieldNamed returns the index of the field of that name, or offers the nearest.
func fieldNamed(name []byte) (int, error) {
	for i := range fields {
		if fields[i].name == string(name) {
			return i, nil
		}
	}
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	return 0, fmt.Errorf("unknown field %s%s", clip(name), didYouMean(string(name), names))
}

func newRow() *row { return &row{names: newIntern()} }

// begin forgets the request before.
func (r *row) begin() {
	r.Request, r.given = Request{}, 0
}

// set reads the field of that index. An empty text is none, but for the scope: one that is left
// empty is not the public one.
func (r *row) set(index int, text []byte) error {
	f, bit := &fields[index], fieldSet(1)<<index
	if len(text) == 0 && bit != scopeFields {
		return nil
	}
	if r.given.has(bit) {
		return fmt.Errorf("%s stands twice", f.name)
	}
	r.given |= bit
	if err := f.read(r, text); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return nil
}

// end fills in what was not given and checks the whole. last is the time of the request before.
func (r *row) end(last time.Duration) error {
	switch {
	case bits.OnesCount32(uint32(r.given&(keyFields|listFields))) != 1:
		return errors.New("a request has exactly one of id, key and list")
	case r.given.has(timeSFields) && r.given.has(timeMSFields):
		return errors.New("a request has time_s or time_ms, not both")
	case r.Time < last:
		return fmt.Errorf("the time falls from %v to %v", last, r.Time)
	}
	if r.List != "" {
		if err := r.complete(); err != nil {
			return err
		}
	}
	return r.check()
}

// complete fills in the defaults of paginated traces: scope public and, for reads, limit 20,
// and each of page and offset from the other.
func (r *row) complete() error {
	if !r.given.has(scopeFields) {
		r.Scope = publicScope
	}
	if r.Op != Read {
		return nil
	}
	if !r.given.has(limitFields) {
		r.Limit = pagesLimit
	}
	if r.Limit == 0 {
		return errors.New("the limit is 0")
	}
	switch {
	case !r.given.has(pageFields):
		r.Page = r.Offset/r.Limit + 1
	case !r.given.has(placeFields) && r.Page > 0:
		offset := uint64(r.Page-1) * uint64(r.Limit)
		if offset > math.MaxUint32 {
			return fmt.Errorf("page %d begins beyond row 2^32-1", r.Page)
		}
		r.Offset = uint32(offset)
	}
	return nil
}

// intern keeps one copy of every text that recurs. It forgets all when it holds a million.
type intern struct{ known map[string]string }

func newIntern() *intern { return &intern{known: map[string]string{}} }

func (n *intern) text(b []byte) string {
	if s, ok := n.known[string(b)]; ok {
		return s
	}
	if len(n.known) >= 1<<20 {
		clear(n.known)
	}
	s := string(b)
	n.known[s] = s
	return s
}
