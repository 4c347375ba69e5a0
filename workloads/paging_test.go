package workloads

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// logOf writes a log of GETs, each by a client.
func logOf(t *testing.T, visit func(get func(client int, target string))) string {
	t.Helper()
	var b strings.Builder
	visit(func(client int, target string) {
		fmt.Fprintf(&b, "10.0.0.%d - - [10/Oct/2000:13:55:36 +0000] \"GET %s HTTP/1.1\" 200 2326 \"-\" \"agent\"\n", client, target)
	})
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// paged are logs, and how they are paged.
var paged = map[string]struct {
	visit func(get func(client int, target string))
	want  Paging
}{
	"a page by its name, beside a filter": {func(get func(int, string)) {
		for c := range 4 {
			get(c, "/t?status=open")
			get(c, "/t?status=open&page=2")
			get(c, "/t?status=closed")
		}
	}, Paging{Page: "page", First: 1}},
	"a page of another name": {func(get func(int, string)) {
		for c := range 30 {
			get(c, "/t")
			get(c, "/t?blatt=2")
			get(c, "/t?blatt=3")
			get(c, "/t?kind=7")
		}
	}, Paging{Page: "blatt", First: 1}},
	"pages from zero": {func(get func(int, string)) {
		for c := range 4 {
			get(c, "/t")
			get(c, "/t?page=1&size=50")
			get(c, "/t?page=2&size=50")
			get(c, "/t?page=0&size=50")
		}
	}, Paging{Page: "page", Limit: "size", First: 0}},
	"an offset, and the limit that it goes on by": {func(get func(int, string)) {
		for c := range 30 {
			get(c, "/t?n=25")
			get(c, "/t?n=25&ab=25")
			get(c, "/t?n=25&ab=50")
			get(c, "/t?n=10&ab=10")
		}
	}, Paging{Offset: "ab", Limit: "n", First: 1}},
	"a cursor, of public lists": {func(get func(int, string)) {
		for c := range 5 {
			get(c, "/t?limit=9")
			get(c, "/t?limit=9&after=xyz")
			get(c, "/t?limit=9&after=uvw")
		}
	}, Paging{Cursor: "after", Limit: "limit", First: 1}},
	"in the path": {func(get func(int, string)) {
		for c := range 5 {
			get(c, "/blog")
			get(c, "/blog/page/2/")
		}
	}, Paging{Page: "/page/", First: 1}},
	"a page, and somebody's mistake": {func(get func(int, string)) {
		for c := range 30 {
			get(c, "/t")
			get(c, "/t?page=2")
		}
		get(99, "/t?page=0")
	}, Paging{Page: "page", First: 1}},
	"behind a hundred other parameters": {func(get func(int, string)) {
		for n := range 100 {
			get(1, fmt.Sprintf("/t?a%03d=1", n))
		}
		for c := range 5 {
			get(c, "/t?page=1")
			get(c, "/t?page=2")
		}
	}, Paging{Page: "page", First: 1}},
	"an offset beside a filter called page": {func(get func(int, string)) {
		for c := range 5 {
			get(c, "/t?page=news")
			get(c, "/t?page=news&start=20")
			get(c, "/t?page=news&start=40")
		}
	}, Paging{Offset: "start", First: 1}},
}

func TestPagingIsFoundByWhatClientsAskForNext(t *testing.T) {
	for name, test := range paged {
		got, err := FindPaging(t.Context(), logOf(t, test.visit), 0)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, *got, cmpopts.IgnoreFields(Paging{}, "Reads", "Evidence")); diff != "" {
			t.Errorf("%s: - wanted + found\n%s\n%+v", name, diff, got.Evidence)
		}
	}
}

// TestWhatIsNoPageIsNotFound: numbers that go on by one without beginning at the first are ids that somebody enumerates.
func TestWhatIsNoPageIsNotFound(t *testing.T) {
	for name, visit := range map[string]func(get func(client int, target string)){
		"a crawler of ids": func(get func(int, string)) {
			for c := range 5 {
				for id := range 100 {
					get(c, fmt.Sprintf("/t?id=%d", 1000+100*c+id))
				}
			}
		},
		"a page that nobody goes on from": func(get func(int, string)) {
			for c := range 50 {
				get(c, "/t?page=1")
			}
		},
		"a filter that readers set": func(get func(int, string)) {
			for c := range 50 {
				get(c, "/t")
				get(c, "/t?kind=2")
				get(c, "/t?kind=2&sort=7")
			}
		},
		"no parameters": func(get func(int, string)) { get(1, "/t") },
	} {
		got, err := FindPaging(t.Context(), logOf(t, visit), 0)
		if !errors.Is(err, ErrParameter) {
			t.Errorf("%s: %v, found %+v", name, err, got)
		}
	}
}

func TestPagingOfABrokenLogIsAnError(t *testing.T) {
	path := logOf(t, func(get func(int, string)) { get(1, "/t?page=1") })
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("no line of a log\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var at *Error
	if _, err := FindPaging(t.Context(), path, 0); !errors.As(err, &at) || at.Line != 2 || at.Path != path {
		t.Errorf("%v", err)
	}
	if _, err := FindPaging(t.Context(), path+".none", 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
