package workloads

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/foliocache/folio/internal/seed"
)

// squeeze compresses data as its name says.
func squeeze(t testing.TB, name string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch name {
	case "gz":
		w = gzip.NewWriter(&out)
	case "zst":
		w, err = zstd.NewWriter(&out)
	case "xz":
		w, err = xz.NewWriter(&out)
	default:
		return data
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readSpec opens and reads a whole trace; the error is of either step.
func readSpec(text string) ([]Request, error) {
	source, err := Open(text)
	if err != nil {
		return nil, err
	}
	return gather(source.Requests())
}

func TestCompressionIsToldByContent(t *testing.T) {
	for _, fixture := range fixtures {
		for _, how := range []string{"", "gz", "zst", "xz"} {
			path := writeFile(t, "trace.gz", squeeze(t, how, []byte(fixture.data)))
			got, err := readSpec(fixture.format + ":" + path + "?" + fixture.options)
			if fixture.options == "" {
				got, err = readSpec(fixture.format + ":" + path)
			}
			if err != nil {
				t.Fatalf("%s %s %s: %v", fixture.format, fixture.name, how, err)
			}
			if diff := cmp.Diff(fixture.want, got); diff != "" {
				t.Errorf("%s %s %s (-want +got)\n%s", fixture.format, fixture.name, how, diff)
			}
		}
	}
}

func TestCutCompressedFilesAreTruncated(t *testing.T) {
	random := seed.Random(t)
	var text strings.Builder
	for range 2000 {
		text.WriteString(strings.Repeat("7", 1+random.IntN(9)) + " 1 0 0\n")
	}
	for _, how := range []string{"gz", "zst", "xz"} {
		whole := squeeze(t, how, []byte(text.String()))
		for cut := 64; cut < len(whole); cut += 1 + len(whole)/60 {
			path := writeFile(t, "trace.lis", whole[:cut])
			_, err := readSpec(path)
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrTruncated) || e.Compression != how || e.Offset != int64(cut) || e.Path != path {
				t.Fatalf("%s cut at %d of %d: %v", how, cut, len(whole), err)
			}
		}
	}
}

func TestDamagedCompressedFilesAreErrors(t *testing.T) {
	random := seed.Random(t)
	text := []byte(strings.Repeat("7 1 0 0\n8 2 0 1\n9 3 0 2\n", 500))
	for _, how := range []string{"gz", "zst", "xz"} {
		whole := squeeze(t, how, text)
		for range 40 {
			damaged := bytes.Clone(whole)
			damaged[12+random.IntN(len(whole)-12)] ^= byte(1 + random.IntN(255))
			path := writeFile(t, "trace.lis", damaged)
			got, err := readSpec(path) // an error, or a byte that did not matter
			if want, _ := readAs(t, "arc", "", string(text)); err == nil && !cmp.Equal(want, got) {
				t.Fatalf("%s: a damaged file was read as another trace", how)
			}
		}
	}
}

func TestDictionariesAreBounded(t *testing.T) {
	whole := squeeze(t, "xz", []byte("7 1 0 0\n"))
	at := 12 + bytes.Index(whole[12:], []byte{0x21, 0x01}) + 2
	if size := xzDictionary(whole); size != 8<<20 {
		t.Errorf("the writer's dictionary is 8 MiB, found %d", size)
	}
	whole[at] = 40
	if _, err := readSpec("arc:" + writeFile(t, "t", whole)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "dictionary") {
		t.Error(err)
	}
}
