package workloads

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/seed"
)

// fuzzMost ends the reading of a fuzzed trace: one line of arc may stand for millions of requests.
const fuzzMost = 5000

// fuzzReader checks of any input: no panic, only valid requests in order of time, at most one
// error, of this format, at the end. Each reader has its own target, so that each keeps its corpus.
func fuzzReader(f *testing.F, format, options string) {
	form, values := formats[format], mustValues(f, format, options)
	for _, fixture := range fixtures {
		if fixture.format == format {
			f.Add([]byte(fixture.data))
		}
	}
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var order inOrder
		n := 0
		for r, err := range form.Read(bytes.NewReader(data), Options{Values: values}) {
			if n++; err == nil {
				err = order.admit(&r)
				if err != nil {
					t.Fatalf("request %d %+v: %v", n, r, err)
				}
			} else if e := (*Error)(nil); !errors.As(err, &e) || e.Format != format || e.Line < 0 || e.Offset < 0 || e.Offset > int64(len(data)) {
				t.Fatalf("%#v", err)
			}
			if n == fuzzMost {
				break
			}
		}
		if n == 0 {
			t.Fatal("neither a request nor an error")
		}
	})
}

func mustValues(f *testing.F, format, options string) Values {
	values, err := parseValues(formats[format].Params, options)
	if err != nil {
		f.Fatal(err)
	}
	return values
}

func FuzzARC(f *testing.F)           { fuzzReader(f, "arc", "") }
func FuzzLIRS(f *testing.F)          { fuzzReader(f, "lirs", "") }
func FuzzCache2k(f *testing.F)       { fuzzReader(f, "cache2k", "") }
func FuzzU64(f *testing.F)           { fuzzReader(f, "u64", "") }
func FuzzOracleGeneral(f *testing.F) { fuzzReader(f, "oracleGeneral", "") }
func FuzzCSV(f *testing.F)           { fuzzReader(f, "csv", "") }
func FuzzJSONL(f *testing.F)         { fuzzReader(f, "jsonl", "") }
func FuzzPages(f *testing.F)         { fuzzReader(f, "pages", "") }
func FuzzAccessLog(f *testing.F)     { fuzzReader(f, "accesslog", "page=page&scope=user&first=0") }

func FuzzFolio(f *testing.F) {
	random := seed.Random(f)
	f.Add(folioFile(f, anyRequests(random, 20, true)))
	f.Add(folioFile(f, anyRequests(random, 20, false)))
	fuzzReader(f, "folio", "")
}

// FuzzFolioBlock fuzzes what the checksum hides from FuzzFolio: the raw bytes of a block. What
// decodes must encode to something that decodes to the same.
func FuzzFolioBlock(f *testing.F) {
	random := seed.Random(f)
	for _, keys := range []bool{true, false} {
		var b block
		for _, r := range anyRequests(random, 5, keys) {
			b.add(r)
		}
		f.Add(b.encode(nil), 5)
	}
	f.Fuzz(func(t *testing.T, raw []byte, count int) {
		var b block
		if count < 1 || count > 1000 || b.decode(raw, count) != nil {
			return
		}
		var again, copied block
		for _, r := range b.requests {
			again.add(r)
		}
		if err := copied.decode(again.encode(nil), count); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b.requests, copied.requests); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzConvert turns any csv into every other format and back.
func FuzzConvert(f *testing.F) {
	for _, fixture := range fixtures {
		if fixture.format == "csv" {
			f.Add([]byte(fixture.data))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want []Request
		for r, err := range formats["csv"].Read(bytes.NewReader(data), Options{}) {
			if err != nil {
				return
			}
			want = append(want, r)
		}
		for _, name := range []string{"csv", "jsonl", "folio"} {
			var out bytes.Buffer
			sink := formats[name].Write(&out)
			for _, r := range want {
				if err := sink.Write(r); errors.Is(err, ErrUnsupported) {
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if err := sink.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := gather(formats[name].Read(&out, Options{}))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Fatalf("%s: %v\n%s", name, err, diff)
			}
		}
	})
}

// FuzzOpenFile reads any bytes as a file of unknown kind.
func FuzzOpenFile(f *testing.F) {
	for _, how := range []string{"", "gz", "zst", "xz"} {
		f.Add(squeeze(f, how, []byte("7 1 0 0\n8 2 0 1\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := t.TempDir() + "/x.lis"
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		source, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range source.Requests() {
			if e := (*Error)(nil); err != nil && (!errors.As(err, &e) || e.Path != path) {
				t.Fatalf("%#v", err)
			}
			if n++; n == fuzzMost {
				break
			}
		}
	})
}

func FuzzGenerators(f *testing.F) {
	for _, spec := range []string{"zipf?n=10", "loop", "mix?m=3", "pages", "tickets?n=10&rate=1&warmup=10", "splice?a=gen:loop", "extents?path=x", "tickets?gap=1:2,3:4&users=5"} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		_, _, err := generate(spec) // makes the parameters, not the stream
		if e := (*Error)(nil); err != nil && !errors.Is(err, ErrParameter) && !errors.As(err, &e) && !errors.Is(err, ErrUnknownFormat) {
			t.Fatalf("%v", err)
		}
	})
}

// FuzzTickets runs small worlds with any other parameters.
func FuzzTickets(f *testing.F) {
	for _, options := range []string{"seed=3", "cycle=1&day=1", "gap=1:1e-8,99:1e11", "polls=1&pollers=1&walkers=0&catalogue=0&crawlers=0&scrollers=0",
		"phases=9", "flash_share=1", "storm_writes=10", "public=1&crawlers=1&walkers=0&catalogue=0&pollers=0&scrollers=0", "cursors=1&user_rows=1&deletes=1&inserts=0&updates=0&writes=10",
		"size=1:1e11,2:1e11&load_ms=1e6&load_offset=1000", "filters=1000&limit=1&limit2=10000&alpha=10"} {
		f.Add(options)
	}
	const world = "tickets?n=200&users=50&lists=5&flash_lists=3&storm_lists=2&event_users=2&warmup=100&rate=5&"
	f.Fuzz(func(t *testing.T, options string) {
		requests, _, err := generate(world + options)
		if err != nil {
			return
		}
		var order inOrder
		n := 0
		for r, err := range requests {
			if n++; err != nil {
				t.Fatal(err)
			}
			if err := order.admit(&r); err != nil {
				t.Fatalf("request %d %+v: %v", n, r, err)
			}
		}
		if n != 200 {
			t.Fatalf("%d requests", n)
		}
	})
}

func FuzzDurations(f *testing.F) {
	f.Add("1.5")
	f.Add("1e-3")
	f.Add("9223372036.854775807")
	f.Fuzz(func(t *testing.T, text string) {
		for _, unit := range []int64{1e6, 1e9} {
			d, err := parseDuration([]byte(text), seconds(float64(unit)/1e9))
			if err != nil {
				continue
			}
			again, err := parseDuration(appendDuration(nil, d, seconds(float64(unit)/1e9)), seconds(float64(unit)/1e9))
			if d < 0 || err != nil || again != d {
				t.Fatalf("%q: %v became %v, %v", text, d, again, err)
			}
		}
	})
}
