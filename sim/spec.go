package sim

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/foliocache/folio/arena"
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
}

// Info returns every policy that [ParsePolicy] knows, folio first.
func Info() []baseline.Info { return append([]baseline.Info{folioInfo()}, baseline.All()...) }

func folioInfo() baseline.Info {
	return baseline.Info{Name: "folio", Kind: "exact", Doc: "the arena: four admission strategies and an arbiter (this project)", Params: []baseline.Param{
		{Name: "strategy", Default: "", Doc: "one strategy rules alone: " + strings.Join(strategy.Names(), ", ")},
		{Name: "arbiter", Default: "hedge", Doc: "who chooses the ruling strategy: " + strings.Join(arena.Arbiters(), ", ")},
		{Name: "geometry", Default: "auto", Doc: "plain, or fastcache as it is laid out in memory; auto: fastcache for bytes"},
		{Name: "exact", Default: strconv.Itoa(arena.DefaultExact), Doc: "shadows see every feed up to so many entries, a sample of half to all of that above"},
	}}
}

// ParsePolicy reads NAME[:k=v,…]. Unknown names and parameters are errors that offer the
// nearest known ones.
func ParsePolicy(text string) (Policy, error) {
	name, rest, _ := strings.Cut(text, ":")
	p := Policy{Text: text, Name: name, Params: baseline.Params{}}
	info := folioInfo()
	if name != info.Name {
		b, ok := baseline.Lookup(name)
		if !ok {
			return p, fmt.Errorf("%w: no policy %q; did you mean %s?", ErrConfig, name, strings.Join(nearest(name, policyNames()), " or "))
		}
		info, p.info = b, &b
	}
	for _, d := range info.Params {
		p.Params[d.Name] = d.Default
	}
	if rest == "" {
		return p, nil
	}
	for kv := range strings.SplitSeq(rest, ",") {
		k, v, ok := strings.Cut(kv, "=")
		if _, known := p.Params[k]; !ok || !known {
			return p, fmt.Errorf("%w: policy %q: no parameter %q; it takes %s", ErrConfig, text, k, paramNames(info))
		}
		p.Params[k] = v
	}
	return p, nil
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
	if n, ok := strings.CutSuffix(number, "%"); ok {
		number, factor, s.share = n, .01, true
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return s, fmt.Errorf("%w: cache size %q: want objects (1000), bytes (64MiB) or a share (5%%, 5%%B)", ErrConfig, text)
	}
	if s.n = n * factor; s.n <= 0 || !s.share && !s.Bytes && s.n != math.Trunc(s.n) {
		return s, fmt.Errorf("%w: cache size %q: must be greater than 0 and whole", ErrConfig, text)
	}
	return s, nil
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

// nearest returns the one to three names closest to a misspelt one.
func nearest(name string, known []string) []string {
	best, least := []string{}, 1<<30
	for _, k := range known {
		switch d := distance(name, k); {
		case d < least:
			best, least = []string{k}, d
		case d == least && len(best) < 3:
			best = append(best, k)
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
