package sim

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/foliocache/folio/workloads"
)

// Sample keeps one query in so many (of a key trace: one id), with all its pages and the writes of its feed: a
// smaller trace in which every query that is left behaves as in the whole one. The zero value keeps everything.
//
// Queries are drawn by the number of their reads: of those that are asked for about as often one in so many is kept,
// and of the most frequent, where one more or less would decide, one that stands for the others. So the sample has
// its part of the reads, too.
//
// Source: spatial sampling as in Waldspurger et al., "Efficient MRC Construction with SHARDS" (FAST 2015), section 3.
// Differs from the paper: queries and not keys, since their pages are read after one another; and they are drawn by
// strata and not by hash alone, where the paper corrects what a wrong number of hits does to the result (section 4.3).
// See docs/decisions/0016-samples.md.
type Sample struct {
	Text string // as given; empty: everything
	one  uint64 // queries in so many
	salt string
}

// ParseSample reads 1/N[:SALT]. Samples of different salts have other queries, but for the most frequent ones.
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

// Share returns the share of the queries that is kept.
func (s Sample) Share() float64 { return 1 / float64(max(1, s.one)) }

// drawn is a query that a sample may keep.
type drawn struct {
	feed, hash uint64 // the latter is of the query and the salt
	reads      int
}

// Draw chooses, by a look at all requests of a trace, which of them a sample keeps. It returns the first error among
// them, and ctx's. It holds some 100 bytes a query meanwhile.
func (s Sample) Draw(ctx context.Context, requests iter.Seq2[workloads.Request, error]) (keeps func(workloads.Request) bool, err error) {
	if s.one <= 1 {
		return func(workloads.Request) bool { return true }, nil
	}
	queries := map[uint64]*drawn{}
	for r, err := range until(ctx, requests) {
		if err != nil {
			return nil, err
		}
		if r.Op != workloads.Read {
			continue
		}
		feed, query := s.hashes(r)
		if queries[query] == nil {
			queries[query] = &drawn{feed: feed, hash: query}
		}
		queries[query].reads++
	}
	keptQueries, keptFeeds := map[uint64]bool{}, map[uint64]bool{}
	for _, q := range s.choose(slices.Collect(maps.Values(queries))) {
		keptQueries[q.hash], keptFeeds[q.feed] = true, true
	}
	return func(r workloads.Request) bool {
		feed, query := s.hashes(r)
		if r.Op != workloads.Read {
			return keptFeeds[feed]
		}
		return keptQueries[query]
	}, nil
}

// choose returns one query of each so many that are read about as often: the one that comes closest to a part of
// their reads, and of those that the strata before have too many or too few. Of the last stratum, if it is not full,
// it may be none.
func (s Sample) choose(all []*drawn) (kept []*drawn) {
	slices.SortFunc(all, func(a, b *drawn) int { return cmp.Or(b.reads-a.reads, cmp.Compare(a.hash, b.hash)) })
	due := 0. // reads that should be in the sample and are not yet
	for stratum := range slices.Chunk(all, int(s.one)) {
		for _, q := range stratum {
			due += float64(q.reads) / float64(s.one)
		}
		best, off := (*drawn)(nil), math.Inf(1)
		if len(stratum) < int(s.one) {
			off = math.Abs(due)
		}
		for _, q := range stratum {
			if is := math.Abs(float64(q.reads) - due); is < off {
				best, off = q, is
			}
		}
		if best != nil {
			kept = append(kept, best)
			due -= float64(best.reads)
		}
	}
	return kept
}

// hashes returns those of a request's feed and query. What is written of a feed has no query.
func (s Sample) hashes(r workloads.Request) (feed, query uint64) {
	var h xxhash.Digest
	h.Reset()
	_, _ = h.WriteString(s.salt) // a hash returns no error
	_, _ = h.WriteString("\x00" + r.List + "\x00" + r.Scope + "\x00")
	if r.Paginated() {
		feed = h.Sum64()
		_, _ = h.WriteString(r.Variant)
	}
	id := uint64(r.Limit)
	if !r.Paginated() {
		id = r.ID
	}
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], id)
	_, _ = h.Write(word[:])
	if query = h.Sum64(); !r.Paginated() {
		feed = query
	}
	return feed, query
}

// until returns the requests of a trace; where the context ends, its error.
func until(ctx context.Context, requests iter.Seq2[workloads.Request, error]) iter.Seq2[workloads.Request, error] {
	return func(yield func(workloads.Request, error) bool) {
		n := 0
		for r, err := range requests {
			if n++; n%checkEvery == 0 && err == nil {
				err = ctx.Err()
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// DecodeSample is [Decode] for a sample of a source, which is read twice. The trace's name says that it is one. A
// context that ends stops it with the context's error.
func DecodeSample(ctx context.Context, source *workloads.Source, sample Sample) (*Trace, error) {
	d := newDecoder(source.Name)
	var passed, whole int64
	if tell := source.Progress; tell != nil && sample.one > 1 { // of both passes
		source.Progress = func(done, total int64) {
			whole = total
			tell(passed+done, 2*total)
		}
		defer func() { source.Progress = tell }()
	}
	keeps, err := sample.Draw(ctx, source.Requests())
	passed = whole
	if err != nil {
		return nil, err
	}
	n := 0
	for r, err := range until(ctx, source.Requests()) {
		if n++; err != nil {
			return nil, err
		}
		if keeps(r) {
			d.add(r)
		}
	}
	if len(d.trace.ids) == 0 {
		return nil, fmt.Errorf("%w: the sample %s of %s holds no read", ErrConfig, sample.Text, source.Name)
	}
	d.trace.Sample, d.trace.whole = sample, n
	if sample.Text != "" {
		d.trace.Name += "@" + sample.Text
	}
	if d.trace.SHA256, err = source.SHA256(); err != nil {
		return nil, err
	}
	return d.done(), nil
}
