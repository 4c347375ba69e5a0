package workloads

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBarePathsAreReadByExtension(t *testing.T) {
	for name, c := range map[string]struct{ format, data string }{
		"a.lis": {"arc", "7 1 0 0\n"}, "a.LIS.zst": {"arc", "7 1 0 0\n"}, "a.u64.xz": {"u64", "\x07\x00\x00\x00\x00\x00\x00\x00"},
		"a.trace": {"cache2k", "\x00\x00\x00\x07"}, "a.csv.gz": {"csv", "id\n7\n"}, "a.jsonl": {"jsonl", `{"id":7}`},
		"a.folio": {"folio", string(folioFile(t, ids(7)))}, "p.csv": {"pages", pagesHeader + "\n1,1,1,7,1,,,\n"},
	} {
		how := strings.TrimPrefix(filepath.Ext(name), ".")
		source, err := Open(writeFile(t, name, squeeze(t, how, []byte(c.data))))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := gather(source.Requests()); err != nil || len(got) != 1 || source.Format != c.format {
			t.Errorf("%s: %s %v %v", name, source.Format, got, err)
		}
		if want := strings.TrimSuffix(name, "."+how); squeezed(how) && source.Name != want || !squeezed(how) && source.Name != name {
			t.Errorf("%s is named %s", name, source.Name)
		}
	}
}

func squeezed(how string) bool { return how == "gz" || how == "zst" || how == "xz" }

func TestUnknownFormatsNameTheLikelyOnes(t *testing.T) {
	for _, f := range fixtures {
		path := writeFile(t, "trace.bin", squeeze(t, "zst", []byte(f.data)))
		_, err := Open(path)
		if !errors.Is(err, ErrUnknownFormat) || !strings.Contains(err.Error(), f.format) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s %s: %v", f.format, f.name, err)
		}
	}
	if _, err := Open("acr:trace.lis"); !errors.Is(err, ErrUnknownFormat) || !strings.Contains(err.Error(), `"arc"`) {
		t.Error(err)
	}
}

func TestUnreadableFilesWrapFsErrors(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{dir + "/none.lis", "arc:" + dir + "/none", dir, "u64:" + dir} {
		_, err := Open(text)
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Path, dir) {
			t.Errorf("%s: %v", text, err)
		}
		if strings.Contains(text, "none") && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", text, err)
		}
	}
	path := writeFile(t, "gone.lis", []byte("1 1 0 0\n"))
	source, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := gather(source.Requests()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestColonsMayStandInFileNames(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("odd:name.lis", []byte("1 1 0 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readSpec("odd:name.lis"); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
}

func TestEmptyFilesAreErrorsWithTheirPath(t *testing.T) {
	for _, how := range []string{"", "gz", "zst", "xz"} {
		path := writeFile(t, "empty.lis", squeeze(t, how, nil))
		_, err := readSpec(path)
		if !errors.Is(err, ErrEmpty) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", how, err)
		}
	}
}

func TestSourcesStartOver(t *testing.T) {
	for _, text := range []string{"testdata/web07.trace.xz", "gen:mix?n=1000", "gen:tickets?n=1000"} {
		source, err := Open(text)
		if err != nil {
			t.Fatal(err)
		}
		for range source.Requests() {
			break
		}
		first, err1 := gather(source.Requests())
		second, err2 := gather(source.Requests())
		if err1 != nil || err2 != nil || !cmp.Equal(first, second) {
			t.Errorf("%s: %v %v", text, err1, err2)
		}
	}
}

func TestProgressEndsAtTheSize(t *testing.T) {
	for _, text := range []string{"testdata/web07.trace.xz", "gen:mix?n=10000"} {
		source, err := Open(text)
		if err != nil {
			t.Fatal(err)
		}
		var last int64
		source.Progress = func(done, total int64) {
			if done < last || total != source.Size {
				t.Fatalf("%s: %d after %d of %d", text, done, last, total)
			}
			last = done
		}
		if _, err := gather(source.Requests()); err != nil || last != source.Size || last == 0 {
			t.Errorf("%s: %d of %d, %v", text, last, source.Size, err)
		}
	}
}

func TestSHA256IsOfTheFileAsStored(t *testing.T) {
	raw, err := os.ReadFile("testdata/web12.trace.xz")
	if err != nil {
		t.Fatal(err)
	}
	source, err := Open("cache2k:testdata/web12.trace.xz")
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(raw)
	if got, err := source.SHA256(); err != nil || got != hex.EncodeToString(want[:]) {
		t.Error(got, err)
	}
	source, _ = Open("gen:loop?n=10&m=3")
	digest, _ := Digest(source.Requests())
	if got, err := source.SHA256(); err != nil || got != digest {
		t.Error(got, err)
	}
}

func TestBundledTracesHaveTheirCounts(t *testing.T) {
	for name, want := range map[string]struct{ requests, distinct int }{
		"web07.trace.xz": {76118, 20484}, "web12.trace.xz": {95607, 13756}, "weblog_semicomplete_blog.csv.zst": {726, 0},
	} {
		got, err := readSpec("testdata/" + name)
		distinct := map[uint64]bool{}
		for _, r := range got {
			if err := r.check(); err != nil {
				t.Fatal(name, err)
			}
			if !r.Paginated() {
				distinct[r.ID] = true
			}
		}
		if err != nil || len(got) != want.requests || len(distinct) != want.distinct {
			t.Errorf("%s: %d requests, %d ids, %v", name, len(got), len(distinct), err)
		}
	}
}

func TestParametersAreChecked(t *testing.T) {
	for text, says := range map[string]string{
		"gen:zpif": `"zipf"`, "gen:zipf?alhpa=1": `"alpha"`, "gen:zipf?n=0": "n=", "gen:zipf?n=12abc": "12abc", "gen:zipf?n=1&n=2": "2 times",
		"gen:zipf?alpha=NaN": "alpha", "gen:zipf?seed=-1": "seed", "gen:zipf?%zz": "zz", "gen:tickets?preset=flashcrwd": `"flashcrowd"`,
		"gen:tickets?walkers=0.9": "not 1", "gen:tickets?inserts=0.9": "not 1", "gen:tickets?size=50:3,40:2": "rising", "gen:tickets?gap=x": "PERCENT:VALUE",
		"gen:tickets?flash_share=.1": "flash_lists", "gen:tickets?crawl_probe=1,2": "crawl_probe", "gen:tickets?public=0.01": "crawlers",
		"gen:extents": "must be given", "gen:splice": "needs sources", "gen:splice?ids=no&a=gen:loop": "ids",
		"accesslog:testdata/NOTICE": "page must be given", "accesslog:testdata/NOTICE?pgae=x": `"page"`,
	} {
		if _, err := Open(text); !errors.Is(err, ErrParameter) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestExtentsAreRangesOfObjects(t *testing.T) {
	path := writeFile(t, "x.lis", []byte("10 4 0 0\n98 4 0 1\n300 4 0 2\n"))
	read := func(offset, count, page uint32, scope, variant string) Request {
		return Request{List: "blocks", Scope: scope, Variant: variant, Offset: offset, Limit: count, Rows: count, Page: page}
	}
	got, err := readSpec("gen:extents?stretch=100&path=" + url.QueryEscape(path))
	want := []Request{read(10, 4, 3, "public", "object=0"), read(98, 2, 50, "public", "object=0"), read(0, 2, 1, "public", "object=1"), read(0, 4, 1, "public", "object=3")}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	got, err = readSpec("gen:extents?stretch=100&object=scope&path=" + url.QueryEscape(path))
	if err != nil || !cmp.Equal(got[3], read(0, 4, 1, "object:3", "")) {
		t.Error(err, got)
	}
	if _, err := readSpec("gen:extents?path=testdata/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	_, err = readSpec("gen:extents?path=" + url.QueryEscape(writeFile(t, "y.lis", []byte("10 4 0 0\n98"))))
	if !errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
}

func TestSplicesKeepIdsApart(t *testing.T) {
	parts := "a=" + url.QueryEscape("gen:loop?n=5&m=3") + "&c=" + url.QueryEscape("gen:loop?n=2&m=3")
	for options, want := range map[string][]Request{
		"":                   ids(1, 2, 3, 1, 2, 1<<56+1, 1<<56+2),
		"&each=1":            ids(1, 1<<56+1),
		"&each=2&ids=shared": ids(1, 2, 1, 2),
	} {
		got, err := readSpec("gen:splice?" + parts + options)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", options, err, diff)
		}
	}
	big := writeFile(t, "x.lis", []byte("72057594037927936 1 0 0\n"))
	for _, bad := range []string{"gen:splice?a=" + url.QueryEscape(big), "gen:splice?a=gen:tickets"} {
		_, err := readSpec(bad)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestDigestTellsEveryField(t *testing.T) {
	digest := func(r Request) string {
		d, _ := Digest(func(yield func(Request, error) bool) { yield(r, nil) })
		return d
	}
	seen := map[string]bool{digest(Request{}): true}
	for _, r := range []Request{{Time: 1}, {Op: 1}, {ID: 1}, {List: "x"}, {Scope: "x"}, {Variant: "x"}, {Cursor: "x"}, {Offset: 1}, {Limit: 1},
		{Page: 1}, {Rows: 1}, {Total: true}, {Size: 1}, {Load: 1}, {Position: 1}} {
		if d := digest(r); seen[d] {
			t.Errorf("%+v is not told apart", r)
		} else {
			seen[d] = true
		}
	}
	if _, err := Digest(func(yield func(Request, error) bool) { yield(Request{}, errBroken) }); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}
