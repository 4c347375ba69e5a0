package folio

import (
	"net/url"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var linkField = regexp.MustCompile(`^<(\?[!-~]*)>; rel="first", <(\?[!-~]*)>; rel="prev", <(\?[!-~]*)>; rel="next"$`)

// FuzzLinksLeadToTheSameQuery: whatever a request's query is, its links are well formed, and lead to it
// but for the place.
func FuzzLinksLeadToTheSameQuery(f *testing.F) {
	for _, raw := range []string{"", "page=2", "x=1&x=2&page=2&y", "offset=20&limit=20", "p%61ge=2&q=a+b", "q=%3E;,<>\"\\", "c=d,e&&=", "a=%zz", "ü=ü", "#", " ", "?"} {
		f.Add(raw)
	}
	s := shape{maxOffset: 1000}
	f.Fuzz(func(t *testing.T, raw string) {
		before, err := url.ParseQuery(raw)
		if err != nil {
			return // such a request is refused before
		}
		link := s.links(raw, Query{Offset: 20, Limit: 20}, 20)
		parts := linkField.FindStringSubmatch(link)
		if parts == nil {
			t.Fatalf("%q: %q", raw, link)
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
			if diff := cmp.Diff(want, after); err != nil || diff != "" || l.Path != "" || l.Host != "" || l.Fragment != "" {
				t.Fatalf("%q leads to %q: %v %s", raw, part, err, diff)
			}
		}
	})
}
