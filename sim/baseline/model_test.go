package baseline_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/sim/baseline"
)

// op is one step against a policy.
type op struct {
	kind opKind
	id   uint32
	size int64
}

type opKind uint8

const (
	request opKind = iota // Get, and Put on a miss
	getOnly               // the load fails
	putOnly               // a late load or a refresh
)

// script is a short random use of a cache.
type script struct {
	policy   string
	params   []string
	capacity int64
	ids      int
	ops      []op
}

// variants are the policies under test with the parameters that make a difference.
var variants = []struct {
	policy string
	params []string
}{
	{"fifo", nil}, {"lru", nil}, {"clock", nil}, {"sieve", nil}, {"lfu", nil}, {"gdsf", nil},
	{"2q", nil}, {"s3fifo", nil}, {"arc", nil}, {"lecar", nil}, {"wtinylfu", nil},
	{"wtinylfu", []string{"window=adaptive"}}, {"opt", nil}, {"opt", []string{"bypass=on"}},
}

// decode reads a script from arbitrary bytes: variant, capacity, ids, sizes, then two bytes
// an operation.
func decode(data []byte) (script, bool) {
	const header = 4
	if len(data) < header+2 {
		return script{}, false
	}
	v := variants[int(data[0])%len(variants)]
	s := script{policy: v.policy, params: v.params}
	s.capacity = int64(data[1]%16) + 1
	s.ids = int(data[2]%40) + 1
	sizes := 1 + int64(data[3]%2)*4 // object mode, or bytes 1..5
	for rest := data[header:]; len(rest) >= 2; rest = rest[2:] {
		o := op{id: uint32(rest[0]) % uint32(s.ids), size: 1 + int64(rest[1]>>4)%sizes}
		switch rest[1] & 15 {
		case 0:
			o.kind = getOnly
		case 1, 2:
			o.kind = putOnly
		}
		s.ops = append(s.ops, o)
	}
	return s, true
}

// next computes Config.Next over the Gets of a script.
func (s script) next() []uint32 {
	gets := []uint32{}
	for _, o := range s.ops {
		if o.kind != putOnly {
			gets = append(gets, o.id)
		}
	}
	return nextUse(gets, s.ids)
}

// config returns what the policy of a script is built for.
func (s script) config() baseline.Config {
	return baseline.Config{Capacity: s.capacity, IDs: s.ids, Seed: 7, Next: s.next()}
}

// cache is what references and policies have in common.
type cache interface {
	Get(uint32) bool
	Put(uint32, int64)
	Usage() baseline.Usage
}

// step applies an operation and reports whether its Get hit.
func (o op) step(c cache) bool {
	hit := o.kind != putOnly && c.Get(o.id)
	if o.kind == putOnly || (o.kind == request && !hit) {
		c.Put(o.id, o.size)
	}
	return hit
}

// compare runs a script against the policy and its reference, step by step.
func (s script) compare(t *testing.T) {
	t.Helper()
	cfg := s.config()
	cfg.Params = complete(t, s.policy, s.params)
	fast, slow := build(t, s.policy, cfg, s.params...), references[s.policy](cfg)
	for i, o := range s.ops {
		got, want := o.step(fast), o.step(slow)
		if got != want {
			t.Fatalf("%s%v of %d: step %d %+v: hit %v, want %v", s.policy, s.params, s.capacity, i, o, got, want)
		}
		if d := cmp.Diff(slow.Usage(), fast.Usage()); d != "" {
			t.Fatalf("%s%v of %d: step %d %+v: usage (-want +got)\n%s", s.policy, s.params, s.capacity, i, o, d)
		}
	}
}

// randomScript returns the bytes of a script of a variant.
func randomScript(r *rand.Rand, variant int) []byte {
	data := make([]byte, 4+2*r.IntN(600))
	for i := range data {
		data[i] = byte(r.UintN(256))
	}
	loop := byte(r.IntN(40)) + 1
	phase := r.IntN(600) + 1
	for i := 4; i < len(data); i += 2 {
		switch {
		case i/phase%2 == 1:
			data[i] = byte(i/2) % loop // a loop,
		case r.IntN(3) > 0:
			data[i] %= 12 // or units some of which are asked for more often
		}
	}
	data[0] = byte(variant)
	return data
}

// seed returns the seed from the environment, or a new one, and prints it.
func seed(t *testing.T) uint64 {
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d repeats this run", n)
	return n
}

func TestPoliciesFollowTheirReferences(t *testing.T) {
	start := seed(t)
	for v, variant := range variants {
		t.Run(fmt.Sprint(variant.policy, variant.params), func(t *testing.T) {
			r := rand.New(rand.NewPCG(start, uint64(v)))
			for range 400 {
				if s, ok := decode(randomScript(r, v)); ok {
					s.compare(t)
				}
			}
		})
	}
}

// phases returns a script that changes between loops, skewed requests and a drift over the
// ids: long enough for what learns to settle.
func phases(r *rand.Rand, variant int, capacity int64) script {
	v := variants[variant]
	s := script{policy: v.policy, params: v.params, capacity: capacity, ids: 3 * int(capacity)}
	for len(s.ops) < 20_000 {
		kind, span := r.IntN(3), 1+r.IntN(s.ids)
		skewed := newZipf(r, s.ids, r.Float64()*1.5)
		for i := range r.IntN(4000) {
			id := []int{i % span, int(skewed.draw() - 1), (i/4 + r.IntN(span)) % s.ids}[kind]
			s.ops = append(s.ops, op{request, uint32(id), 1})
		}
	}
	return s
}

func TestPoliciesFollowTheirReferencesForLong(t *testing.T) {
	start := seed(t)
	for v, variant := range variants {
		t.Run(fmt.Sprint(variant.policy, variant.params), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(start, uint64(v)))
			for _, capacity := range []int64{11, 32} {
				phases(r, v, capacity).compare(t)
			}
		})
	}
}

// Interesting inputs do not shrink to the same coverage, as references walk over maps: run it
// with -fuzzminimizetime 10x.
func FuzzPoliciesFollowTheirReferences(f *testing.F) {
	for v := range variants {
		f.Add(randomScript(rand.New(rand.NewPCG(1, uint64(v))), v))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, ok := decode(data); ok {
			s.compare(t)
		}
	})
}
