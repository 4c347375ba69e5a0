package workloads

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

var errNotKeys = errors.New("a paginated trace; splice takes key traces")

func init() {
	params := []Param{
		{Name: "each", Default: "0", Doc: "requests taken of each source; 0 = all"},
		{Name: "ids", Default: "apart", Doc: "apart: a source's ids are its own; shared: as they are"},
	}
	for name := 'a'; name <= 'z'; name++ {
		params = append(params, Param{Name: string(name), Doc: "spec of a source, URL-escaped"})
	}
	registerKind(Kind{Name: "splice", Doc: "key traces one after the other, in the order of their letters", Params: params, New: newSplice})
}

// splice is the sources and how they are joined.
type splice struct {
	sources []*Source
	each    int
	apart   bool
}

// sourceBits is where the number of the source stands in a spliced id, the first being 0.
const sourceBits = 56

func newSplice(v Values) (iter.Seq2[Request, error], int64, error) {
	s := splice{each: v.Int("each", 0, math.MaxInt), apart: v.Text("ids") == "apart"}
	if !s.apart && v.Text("ids") != "shared" {
		v.fail("ids", "apart or shared")
	}
	for name := 'a'; name <= 'z'; name++ {
		text := v.Text(string(name))
		if text == "" {
			continue
		}
		source, err := Open(text)
		if err != nil {
			return nil, 0, fmt.Errorf("source %c: %w", name, err)
		}
		s.sources = append(s.sources, source)
	}
	if len(s.sources) == 0 {
		return nil, 0, fmt.Errorf("%w: splice needs sources: a=SPEC&b=SPEC", ErrParameter)
	}
	return s.requests, 0, v.Err()
}

// requests streams the sources. Ids of the k-th source (0-based) have k added in their highest
// byte, so they must be below 2^56; times go on from where the source before ended.
func (s splice) requests(yield func(Request, error) bool) {
	var start, last time.Duration
	for k, source := range s.sources {
		taken := 0
		for r, err := range source.Requests() {
			if s.each > 0 && taken == s.each {
				break
			}
			taken++
			if err == nil {
				err = s.join(&r, k)
			}
			if err != nil {
				yield(Request{}, &Error{Path: source.Name, Err: fmt.Errorf("source %d: %w", k+1, err)})
				return
			}
			r.Time += start
			last = r.Time
			if !yield(r, nil) {
				return
			}
		}
		start = last
	}
}

// join keeps the ids of the k-th source apart.
func (s splice) join(r *Request, k int) error {
	switch {
	case r.Paginated():
		return errNotKeys
	case !s.apart:
		return nil
	case r.ID>>sourceBits != 0:
		return fmt.Errorf("id %d is beyond 2^%d-1; say ids=shared", r.ID, sourceBits)
	}
	r.ID |= uint64(k) << sourceBits
	return nil
}
