package workloads

import (
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// gather returns all requests, and the error that ended them.
func gather(requests iter.Seq2[Request, error]) (all []Request, failure error) {
	for r, err := range requests {
		if failure != nil {
			return all, errors.New("a request or an error after the first error")
		}
		if failure = err; err == nil {
			all = append(all, r)
		}
	}
	return all, failure
}

func readAs(t *testing.T, format, options, data string) ([]Request, error) {
	t.Helper()
	f, err := FormatNamed(format)
	if err != nil {
		t.Fatal(err)
	}
	values, err := parseValues(f.Params, options)
	if err != nil {
		t.Fatal(err)
	}
	return gather(f.Read(strings.NewReader(data), Options{Values: values}))
}

func ids(ids ...uint64) (all []Request) {
	for _, id := range ids {
		all = append(all, Request{ID: id})
	}
	return all
}

// pack writes numbers in an order of bytes, each in its own width.
func pack(order binary.AppendByteOrder, numbers ...any) string {
	var b []byte
	for _, n := range numbers {
		switch n := n.(type) {
		case uint32:
			b = order.AppendUint32(b, n)
		case uint64:
			b = order.AppendUint64(b, n)
		}
	}
	return string(b)
}

const never = uint64(math.MaxUint64) // -1: no next access

const logLines = `1.2.3.4 - - [10/Oct/2025:13:55:36 -0700] "GET /tickets?page=1&sort=date&state=open HTTP/1.1" 200 2326 "-" "curl \"x\""
1.2.3.4 - - [10/Oct/2025:13:55:38 -0700] "GET /tickets?state=open&sort=date&page=3&limit=50 HTTP/1.1" 200 - "-" "curl"
1.2.3.4 - - [10/Oct/2025:13:55:37 -0700] "GET /tickets?cursor=abc HTTP/1.1" 200 9 "-" "curl"
1.2.3.4 - - [10/Oct/2025:13:55:40 -0700] "GET /tickets?offset=40&user=7 HTTP/1.1" 304 0 "-" "curl"
1.2.3.4 - - [10/Oct/2025:13:55:40 -0700] "GET /tickets?page=x HTTP/1.1" 200 1 "-" "curl"
1.2.3.4 - - [10/Oct/2025:13:55:40 -0700] "GET /none HTTP/1.1" 404 1 "-" "curl"
1.2.3.4 - - [10/Oct/2025:13:55:41 -0700] "PUT /tickets/8 HTTP/1.1" 204 0 "-" "curl"
1.2.3.4 - - [10/Oct/2025:13:55:41 -0700] "POST /tickets HTTP/1.1" 500 0 "-" "curl"
1.2.3.4 - - [10/Oct/2025:13:55:41 -0700] "POST /other HTTP/1.1" 201 0 "-" "curl"
1.2.3.4 - - [10/Oct/2025:13:55:42 -0700] "\x16\x03\x01" 400 0 "-" "-"
1.2.3.4 - - [10/Oct/2025:13:55:42 -0700] "HEAD /tickets HTTP/1.1" 200 0 "-" "-"
`

var logWant = []Request{
	{List: "/tickets", Scope: "public", Variant: "sort=date&state=open", Limit: 20, Page: 1, Size: 2326},
	{Time: 2 * time.Second, List: "/tickets", Scope: "public", Variant: "sort=date&state=open", Offset: 100, Limit: 50, Page: 3},
	{Time: 2 * time.Second, List: "/tickets", Scope: "public", Cursor: "abc", Limit: 20, Page: 2, Size: 9},
	{Time: 4 * time.Second, List: "/tickets", Scope: "user:7", Offset: 40, Limit: 20, Page: 3},
	{Time: 5 * time.Second, Op: Invalidate, List: "/tickets", Scope: "public"},
}

// fixtures are small traces written by hand, one or more a format.
var fixtures = []struct {
	name, format, options, data string
	want                        []Request
}{
	{"extents expand", "arc", "", "7 3 0 0\n18446744073709551614 2 0 1\n", ids(7, 8, 9, math.MaxUint64-1, math.MaxUint64)},
	{"CRLF", "arc", "", "7 1 0 0\r\n8\t1 0 1\r\n", ids(7, 8)},
	{"no last line end", "arc", "", "7 1 0 0\n8 1 0 1", ids(7, 8)},
	{"blank lines", "arc", "", "\n7 1 0 0\n\n", ids(7)},
	{"markers", "lirs", "", "5\n*\n\n18446744073709551615\n**\n7\n", ids(5, math.MaxUint64, 7)},
	{"CRLF", "lirs", "", "5\r\n*\r\n6\r\n", ids(5, 6)},
	{"big-endian", "cache2k", "", "\x00\x00\x00\x01\x00\x00\x00\x02\xf0\x00\x00\x03", ids(1, 2, 0xf0000003)},
	{"little-endian", "u64", "", pack(binary.LittleEndian, uint64(1), uint64(1<<63+5)), ids(1, 1<<63+5)},
	{"clock and size", "oracleGeneral", "",
		pack(binary.LittleEndian, uint32(100), uint64(1<<63+1), uint32(7), uint64(2), uint32(103), uint64(2), uint32(8), never),
		[]Request{{ID: 1<<63 + 1, Size: 7}, {Time: 3 * time.Second, ID: 2, Size: 8}}},
	{"keys", "csv", "", "time_ms,id,size,load_ms\n0,18446744073709551615,10,1.5\n1500.25,2,,\n",
		[]Request{{ID: math.MaxUint64, Size: 10, Load: 1500 * time.Microsecond}, {Time: 1500250 * time.Microsecond, ID: 2}}},
	{"pages", "csv", "", "list,scope,variant,page,limit,rows,total\r\n\"a,\"\"b\",user:1,sort=x,3,10,4,true\r\n",
		[]Request{{List: `a,"b`, Scope: "user:1", Variant: "sort=x", Page: 3, Offset: 20, Limit: 10, Rows: 4, Total: true}}},
	{"defaults", "csv", "", "list,offset\nt,40\nt,\n",
		[]Request{{List: "t", Scope: "public", Offset: 40, Limit: 20, Page: 3}, {List: "t", Scope: "public", Limit: 20, Page: 1}}},
	{"writes and marks", "csv", "", "\xef\xbb\xbfop,list,scope,position,cursor,page\ninsert,t,s,0,,\ndelete,t,s,9,,\nread,t,s,,c7,2\n",
		[]Request{{Op: Insert, List: "t", Scope: "s"}, {Op: Delete, List: "t", Scope: "s", Position: 9}, {List: "t", Scope: "s", Cursor: "c7", Page: 2, Limit: 20}}},
	{"keys", "jsonl", "", "{\"id\":18446744073709551615}\r\n\n{\"id\":\"3\",\"time_s\":1.5,\"size\":null}\n",
		[]Request{{ID: math.MaxUint64}, {ID: 3, Time: 1500 * time.Millisecond}}},
	{"blanks and escapes", "jsonl", "", ` { "list" : "a\"\\" , "scope":"\u00fc", "total" : true } `,
		[]Request{{List: `a"\`, Scope: "ü", Limit: 20, Page: 1, Total: true}}},
	{"pages", "jsonl", "", `{"list":"t","scope":"s\n","op":"update","position":4,"time_s":1e-3}`,
		[]Request{{Time: time.Millisecond, Op: Update, List: "t", Scope: "s\n", Position: 4}}},
	{"page views", "pages", "", pagesHeader + "\n5,1,0,1611,1,,,\n7,1,1,2,3,100,200,12.5\n6,1,1,2,1,100,301,\n",
		[]Request{{List: "e1611", Scope: "public", Limit: 20, Page: 1},
			{Time: 2 * time.Second, List: "e2", Scope: "public", Limit: 20, Page: 3, Offset: 40, Size: 100, Load: 12500 * time.Microsecond},
			{Time: 2 * time.Second, List: "e2", Scope: "public", Limit: 20, Page: 1, Size: 100}}},
	{"a log", "accesslog", "page=page&scope=user", logLines, logWant},
	{"CRLF", "accesslog", "page=page&scope=user", strings.ReplaceAll(logLines, "\n", "\r\n"), logWant},
	{"who and how long", "accesslog", "page=%2Fpage%2F&scope=$user", `1.2.3.4 - ann [10/Oct/2025:13:55:36 -0700] "GET /blog/page/3/?tag=go HTTP/1.1" 200 7 "-" "agent" rt=0.125` + "\n" +
		`1.2.3.4 - - [10/Oct/2025:13:55:36 -0700] "GET /blog/ HTTP/1.1" 200 7 "https://x/?rt=30" "rt=4" rt=-` + "\n", []Request{
		{List: "/blog", Scope: "user:ann", Variant: "tag=go", Limit: 20, Offset: 40, Page: 3, Size: 7, Load: 125 * time.Millisecond},
		{List: "/blog", Scope: "public", Limit: 20, Page: 1, Size: 7}}},
	{"JSON of nginx", "accesslog", "page=page&scope=$user", `{"time_iso8601":"2025-10-10T13:55:36-07:00","remote_addr":"1.2.3.4","request":"GET /t?page=2 HTTP/1.1","uri":"/t","remote_user":"-","status":200,"body_bytes_sent":"30","request_time":0.25}` + "\n" +
		`{"msec":"1760129738500","request_method":"DELETE","request_uri":"/t/7","status":"204"}` + "\n", []Request{
		{List: "/t", Scope: "public", Limit: 20, Offset: 20, Page: 2, Size: 30, Load: 250 * time.Millisecond},
		{Time: 2500 * time.Millisecond, Op: Invalidate, List: "/t", Scope: "public"}}},
	{"JSON of Caddy", "accesslog", "page=page&scope=$user", `{"ts":1760129736.5,"request":{"remote_ip":"::1","method":"GET","uri":"/t?page=1"},"user_id":"bob","duration":0.001,"size":12,"status":200}` + "\n",
		[]Request{{List: "/t", Scope: "user:bob", Limit: 20, Page: 1, Size: 12, Load: time.Millisecond}}},
	{"JSON of Envoy", "accesslog", "page=page", `{"start_time":"2025-10-10T20:55:36.000Z","method":"GET","path":"/t?page=1","response_code":200,"duration":12,"bytes_sent":9}` + "\n" +
		`{"start_time":"2025-10-10T20:55:37.000Z","method":"GET","path":"/t?page=1","response_code":0,"duration":12,"bytes_sent":0}` + "\n",
		[]Request{{List: "/t", Scope: "public", Limit: 20, Page: 1, Size: 9, Load: 12 * time.Millisecond}}},
}

func TestFixturesReadExactly(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.format+"/"+f.name, func(t *testing.T) {
			got, err := readAs(t, f.format, f.options, f.data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(f.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if form, _ := FormatNamed(f.format); !form.Sniff([]byte(f.data)) && !strings.HasPrefix(f.data, "\n") {
				t.Errorf("%s does not recognise its own fixture", f.format)
			}
		})
	}
}

func TestFixturesObeyTheRulesOfRequest(t *testing.T) {
	for _, f := range fixtures {
		var order inOrder
		for _, r := range f.want {
			if err := order.admit(&r); err != nil {
				t.Errorf("%s %s: %v", f.format, f.name, err)
			}
		}
	}
}

const goodLine = "1.2.3.4 - - [10/Oct/2025:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1\n"

// faults are inputs that must be refused, with the position and the words they are refused with.
var faults = []struct {
	format, options, data string
	line                  int
	offset                int64
	is                    error
	says                  string
}{
	{"arc", "", "1 8 0 1\n9 8", 2, 0, ErrTruncated, "2 of 4 fields"},
	{"arc", "", "1 8 0\n9 8 0 1\n", 1, 0, nil, "3 of 4 fields"},
	{"arc", "", "1 8 0 1 5\n", 1, 0, nil, "more than 4"},
	{"arc", "", "1 0 0 1\n", 1, 0, nil, "count of 0"},
	{"arc", "", "1 99999999999 0 1\n", 1, 0, nil, "count"},
	{"arc", "", "18446744073709551615 2 0 1\n", 1, 0, nil, "end beyond 2^64-1"},
	{"arc", "", "1 1 0 0\n-1 1 0 0\n", 2, 0, nil, "negative"},
	{"arc", "", "18446744073709551616 1 0 0\n", 1, 0, nil, "beyond 2^64-1"},
	{"lirs", "", "1\n*\n-5\n", 3, 0, nil, "negative"},
	{"lirs", "", "1\n18446744073709551616\n", 2, 0, nil, "beyond 2^64-1"},
	{"lirs", "", "1\nx\n", 2, 0, nil, "not a decimal"},
	{"u64", "", "12345678\x00", 0, 8, ErrTruncated, "1 bytes of a 8-byte record"},
	{"cache2k", "", "\x00\x00\x00\x01\x00", 0, 4, ErrTruncated, ""},
	{"oracleGeneral", "", strings.Repeat("\x00", 30), 0, 24, ErrTruncated, ""},
	{"csv", "", "id,sise\n1,2\n", 1, 0, nil, `did you mean "size"`},
	{"csv", "", "size\n1\n", 1, 0, nil, "no column id"},
	{"csv", "", "id,id\n1,1\n", 1, 0, nil, "twice"},
	{"csv", "", "id,size\n1,2\n1\n", 3, 0, nil, "1 values for 2 columns"},
	{"csv", "", "id,size\n1,2\n1", 3, 0, ErrTruncated, "1 values for 2 columns"},
	{"csv", "", "id,size\n1,-2\n", 2, 0, nil, "negative"},
	{"csv", "", "id,list\n1,t\n", 2, 0, nil, "exactly one"},
	{"csv", "", "id,op\n1,raed\n", 2, 0, nil, `did you mean "read"`},
	{"csv", "", "list,limit\nt,0\n", 2, 0, nil, "limit is 0"},
	{"csv", "", "list,scope\nt,s\nt,\n", 3, 0, nil, "scope is empty"},
	{"jsonl", "", `{"list":"t","scope":""}` + "\n", 1, 0, nil, "scope is empty"},
	{"jsonl", "", `{"list":"t","list":"u"}` + "\n", 1, 0, nil, "twice"},
	{"jsonl", "", `{"id":1 "size":2}` + "\n", 1, 0, nil, "no comma"},
	{"jsonl", "", `{"id":1}}` + "\n", 1, 0, nil, "after the object"},
	{"jsonl", "", `{"id":1,"total":tru}` + "\n", 1, 0, nil, "plain value"},
	{"jsonl", "", `{"list":"\q"}` + "\n", 1, 0, nil, "not JSON"},
	{"csv", "", "list,rows\nt,21\n", 2, 0, nil, "more than the limit"},
	{"csv", "", "list,page\nt,0\n", 2, 0, nil, "page is 0"},
	{"csv", "", "list,page\nt,4294967295\n", 2, 0, nil, "beyond row"},
	{"csv", "", "time_s,id\n5,1\n4,1\n", 3, 0, nil, "time falls"},
	{"csv", "", "id,list\n1,\"t\n", 2, 0, nil, "not closed"},
	{"csv", "", "id,list\n1,\"t\"x\n", 2, 0, nil, "after a closing quote"},
	{"jsonl", "", "{\"id\":1}\n{\"id\":2,\"sise\":1}\n", 2, 0, nil, `did you mean "size"`},
	{"jsonl", "", "{\"id\":1}\n{\"id\":", 2, 0, ErrTruncated, "not JSON"},
	{"jsonl", "", "{\"id\":-1}\n", 1, 0, nil, "negative"},
	{"jsonl", "", "{\"id\":[1]}\n", 1, 0, nil, "plain value"},
	{"jsonl", "", "{}\n", 1, 0, nil, "exactly one"},
	{"jsonl", "", "[]\n", 1, 0, nil, "no JSON object"},
	{"pages", "", "t_s,client\n", 1, 0, nil, "header"},
	{"pages", "", pagesHeader + "\n5,1,0,1611,0,,,\n", 2, 0, nil, "page 0"},
	{"pages", "", pagesHeader + "\n5,1,0,1611,1,,\n", 2, 0, nil, "7 of 8 fields"},
	{"accesslog", "page=p", goodLine + "x\n", 2, 0, nil, "Combined Log Format"},
	{"accesslog", "page=p", goodLine + "{\"status\":200,\n", 2, 0, nil, "JSON"},
	{"accesslog", "page=p", goodLine + "{\"status\":200,\"time\":\"soon\"}\n", 2, 0, nil, "soon"},
	{"accesslog", "page=p", goodLine + "{\"time\":1760129736,\"size\":-1,\"status\":200}\n", 2, 0, nil, "bytes"},
	{"accesslog", "page=p", goodLine + strings.Replace(goodLine, "Oct", "Okt", 1), 2, 0, nil, "no time"},
	{"accesslog", "page=p", goodLine + strings.Replace(goodLine, "200", "2x0", 1), 2, 0, nil, "no status"},
	{"lirs", "", "1\n" + strings.Repeat("1", bufferBytes+1), 2, 0, nil, "longer than"},
	{"folio", "", folioMagic[:6] + "\x02\n", 0, 6, nil, "version 2"},
}

func TestFaultsHaveTheirPosition(t *testing.T) {
	for _, c := range faults {
		_, err := readAs(t, c.format, c.options, c.data)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s %.40q: %v is no *Error", c.format, c.data, err)
			continue
		}
		if e.Format != c.format || e.Line != c.line || e.Offset != c.offset || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %.40q: %v\nat line %d, byte %d; want line %d, byte %d, %v, %q", c.format, c.data, err, e.Line, e.Offset, c.line, c.offset, c.is, c.says)
		}
		if c.is == nil && errors.Is(err, ErrTruncated) && !strings.HasSuffix(c.data, "1") {
			t.Errorf("%s %.40q: %v claims truncation", c.format, c.data, err)
		}
	}
}

func TestEmptyTracesAreErrors(t *testing.T) {
	for _, f := range Formats() {
		options := ""
		if f.Name == "accesslog" {
			options = "page=page"
		}
		if _, err := readAs(t, f.Name, options, ""); !errors.Is(err, ErrEmpty) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	for format, data := range map[string]string{"csv": "id\n", "pages": pagesHeader + "\n", "lirs": "*\n\n", "arc": "\n\r\n"} {
		if _, err := readAs(t, format, "", data); !errors.Is(err, ErrEmpty) {
			t.Errorf("%s without requests: %v", format, err)
		}
	}
}

func TestWrongFormatsAreNamed(t *testing.T) {
	for _, f := range fixtures {
		for _, wrong := range []string{"u64", "cache2k", "oracleGeneral", "folio", "arc", "lirs", "csv", "jsonl", "pages"} {
			if sure := certainly([]byte(f.data)); wrong == f.format || len(sure) == 0 {
				continue
			}
			_, err := readAs(t, wrong, "", f.data)
			if !errors.Is(err, ErrUnknownFormat) || !strings.Contains(err.Error(), f.format) {
				t.Errorf("%s %s read as %s: %v", f.format, f.name, wrong, err)
			}
		}
	}
}

func TestSkippedLinesAreCounted(t *testing.T) {
	f, _ := FormatNamed("accesslog")
	values, _ := parseValues(f.Params, "page=page&scope=user")
	var skipped []int
	o := Options{Values: values, Skipped: func(line int, _ string) { skipped = append(skipped, line) }}
	if _, err := gather(f.Read(strings.NewReader(logLines), o)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{5, 6, 8, 9, 10, 11}, skipped); diff != "" {
		t.Error(diff)
	}
}

type brokenReader struct{ after io.Reader }

var errBroken = errors.New("the disk is broken")

func (b brokenReader) Read(p []byte) (int, error) {
	if n, _ := b.after.Read(p); n > 0 {
		return n, nil
	}
	return 0, errBroken
}

func TestReadErrorsAreNotTakenForTheEnd(t *testing.T) {
	for _, fixture := range fixtures {
		f, _ := FormatNamed(fixture.format)
		values, _ := parseValues(f.Params, fixture.options)
		_, err := gather(f.Read(brokenReader{strings.NewReader(fixture.data)}, Options{Values: values}))
		if !errors.Is(err, errBroken) {
			t.Errorf("%s %s: %v", fixture.format, fixture.name, err)
		}
	}
}

func TestReadersStopWhenTold(t *testing.T) {
	for _, fixture := range fixtures {
		f, _ := FormatNamed(fixture.format)
		values, _ := parseValues(f.Params, fixture.options)
		for range f.Read(strings.NewReader(fixture.data), Options{Values: values}) {
			break // panics if the reader yields on
		}
	}
}
