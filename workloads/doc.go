// Package workloads turns recorded traces and seeded generators into one stream of requests.
//
// A trace is named by a spec and read as often as wanted:
//
//	source, err := workloads.Open("arc:OLTP.lis.zst")
//	for request, err := range source.Requests() { … }
//
// Read the files in this order: request.go (what a trace consists of), source.go (Open),
// format.go (the registry of file formats; one file a format), folio.go (our own format, with
// its byte layout), kind.go (the registry of generators; one file a generator), tickets.go
// (the yardstick workload), digest.go (what freezes a generator).
//
// Everything streams: no reader or generator holds more than one block, line or record of the
// trace. Nothing a file holds makes a reader panic; what it cannot read is an [*Error] with its
// position.
package workloads
