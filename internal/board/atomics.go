package board

import (
	"sync/atomic"
	"unsafe"
)

const chunkBits = 12

// atomics holds something of each slot that many may look up while it grows.
type atomics[T any] struct {
	chunks atomic.Pointer[[]*[1 << chunkBits]T]
}

// at returns what is held of a slot, nil if there is no place.
func (a *atomics[T]) at(slot uint32) *T {
	c := a.chunks.Load()
	if c == nil || uint64(slot>>chunkBits) >= uint64(len(*c)) {
		return nil
	}
	return &(*c)[slot>>chunkBits][slot&(1<<chunkBits-1)]
}

// grow makes room for slots 0..slots-1. Not concurrently with itself.
func (a *atomics[T]) grow(slots int) {
	var all []*[1 << chunkBits]T
	if c := a.chunks.Load(); c != nil {
		all = *c
	}
	if len(all)<<chunkBits >= slots {
		return
	}
	all = append([]*[1 << chunkBits]T(nil), all...)
	for len(all)<<chunkBits < slots {
		all = append(all, new([1 << chunkBits]T))
	}
	a.chunks.Store(&all)
}

func (a *atomics[T]) bytes() int64 {
	c := a.chunks.Load()
	if c == nil {
		return 0
	}
	var one T
	return int64(len(*c)) * (int64(unsafe.Sizeof(one))<<chunkBits + 8)
}
