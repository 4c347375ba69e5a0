package workloads

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"math"
	"time"
)

func init() {
	register(Format{
		Name:  "pages",
		Doc:   "CSV of page views: " + pagesHeader,
		Text:  true,
		Read:  readPages,
		Sniff: sniffPages,
	})
}

const (
	pagesHeader = "t_s,client,bot,endpoint,page,bytes,status,latency_ms"
	pagesLimit  = 20 // the logs do not tell the limit
)

// pageReader keeps what lasts from line to line.
type pageReader struct {
	clock clock
	lists map[string]string // endpoint → list name, shared by its requests
}

// readPages yields one read a line: list "e<endpoint>", scope public, limit 20, offset
// (page-1)·20, size and load where logged. Rows are unknown; client, bot and status are not used.
func readPages(r io.Reader, _ Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		in, reader := newLines(r), pageReader{lists: map[string]string{}}
		if in.next() && string(bytes.TrimSpace(in.text)) != pagesHeader {
			yield(Request{}, in.fault(fmt.Errorf("the header is %s, not %s", clip(in.text), pagesHeader)))
			return
		}
		for in.next() {
			request, err := reader.parse(in.text)
			if err != nil {
				yield(Request{}, in.fault(err))
				return
			}
			if !yield(request, nil) {
				return
			}
		}
		if err := in.err(); err != nil {
			yield(Request{}, err)
		}
	}
}

func (p *pageReader) parse(line []byte) (Request, error) {
	fields := bytes.Split(line, []byte(","))
	if len(fields) != 8 {
		return Request{}, fmt.Errorf("%s has %d of 8 fields", clip(line), len(fields))
	}
	at, err := parseDuration(fields[0], time.Second)
	if err != nil {
		return Request{}, fmt.Errorf("t_s: %w", err)
	}
	r := Request{Time: p.clock.since(at), Scope: publicScope, Limit: pagesLimit}
	if r.List, err = p.list(fields[3]); err != nil {
		return Request{}, fmt.Errorf("endpoint: %w", err)
	}
	if r.Page, err = parseUint32(fields[4]); err != nil {
		return Request{}, fmt.Errorf("page: %w", err)
	}
	if r.Page == 0 || r.Page > math.MaxUint32/pagesLimit {
		return Request{}, fmt.Errorf("page %d is not between 1 and %d", r.Page, math.MaxUint32/pagesLimit)
	}
	r.Offset = (r.Page - 1) * pagesLimit
	return r, r.cost(fields[5], fields[7])
}

// cost reads size and load, either of which may be missing.
func (r *Request) cost(size, load []byte) (err error) {
	if len(size) > 0 {
		if r.Size, err = parseUint32(size); err != nil {
			return fmt.Errorf("bytes: %w", err)
		}
	}
	if len(load) > 0 {
		if r.Load, err = parseDuration(load, time.Millisecond); err != nil {
			return fmt.Errorf("latency_ms: %w", err)
		}
	}
	return nil
}

func (p *pageReader) list(endpoint []byte) (string, error) {
	if name, ok := p.lists[string(endpoint)]; ok {
		return name, nil
	}
	if _, err := parseUint(endpoint); err != nil {
		return "", err
	}
	name := "e" + string(endpoint)
	p.lists[string(endpoint)] = name
	return name, nil
}

func sniffPages(head []byte) bool {
	first := firstLines(head, 1)
	return len(first) == 1 && string(first[0]) == pagesHeader
}
