package workloads_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/foliocache/folio/workloads"
)

// A recorded trace is opened by its extension; the compression is found in the content.
func ExampleOpen() {
	source, err := workloads.Open("testdata/web12.trace.xz")
	if err != nil {
		log.Fatal(err)
	}
	requests, distinct := 0, map[uint64]bool{}
	for request, err := range source.Requests() {
		if err != nil {
			log.Fatal(err) // names file, format and position
		}
		requests++
		distinct[request.ID] = true
	}
	fmt.Println(source.Name, source.Format, requests, len(distinct))
	// Output: web12.trace cache2k 95607 13756
}

// A generator gives the same requests on every machine.
func ExampleOpen_generator() {
	source, err := workloads.Open("gen:tickets?n=1000&preset=flashcrowd")
	if err != nil {
		log.Fatal(err)
	}
	for request, err := range source.Requests() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(request.Op, request.List, request.Scope, request.Variant, "page", request.Page)
		break
	}
	// Output: read tickets user:12099 sort=-created page 1
}

// A recording is written request by request and closed with its trailer.
func ExampleWriter() {
	var file bytes.Buffer
	w := workloads.NewWriter(&file)
	for page := range uint32(3) {
		err := w.Write(workloads.Request{
			Time: time.Duration(page) * time.Second,
			List: "tickets", Scope: "user:123", Variant: "sort=created_at",
			Offset: page * 20, Limit: 20, Page: page + 1, Rows: 20, Size: 3587,
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	folio, err := workloads.FormatNamed("folio")
	if err != nil {
		log.Fatal(err)
	}
	for request, err := range folio.Read(&file, workloads.Options{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(request.Time, request.List, request.Offset, request.Limit)
	}
	// Output:
	// 0s tickets 0 20
	// 1s tickets 20 20
	// 2s tickets 40 20
}

func ExampleDigest() {
	source, err := workloads.Open("gen:loop?n=10&m=3")
	if err != nil {
		log.Fatal(err)
	}
	digest, err := workloads.Digest(source.Requests())
	fmt.Println(digest[:16], err)
	// Output: 714b6eac1634f2e9 <nil>
}

func ExampleFormats() {
	for _, f := range workloads.Formats() {
		fmt.Fprintln(os.Stderr, f.Name, f.Extensions, f.Doc)
	}
}

func ExampleKinds() {
	for _, k := range workloads.Kinds() {
		fmt.Println(k.Name, len(k.Presets))
	}
	// Output:
	// extents 0
	// loop 0
	// mix 0
	// pages 0
	// splice 0
	// tickets 7
	// zipf 0
}
