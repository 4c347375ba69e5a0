package sim

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/foliocache/folio/workloads"
)

// Sample keeps one feed in so many, with all its pages and writes, chosen by hash: a smaller
// trace in which every feed that is left behaves as in the whole one. In a key trace every id
// is a feed. The zero value keeps everything.
//
// Source: Waldspurger et al., "Efficient MRC Construction with SHARDS" (FAST 2015), section 3.
// Differs from the paper: feeds are sampled, not keys, since a write concerns a feed.
type Sample struct {
	Text string // as given; empty: everything
	one  uint64 // feeds in so many
	salt string
}

// ParseSample reads 1/N[:SALT]. Samples of different salts are independent.
func ParseSample(text string) (Sample, error) {
	if text == "" {
		return Sample{}, nil
	}
	share, salt, _ := strings.Cut(text, ":")
	number, ok := strings.CutPrefix(share, "1/")
	n, err := strconv.ParseUint(number, 10, 32)
	if !ok || err != nil || n == 0 {
		return Sample{}, fmt.Errorf("%w: sample %q: want 1/64 or 1/64:salt", ErrConfig, text)
	}
	return Sample{Text: text, one: n, salt: salt}, nil
}

// Share returns the expected share of the feeds that is kept.
func (s Sample) Share() float64 { return 1 / float64(max(1, s.one)) }

// Keeps reports whether a request belongs to the sample.
func (s Sample) Keeps(r workloads.Request) bool {
	if s.one <= 1 {
		return true
	}
	var h xxhash.Digest
	h.Reset()
	_, _ = h.WriteString(s.salt) // a hash returns no error
	_, _ = h.WriteString("\x00" + r.List + "\x00" + r.Scope + "\x00")
	var id [8]byte
	if !r.Paginated() {
		binary.LittleEndian.PutUint64(id[:], r.ID)
	}
	_, _ = h.Write(id[:])
	return h.Sum64()%s.one == 0
}

// DecodeSample is [Decode] for a sample of a source. The trace's name says that it is one. A
// context that ends stops it with the context's error.
func DecodeSample(ctx context.Context, source *workloads.Source, sample Sample) (*Trace, error) {
	d := newDecoder(source.Name)
	n := 0
	for r, err := range source.Requests() {
		if n++; n%checkEvery == 0 && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if sample.Keeps(r) {
			d.add(r)
		}
	}
	if len(d.trace.ids) == 0 {
		return nil, fmt.Errorf("%w: the sample %s of %s holds no request", ErrConfig, sample.Text, source.Name)
	}
	d.trace.Sample = sample
	if sample.Text != "" {
		d.trace.Name += "@" + sample.Text
	}
	var err error
	if d.trace.SHA256, err = source.SHA256(); err != nil {
		return nil, err
	}
	return d.done(), nil
}
