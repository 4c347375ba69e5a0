// Package baseline holds the replacement policies of the literature, one file each, over
// dense unit ids: the rivals a simulation shows beside the arena.
//
// Every policy works in abstract capacity: with all sizes 1 it counts objects, with sizes in
// bytes it counts bytes. Policies are single-goroutine state machines without clock or I/O.
package baseline

import (
	"fmt"
	"sort"
)

// Policy is one cache under test. The simulator calls Get for every request and, when Get
// reported a miss, Put once the load is done; between the two other requests may come.
type Policy interface {
	// Get records a request for unit id and reports whether it is resident.
	Get(id uint32) bool
	// Put stores unit id with the given size (>= 1), evicting what must go. A resident unit
	// keeps its place and takes the new size. A unit larger than the capacity is refused
	// (and, where resident, removed).
	Put(id uint32, size int64)
	// Usage returns the counters so far, in O(1).
	Usage() Usage
}

// Usage counts what a policy holds and has done.
type Usage struct {
	Entries  int64 // resident units
	Used     int64 // capacity in use, <= Config.Capacity after every Put
	Evicted  int64 // units that were resident and were removed to make room
	Admitted int64 // units made resident; a policy that refuses admits less than it is offered
}

// Config is what a policy is built for.
type Config struct {
	Capacity int64  // objects or bytes, >= 1
	IDs      int    // unit ids are 0..IDs-1
	Seed     uint64 // of policies that draw random numbers
	// Next holds, for request i, the index of the next request for the same unit, or
	// NoNext. Only policies of kind "future" get it; their Get is called exactly
	// once for every request, in order.
	Next   []uint32
	First  []uint32 // the index of every unit's first request, or NoNext; nil: unknown
	Params Params
}

// NoNext marks a request whose unit is never asked for again.
const NoNext = ^uint32(0)

// Params holds the values of a policy's parameters by name, complete with defaults.
type Params map[string]string

// Param describes one parameter of a policy.
type Param struct {
	Name, Default, Doc string
}

// Info describes a registered policy.
type Info struct {
	Name   string
	Doc    string // one line: what it is, paper, year
	Kind   string // "exact": deterministic; "random": depends on the seed; "future": needs the whole trace
	Params []Param
	New    func(Config) (Policy, error)
}

var registry = map[string]Info{}

// Register adds a policy; called from init functions. It panics on a name taken twice.
func Register(i Info) {
	if _, ok := registry[i.Name]; ok {
		panic(fmt.Sprintf("baseline: %q registered twice", i.Name))
	}
	registry[i.Name] = i
}

// Lookup returns the policy registered under name.
func Lookup(name string) (Info, bool) {
	i, ok := registry[name]
	return i, ok
}

// All returns every registered policy by name.
func All() []Info {
	all := make([]Info, 0, len(registry))
	for _, i := range registry {
		all = append(all, i)
	}
	sort.Slice(all, func(a, b int) bool { return all[a].Name < all[b].Name })
	return all
}
