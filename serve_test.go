package folio

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var linkField = regexp.MustCompile(`^<([^<>"\s\\]*)>; rel="first", <([^<>"\s\\]*)>; rel="prev", <([^<>"\s\\]*)>; rel="next"$`)

// FuzzLinksLeadToTheSameQuery: whatever a request's URI is, its links are well formed, and lead to it
// but for the place.
func FuzzLinksLeadToTheSameQuery(f *testing.F) {
	for _, uri := range []string{"/", "/a?page=2", "/a%3E?x=1&x=2&page=2&y", "/?offset=20&limit=20", "/?p%61ge=2&q=a+b", "/?q=%3E;,<>\"\\", "/a,b?c=d,e&&=", "//x/?a=%zz", "//evil/?a=1", "//", "/ü?ü=ü"} {
		f.Add(uri)
	}
	s := shape{maxOffset: 1000}
	f.Fuzz(func(t *testing.T, uri string) {
		u, err := url.ParseRequestURI(uri)
		if err != nil {
			return
		}
		before, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			return // such a request is refused before
		}
		parts := linkField.FindStringSubmatch(s.links(u, Query{Offset: 20, Limit: 20}, 20))
		if parts == nil {
			t.Fatalf("%q: %q", uri, s.links(u, Query{Offset: 20, Limit: 20}, 20))
		}
		for i, part := range parts[1:] {
			l, err := url.Parse(part)
			if err != nil {
				t.Fatalf("%q: %v", part, err)
			}
			after, err := url.ParseQuery(l.RawQuery)
			place, n := "page", []string{"1", "1", "3"}[i]
			if before.Has("offset") {
				place, n = "offset", []string{"0", "0", "40"}[i]
			}
			want := url.Values{place: {n}}
			for name, values := range before {
				if name != "page" && name != "offset" {
					want[name] = values
				}
			}
			here := url.URL{Scheme: "http", Host: "here", Path: u.Path, RawPath: u.RawPath}
			if diff := cmp.Diff(want, after); err != nil || diff != "" || here.ResolveReference(l).Host != "here" || !strings.HasSuffix(l.EscapedPath(), u.EscapedPath()) {
				t.Fatalf("%q leads to %q: %v %s", uri, part, err, diff)
			}
		}
	})
}
