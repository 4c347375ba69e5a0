package workloads

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/seed"
)

// anyRequests makes valid requests that use every field up to its limits.
func anyRequests(random *rand.Rand, n int, keys bool) []Request {
	all, now := make([]Request, n), time.Duration(0)
	for i := range all {
		if random.IntN(3) == 0 {
			now += time.Duration(random.Uint64N(1 << random.IntN(48)))
		}
		r := Request{Time: now, Op: Op(random.IntN(len(opNames))), Size: wide32(random), Load: time.Duration(random.Int64N(1 << 40))}
		if keys {
			r.ID = random.Uint64() >> random.IntN(64)
			all[i] = r
			continue
		}
		r.List, r.Scope = anyText(random), anyText(random)
		if r.Op == Read {
			r.anyPage(random)
		} else {
			r.Position = wide32(random)
		}
		all[i] = r
	}
	return all
}

func (r *Request) anyPage(random *rand.Rand) {
	r.Variant, r.Limit, r.Page = anyText(random), max(1, wide32(random)), max(1, wide32(random))
	r.Rows, r.Total = min(r.Limit, wide32(random)), random.IntN(2) == 0
	if random.IntN(2) == 0 {
		r.Offset = wide32(random)
	} else {
		r.Cursor = anyText(random)
	}
}

func wide32(random *rand.Rand) uint32 { return random.Uint32() >> random.IntN(32) }

func anyText(random *rand.Rand) string {
	return []string{"t", "tickets", `a,"b"`, "user:1", "ü", strings.Repeat("x", random.IntN(50)+1), " spaced "}[random.IntN(7)]
}

// written returns what a format's sink makes of requests.
func (f Format) written(t testing.TB, requests []Request) []byte {
	t.Helper()
	var out bytes.Buffer
	sink := f.Write(&out)
	for _, r := range requests {
		if err := sink.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func folioFile(t testing.TB, requests []Request) []byte {
	return formats[folioName].written(t, requests)
}

func TestSinksRoundTrip(t *testing.T) {
	random := seed.Random(t)
	for _, f := range Formats() {
		if f.Write == nil {
			continue
		}
		for range 20 {
			for _, keys := range []bool{true, false} {
				want := anyRequests(random, 1+random.IntN(300), keys)
				if f.Name == "u64" {
					want = ids(random.Uint64(), random.Uint64()>>32, 1<<63)
				}
				got, err := gather(f.Read(bytes.NewReader(f.written(t, want)), Options{}))
				if err != nil {
					t.Fatalf("%s: %v", f.Name, err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s (-want +got)\n%s", f.Name, diff)
				}
			}
		}
	}
}

func TestFolioHoldsManyBlocksAndMixedRequests(t *testing.T) {
	random := seed.Random(t)
	want := append(anyRequests(random, maxBlockRequests+10, true), anyRequests(random, 10, false)...)
	for i := range want {
		want[i].Time = time.Duration(i)
	}
	got, err := gather(readFolio(bytes.NewReader(folioFile(t, want)), Options{}))
	if err != nil || !cmp.Equal(want, got) {
		t.Fatalf("%d requests became %d: %v", len(want), len(got), err)
	}
}

func TestFolioEndsBlocksByTheSizeOfTexts(t *testing.T) {
	var want []Request
	for i := range 20 {
		want = append(want, Request{Op: Insert, List: "t", Scope: strings.Repeat(string(rune('a'+i)), maxText)})
	}
	data := folioFile(t, want)
	if got, err := gather(readFolio(bytes.NewReader(data), Options{})); err != nil || !cmp.Equal(want, got) {
		t.Fatal(err)
	}
	if first := binary.LittleEndian.Uint32(data[len(folioMagic)+1:]); first != 4 {
		t.Errorf("the first block holds %d texts of 1 MiB, not 4", first)
	}
	if _, err := gather(readFolio(bytes.NewReader(folioFile(t, nil)), Options{})); err != nil {
		t.Errorf("a file of no request is whole: %v", err)
	}
}

func TestFolioCutAnywhereIsTruncated(t *testing.T) {
	random := seed.Random(t)
	whole := folioFile(t, anyRequests(random, 50, false))
	for cut := 1; cut < len(whole); cut++ {
		_, err := gather(formats[folioName].Read(bytes.NewReader(whole[:cut]), Options{}))
		var e *Error
		if !errors.Is(err, ErrTruncated) || !errors.As(err, &e) || e.Offset != int64(cut) {
			t.Fatalf("cut at %d of %d: %v", cut, len(whole), err)
		}
	}
}

func TestFolioDamageIsFound(t *testing.T) {
	random := seed.Random(t)
	whole := folioFile(t, anyRequests(random, 50, false))
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= byte(1 + random.IntN(255))
		if _, err := gather(formats[folioName].Read(bytes.NewReader(damaged), Options{})); err == nil {
			t.Fatalf("byte %d changed and nobody noticed", i)
		}
	}
	if _, err := gather(readFolio(bytes.NewReader(append(whole, 0)), Options{})); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte after the trailer: %v", err)
	}
}

func TestFolioBlocksCannotMove(t *testing.T) {
	block := func(id uint64) []byte {
		whole := folioFile(t, ids(id))
		return whole[len(folioMagic) : len(whole)-folioTrailerSize]
	}
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, id := range []uint64{1, 2} {
		_ = w.Write(Request{ID: id})
		w.flush()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tail := out.Bytes()[out.Len()-folioTrailerSize:]
	read := func(parts ...[]byte) error {
		_, err := gather(readFolio(bytes.NewReader(bytes.Join(append([][]byte{[]byte(folioMagic)}, parts...), nil)), Options{}))
		return err
	}
	if err := read(block(1), block(2), tail); err != nil {
		t.Fatalf("the test builds the file wrongly: %v", err)
	}
	for what, err := range map[string]error{
		"swapped": read(block(2), block(1), tail), "repeated": read(block(1), block(1), tail),
		"lost": read(block(1), tail), "changed": read(block(1), block(3), tail),
	} {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestFolioCountIsChecked(t *testing.T) {
	data := folioFile(t, nil)
	tail := binary.LittleEndian.AppendUint64([]byte{folioTrailer}, 7)
	sum := xxhash.Sum64String(folioMagic + string(tail))
	data = binary.LittleEndian.AppendUint64(append(data[:len(folioMagic)], tail...), sum)
	if _, err := gather(readFolio(bytes.NewReader(data), Options{})); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "0 requests, the trailer says 7") {
		t.Error(err)
	}
}

func TestFolioIsCompact(t *testing.T) {
	source, err := Open("gen:tickets?n=20000")
	if err != nil {
		t.Fatal(err)
	}
	requests, err := gather(source.Requests())
	if err != nil {
		t.Fatal(err)
	}
	if size := len(folioFile(t, requests)); size > 30*len(requests) {
		t.Errorf("%d bytes for %d requests", size, len(requests))
	}
}

func TestSinksRefuseWhatTheyCannotHold(t *testing.T) {
	page := Request{List: "t", Scope: "s", Limit: 1, Page: 1}
	for _, c := range []struct {
		format   string
		requests []Request
	}{
		{"u64", []Request{page}},
		{"u64", []Request{{ID: 1, Op: Update}}},
		{"csv", []Request{{ID: 1}, page}},
		{"csv", []Request{{List: "a\nb", Scope: "s", Limit: 1, Page: 1}}},
		{"jsonl", []Request{{List: "\xff", Scope: "s", Limit: 1, Page: 1}}},
		{"folio", []Request{{List: strings.Repeat("x", maxText+1), Scope: "s", Limit: 1, Page: 1}}},
		{"folio", []Request{{Time: 2}, {Time: 1}}},
		{"csv", []Request{{Time: 2}, {Time: 1}}},
		{"jsonl", []Request{{Time: 2}, {Time: 1}}},
		{"folio", []Request{{List: "t", Limit: 1, Page: 1}}},
		{"folio", []Request{{List: "t", Scope: "s", Page: 1}}},
		{"folio", []Request{{Op: 9}}},
		{"folio", []Request{{ID: 1, Position: 3}}},
	} {
		sink, err := formats[c.format].Write(new(bytes.Buffer)), error(nil)
		for _, r := range c.requests {
			err = sink.Write(r)
		}
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s %+v: %v", c.format, c.requests, err)
		}
	}
}

type brokenWriter struct{ room int }

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.room -= len(p); b.room < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestSinksReportWriteErrors(t *testing.T) {
	for _, f := range Formats() {
		if f.Write == nil {
			continue
		}
		sink := f.Write(&brokenWriter{room: 10})
		var err error
		for i := range 100000 {
			err = errors.Join(err, sink.Write(Request{ID: uint64(i) * math.MaxUint32}))
		}
		if err = errors.Join(err, sink.Close()); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	w := NewWriter(new(bytes.Buffer))
	if w.Close() != nil || w.Close() != nil || w.Write(Request{}) == nil {
		t.Error("a closed writer closes again and takes nothing")
	}
}
