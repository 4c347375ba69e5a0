package main

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// accesslogCmd is simulate accesslog.
type accesslogCmd struct {
	In  string `arg:"" help:"Log of nginx, Apache, Caddy or others, in the Combined Log Format or JSON, packed or not."`
	Out string `arg:"" help:"File to write; its extension tells the format (.folio .csv .jsonl, then .zst or .gz); - writes jsonl to stdout."`

	Page   string `placeholder:"NAME" help:"Query parameter with the page number; /page/ where it is in the path."`
	Offset string `placeholder:"NAME" help:"The one with the rows before the page."`
	Limit  string `placeholder:"NAME" help:"The one with the rows asked for."`
	Cursor string `placeholder:"NAME" help:"The one with a keyset cursor."`
	Scope  string `placeholder:"NAME" help:"The one whose value is the scope; $$user: who was logged in. Default: all is public."`
	First  string `enum:",0,1" default:"" placeholder:"N" help:"Number of the first page, 0 or 1."`
	Rows   int    `default:"20" help:"Rows of a request that names none."`

	Bad uint32 `name:"max-bad-lines" default:"100" placeholder:"N" help:"Leave out at most N lines that are none of a log's (${default})."`

	Plain bool   `help:"Keep names as they are. Default: lists, scopes, filters and cursors are replaced by hashes with a key that nobody knows."`
	Key   string `name:"anonymize-key" placeholder:"KEYFILE" help:"Replace them by hashes with this key, at least 16 random bytes: logs of several days get the same names."`
}

// Help is the end of simulate accesslog --help.
func (c *accesslogCmd) Help() string {
	return `Unless --page, --offset or --cursor says it, which parameters page the lists is found by what clients ask for one after the other: the next page, one
limit further, a cursor. The evidence is printed. Reads are answered GETs; POST, PUT, PATCH and DELETE outdate the lists of their path, with --scope
those of the same scope. What the server took is known of logs that say
it: request_time in JSON, or rt=$request_time at the end of nginx's line.

Examples:
  simulate accesslog /var/log/nginx/access.log trace.folio
  simulate accesslog access.json.gz trace.folio --scope '$user'
  simulate accesslog access.log trace.folio --page p --limit n --anonymize-key key`
}

// Run converts a log.
func (c *accesslogCmd) Run(s *streams) error {
	if c.Plain && c.Key != "" {
		return usageError{fmt.Errorf("--plain and --anonymize-key: one of the two")}
	}
	hidden, err := newVeil(c.Key)
	if err != nil {
		return err
	}
	if hidden == nil && !c.Plain {
		key := make([]byte, 2*keyBytes)
		_, _ = rand.Read(key) // it does not fail: crypto/rand.Read
		hidden = veilOf(key)
	}
	options := url.Values{}
	if c.Page == "" && c.Offset == "" && c.Cursor == "" {
		paging, err := workloads.FindPaging(s.ctx, c.In, c.Bad)
		if paging != nil {
			evidence(s, paging)
		}
		if err != nil {
			return err
		}
		options = paging.Spec()
	}
	for name, value := range map[string]string{"page": c.Page, "offset": c.Offset, "limit": c.Limit, "cursor": c.Cursor, "scope": c.Scope, "first": c.First, "rows": fmt.Sprint(c.Rows), "bad": fmt.Sprint(c.Bad)} {
		if value != "" {
			options.Set(name, value)
		}
	}
	if !options.Has("page") {
		options.Set("page", "/page/") // no parameter is one
	}
	in := "accesslog:" + c.In + "?" + options.Encode()
	if strings.Contains(c.In, "?") {
		return fmt.Errorf("%w: a log with a ? in its name: %s", sim.ErrConfig, c.In)
	}
	skipped := map[string]int{}
	if err := convert(s, in, c.Out, filter{veil: hidden}, func(_ int, why string) { skipped[why]++ }); err != nil {
		return err
	}
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		fmt.Fprintf(s.stderr, "left out %d lines: %s\n", skipped[why], why)
	}
	return nil
}

// evidence prints what was found.
func evidence(s *streams, p *workloads.Paging) {
	t := tabwriter.NewWriter(s.stderr, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "parameter\tis\trequests of %d\tvalues\tchanges\tto the next page\tbegun at the first\n", p.Reads)
	for _, e := range p.Evidence {
		role := e.Role
		if role == "" {
			role = "a filter"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d of %d\n", e.Name, role, e.Requests, e.Values, e.Changes, e.Forward, e.Begun, e.Ways)
	}
	_ = t.Flush() // to stderr
}
