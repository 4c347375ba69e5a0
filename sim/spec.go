package sim

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/nearest"
	"github.com/foliocache/folio/sim/baseline"
	"github.com/foliocache/folio/strategy"
)

// ErrConfig is wrapped by every error about a policy or a size that cannot be.
var ErrConfig = errors.New("invalid configuration")

// Policy is a parsed policy argument, NAME[:k=v,…].
type Policy struct {
	Text   string // as given
	Name   string
	Params baseline.Params // complete with defaults
	info   *baseline.Info  // nil: folio
	widen  int             // further pages that a load brings, 0..MaxWiden
}

// Info returns every policy that [ParsePolicy] knows, folio first.
func Info() []baseline.Info {
	all := []baseline.Info{folioInfo()}
	for _, b := range baseline.All() {
		all = append(all, rivalInfo(b))
	}
	return all
}

// Widen is the parameter that every baseline takes beside its own.
var Widen = baseline.Param{Name: "widen", Default: "0", Doc: "further pages of its list that a load brings along, on offset lists"}

func rivalInfo(b baseline.Info) baseline.Info {
	b.Params = append(slices.Clone(b.Params), Widen)
	return b
}

func folioInfo() baseline.Info {
	return baseline.Info{Name: "folio", Kind: "exact", Doc: "the arena: four admission strategies and an arbiter (this project)", Params: append([]baseline.Param{
		{Name: "strategy", Default: "", Doc: "one strategy rules alone: " + strings.Join(strategy.Names(), ", ")},
		{Name: "arbiter", Default: "hedge", Doc: "who chooses the ruling strategy: " + strings.Join(arena.Arbiters(), ", ")},
		{Name: "geometry", Default: "auto", Doc: "plain, or fastcache as it is laid out in memory; auto: fastcache for 96 MiB and more, else plain, as with OnHeap"},
		{Name: "entries", Default: "0", Doc: "how many entries it may hold beside its size, outdated ones included; 0: as many as fit"},
		{Name: "mean", Default: "0", Doc: "bytes that an entry takes on average, for sizes in bytes: 3/5 of the live MeanBytes; 0: those of the trace"},
		{Name: "cost", Default: "load", Doc: "what strategies save: the time of a load, or none: loads are alike, as to the live cache"},
		{Name: "invalidate", Default: "group", Doc: "what a write outdates: group, all pages of its feed; first, the first page of each query, as code that deletes the keys it knows"},
		{Name: "exact", Default: strconv.Itoa(arena.DefaultExact), Doc: "shadows see every feed up to so many entries, a sample of half to all of that above"},
		{Name: Widen.Name, Default: learned, Doc: "further pages that a load brings along, on offset lists, at most " + strconv.Itoa(core.MostAhead) + "; learned: as many as pay"},
	}, freshParams...)}
}

// ParsePolicy reads NAME[:k=v,…]. Unknown names and parameters are errors that offer the
// nearest known ones; values are tried on a cache of a few units.
func ParsePolicy(text string) (Policy, error) {
	name, rest, _ := strings.Cut(text, ":")
	p := Policy{Text: text, Name: name}
	info := folioInfo()
	if name != info.Name {
		b, ok := baseline.Lookup(name)
		if !ok {
			return p, fmt.Errorf("%w: no policy %q%s", ErrConfig, name, nearest.Hint(name, policyNames()))
		}
		info, p.info = rivalInfo(b), &b
	}
	given, err := parseParams(rest)
	if err == nil {
		p.Params, err = info.Complete(given)
	}
	if err != nil {
		return p, fmt.Errorf("%w: policy %q: %w; it takes %s", ErrConfig, text, err, paramNames(info))
	}
	most := MaxWiden
	if p.info == nil {
		most = core.MostAhead
	}
	switch p.widen, err = strconv.Atoi(p.Params[Widen.Name]); {
	case p.info == nil && p.Params[Widen.Name] == learned:
		p.widen = core.MostAhead
	case err != nil || p.widen < 0 || p.widen > most:
		return p, fmt.Errorf("%w: policy %q: widen: want 0 to %d further pages", ErrConfig, text, most)
	}
	return p, p.try()
}

// learned is folio's way to widen a load.
const learned = "learned"

// parseParams reads k=v,….
func parseParams(text string) (baseline.Params, error) {
	given := baseline.Params{}
	if text == "" {
		return given, nil
	}
	for kv := range strings.SplitSeq(text, ",") {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not name=value", kv)
		}
		if _, twice := given[k]; twice {
			return nil, fmt.Errorf("%s is given twice", k)
		}
		given[k] = v
	}
	return given, nil
}

// try builds the policy for a trace of a few units, so that a bad value is found before a long
// trace is read.
func (p Policy) try() error {
	const units, bytes = 64, arena.MinFastcache
	t := &Trace{units: units, feedCount: units, ids: []uint32{0}, times: []uint32{0}, sizes: []uint32{1 << 20}, reads: 1,
		places: make([]place, units), queries: make([]query, 1)}
	size := Size{Text: "64", n: units}
	if p.Params["geometry"] == "fastcache" {
		size = Size{Text: "96MiB", Bytes: true, n: bytes}
	}
	return Job{Trace: t, Policy: p, Size: size, Seed: 1}.Check()
}

func policyNames() []string {
	var names []string
	for _, i := range Info() {
		names = append(names, i.Name)
	}
	return names
}

func paramNames(i baseline.Info) string {
	if len(i.Params) == 0 {
		return "none"
	}
	var names []string
	for _, p := range i.Params {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// Size is a parsed cache size: so many objects or bytes, or a share of the trace's.
type Size struct {
	Text  string
	Bytes bool
	n     float64
	share bool
}

var byteUnits = []struct {
	suffix string
	factor float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// Share reports whether the size is a part of a trace.
func (s Size) Share() bool { return s.share }

// maxSize bounds cache sizes, in objects or bytes, and shares of a trace.
const maxSize = 1 << 50

// decimal is how a size is written: no sign, no hexadecimal, no thousands separators.
var decimal = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(e[0-9]+)?$`)

// ParseSize reads 1000 (objects), 64MiB (bytes), 5% (of the distinct units, in objects) or
// 5%B (of the distinct units' bytes).
func ParseSize(text string) (Size, error) {
	s := Size{Text: text}
	number, factor := text, 1.0
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(text, u.suffix); ok {
			number, factor, s.Bytes = n, u.factor, true
			break
		}
	}
	if n, ok := strings.CutSuffix(number, "%"); ok && factor == 1 {
		number, factor, s.share = n, .01, true
	}
	n, err := strconv.ParseFloat(number, 64)
	if unsigned := strings.TrimPrefix(number, "-"); err != nil || !decimal.MatchString(unsigned) {
		return s, fmt.Errorf("%w: cache size %q: want objects (1000), bytes (64MiB) or a share (5%%, 5%%B)", ErrConfig, text)
	}
	if s.n = n * factor; s.n <= 0 || s.n > maxSize {
		return s, fmt.Errorf("%w: cache size %q: must be greater than 0 and at most 2^50", ErrConfig, text)
	}
	if !s.share && !s.Bytes && s.n != math.Trunc(s.n) || s.Bytes && !s.share && s.n < 1 {
		return s, fmt.Errorf("%w: cache size %q: must be a whole number", ErrConfig, text)
	}
	return s, nil
}

// ByteCount returns a size that is an absolute number of bytes; ok is false for any other.
func (s Size) ByteCount() (n int64, ok bool) { return int64(s.n), s.Bytes && !s.share }

// Scaled returns the size for a sample that holds such a share of a trace. Shares of the
// trace's units or bytes stay as they are: they become shares of the sample's.
func (s Size) Scaled(share float64) Size {
	if !s.share {
		s.n *= share
	}
	return s
}

// Times returns the size so many times.
func (s Size) Times(factor float64) Size {
	s.n *= factor
	return s
}

// Resolve returns the size in objects or bytes for a trace.
func (s Size) Resolve(t *Trace) (int64, error) {
	if s.Bytes && t.sizes == nil {
		return 0, fmt.Errorf("%w: cache size %s is in bytes, but %s has no sizes", ErrConfig, s.Text, t.Name)
	}
	n := s.n
	if s.share && s.Bytes {
		n *= float64(t.Bytes())
	} else if s.share {
		n *= float64(t.Units())
	}
	return max(1, int64(math.Round(n))), nil
}
