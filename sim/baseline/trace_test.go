package baseline_test

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/foliocache/folio/sim/baseline"
)

// trace is a request stream over dense ids in the order of first appearance.
type trace struct {
	ids    []uint32
	unique int
	next   []uint32
}

// newTrace renumbers raw ids.
func newTrace(raw []uint64) trace {
	t := trace{ids: make([]uint32, len(raw))}
	dense := map[uint64]uint32{}
	for i, r := range raw {
		id, ok := dense[r]
		if !ok {
			id = uint32(len(dense))
			dense[r] = id
		}
		t.ids[i] = id
	}
	t.unique = len(dense)
	t.next = nextUse(t.ids, t.unique)
	return t
}

// nextUse computes Config.Next.
func nextUse(ids []uint32, unique int) []uint32 {
	next := make([]uint32, len(ids))
	upcoming := slices.Repeat([]uint32{baseline.NoNext}, unique)
	for i, id := range slices.Backward(ids) {
		next[i] = upcoming[id]
		upcoming[id] = uint32(i)
	}
	return next
}

// sha256 returns the digest of the ids as little-endian uint32.
func (t trace) sha256() string {
	h := sha256.New()
	w := bufio.NewWriter(h)
	for _, id := range t.ids {
		w.Write(binary.LittleEndian.AppendUint32(w.AvailableBuffer(), id))
	}
	w.Flush()
	return hex.EncodeToString(h.Sum(nil))
}

// zipf draws 1..m by the inverse of the cumulative distribution.
type zipf struct {
	r   *rand.Rand
	cdf []float64
}

func newZipf(r *rand.Rand, m int, alpha float64) zipf {
	cdf, sum := make([]float64, m), 0.0
	for i := range cdf {
		sum += math.Pow(float64(i+1), -alpha)
		cdf[i] = sum
	}
	return zipf{r, cdf}
}

func (z zipf) draw() uint64 {
	last := len(z.cdf) - 1
	return uint64(min(sort.SearchFloat64s(z.cdf, z.r.Float64()*z.cdf[last]), last)) + 1
}

// recipe says how a golden trace is generated, all with seed 1.
type recipe struct {
	kind  string
	n, m  int
	alpha float64
}

var recipes = map[string]recipe{
	"g-zipf07":   {"zipf", 200_000, 20_000, .7},
	"g-zipf09":   {"zipf", 200_000, 20_000, .9},
	"g-zipf11":   {"zipf", 200_000, 20_000, 1.1},
	"g-loop":     {"loop", 30_000, 1_500, .9},
	"g-mix":      {"mix", 200_000, 5_000, .9},
	"g-pages":    {"pages", 200_000, 5_000, .8},
	"zipf09_10m": {"zipf", 10_000_000, 1_000_000, .9},
}

func (c recipe) generate() trace {
	const scanStart = 1 << 32
	r := rand.New(rand.NewPCG(1, 0))
	z := newZipf(r, c.m, c.alpha)
	raw := make([]uint64, 0, c.n)
	scan := uint64(scanStart)
	for len(raw) < c.n {
		switch {
		case c.kind == "loop":
			raw = append(raw, uint64(len(raw)%c.m))
		case c.kind == "pages":
			list := z.draw()
			raw = append(raw, list*1000+1)
			for page := uint64(2); page < 1000 && len(raw) <= c.n && r.Float64() < 0.6; page++ {
				raw = append(raw, list*1000+page)
			}
		case c.kind == "mix" && r.Float64() >= 0.8:
			scan++
			raw = append(raw, scan)
		default:
			raw = append(raw, z.draw())
		}
	}
	return newTrace(raw[:c.n])
}

// readLis reads an ARC trace: lines "first count ignored request-number".
func readLis(path string) (trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return trace{}, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return trace{}, err
	}
	defer z.Close()
	raw, err := expandLis(z)
	return newTrace(raw), err
}

func expandLis(r io.Reader) ([]uint64, error) {
	var raw []uint64
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 4 {
			return nil, fmt.Errorf("line %q, want 4 fields", lines.Text())
		}
		first, err1 := strconv.ParseUint(fields[0], 10, 64)
		count, err2 := strconv.ParseUint(fields[1], 10, 64)
		if err := cmp.Or(err1, err2); err != nil {
			return nil, err
		}
		for k := range count {
			raw = append(raw, first+k)
		}
	}
	return raw, lines.Err()
}

// build makes a registered policy. The parameters given are "name=value".
func build(t testing.TB, name string, cfg baseline.Config, params ...string) baseline.Policy {
	t.Helper()
	cfg.Params = complete(t, name, params)
	info, _ := baseline.Lookup(name)
	p, err := info.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// complete returns all parameters of a policy, of which some are given.
func complete(t testing.TB, name string, given []string) baseline.Params {
	t.Helper()
	info, ok := baseline.Lookup(name)
	if !ok {
		t.Fatalf("no policy %q", name)
	}
	params := baseline.Params{}
	for _, p := range given {
		k, v, _ := strings.Cut(p, "=")
		params[k] = v
	}
	all, err := info.Complete(params)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// config returns what a policy needs for this trace in object mode.
func (t trace) config(capacity int64) baseline.Config {
	return baseline.Config{Capacity: capacity, IDs: t.unique, Seed: 1, Next: t.next}
}

// misses replays a trace with units of size 1.
func (t trace) misses(p baseline.Policy) int {
	n := 0
	for _, id := range t.ids {
		if !p.Get(id) {
			n++
			p.Put(id, 1)
		}
	}
	return n
}
