package workloads

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// reportRate adds requests a second to a benchmark whose every iteration handles n of them.
func reportRate(b *testing.B, n int) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

func BenchmarkOpen(b *testing.B) {
	specs := []string{"testdata/web12.trace.xz", "gen:zipf?n=1000000", "gen:tickets?n=1000000"}
	if folder := os.Getenv("FOLIO_TRACES"); folder != "" {
		for _, name := range []string{"P3.lis.zst", "OLTP.lis.zst", "orm-busy.trace.xz"} {
			specs = append(specs, filepath.Join(folder, name))
		}
	}
	for _, spec := range specs {
		b.Run("trace="+filepath.Base(spec), func(b *testing.B) {
			n := 0
			for range b.N {
				source, err := Open(spec)
				if err != nil {
					b.Fatal(err)
				}
				n = 0
				for _, err := range source.Requests() {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			reportRate(b, n)
		})
	}
}

func BenchmarkFormats(b *testing.B) {
	requests, err := readSpec("gen:tickets?n=100000")
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range Formats() {
		if f.Write == nil || f.Name == "u64" {
			continue
		}
		var file bytes.Buffer
		b.Run("format="+f.Name+"/do=write", func(b *testing.B) {
			for range b.N {
				file.Reset()
				sink := f.Write(&file)
				for _, r := range requests {
					if err := sink.Write(r); err != nil {
						b.Fatal(err)
					}
				}
				if err := sink.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(file.Len())/float64(len(requests)), "B/request")
			reportRate(b, len(requests))
		})
		b.Run("format="+f.Name+"/do=read", func(b *testing.B) {
			for range b.N {
				for _, err := range f.Read(io.Reader(bytes.NewReader(file.Bytes())), Options{}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			reportRate(b, len(requests))
		})
	}
}

func BenchmarkDigest(b *testing.B) {
	requests, err := readSpec("gen:tickets?n=100000")
	if err != nil {
		b.Fatal(err)
	}
	for range b.N {
		_, err := Digest(func(yield func(Request, error) bool) {
			for _, r := range requests {
				if !yield(r, nil) {
					return
				}
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	reportRate(b, len(requests))
}
