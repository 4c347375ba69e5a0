package workloads

import (
	"io"
	"iter"
	"math"
	"strconv"
	"strings"
)

func init() {
	registerKind(Kind{
		Name: "extents",
		Doc:  "an ARC trace, unexpanded, as offset/limit range reads",
		Params: []Param{
			{Name: "path", Doc: "of the ARC trace (.lis, may be compressed), URL-escaped", Required: true},
			{Name: "stretch", Default: "65536", Doc: "blocks of an object"},
			{Name: "object", Default: "variant", Doc: "where its number stands: variant (one feed) or scope (a feed each)"},
		},
		New: newExtents,
	})
}

// extentConfig is how blocks become pages.
//
// The address space is cut into objects of stretch blocks. A line `first count …` is a read of
// list "blocks", scope public, variant "object=N" with N = ⌊first/stretch⌋, offset = first mod
// stretch and limit = rows = count; page = ⌊offset/limit⌋ + 1, so that a scan in steps of its own
// size counts 1, 2, 3 …. An extent that crosses the end of an object is one read in each object it
// touches, so every block has one name. Sizes, loads and times are unknown. With object=scope the
// number stands in the scope instead, "object:N", and the variant is empty: then invalidation
// and sampling by feed see many feeds, not one.
type extentConfig struct {
	path    string
	stretch uint64
	scoped  bool
	names   map[uint64]string
}

func newExtents(v Values) (iter.Seq2[Request, error], int64, error) {
	c := extentConfig{path: v.Text("path"), stretch: uint64(v.Int("stretch", 1, math.MaxUint32))}
	switch v.Text("object") {
	case "variant":
	case "scope":
		c.scoped = true
	default:
		v.fail("object", "variant or scope")
	}
	if err := v.Err(); err != nil {
		return nil, 0, err
	}
	s := spec{path: strings.TrimPrefix(c.path, "arc:"), format: "arc"}
	if _, err := s.open(); err != nil {
		return nil, 0, s.place(err)
	}
	f := Format{Name: s.format, Text: true, Sniff: sniffARC, Read: c.read}
	f.Read = guard(f)
	return s.read(f, Options{}, &Source{}), 0, nil
}

func (c extentConfig) read(r io.Reader, _ Options) iter.Seq2[Request, error] {
	c.names = map[uint64]string{}
	return func(yield func(Request, error) bool) {
		for e, err := range readExtents(r) {
			if err != nil {
				yield(Request{}, err)
				return
			}
			for e.count > 0 {
				part := min(e.count, c.stretch-e.first%c.stretch)
				if !yield(c.request(e.first, part), nil) {
					return
				}
				e.first, e.count = e.first+part, e.count-part
			}
		}
	}
}

// request is a read of count blocks within one object.
func (c extentConfig) request(first, count uint64) Request {
	r := Request{
		List: "blocks", Scope: publicScope,
		Offset: uint32(first % c.stretch), Limit: uint32(count), Rows: uint32(count),
	}
	r.Page = r.Offset/r.Limit + 1
	if name := c.name(first / c.stretch); c.scoped {
		r.Scope = name
	} else {
		r.Variant = name
	}
	return r
}

func (c extentConfig) name(object uint64) string {
	name, ok := c.names[object]
	if !ok {
		prefix := "object="
		if c.scoped {
			prefix = "object:"
		}
		name = prefix + strconv.FormatUint(object, 10)
		c.names[object] = name
	}
	return name
}
