// Package chunked holds slices that grow without moving what they hold: elements are never copied,
// and all chunks but the last are full.
package chunked

import "unsafe"

const (
	bits = 9
	size = 1 << bits // elements of a chunk
)

// Slice is a slice in chunks of 512 elements. The zero value is empty. Not for concurrent use.
type Slice[T any] struct {
	chunks []*[size]T
}

// At returns element i, which stays where it is for good. Beyond what it was grown to it panics or
// returns a zero element that is not there yet.
func (s *Slice[T]) At(i uint32) *T { return &s.chunks[i>>bits][i&(size-1)] }

// Grow lengthens the slice to n elements or more, new ones zero; it never shortens it.
func (s *Slice[T]) Grow(n int) {
	for len(s.chunks)*size < n {
		s.chunks = append(s.chunks, new([size]T))
	}
}

// Bytes returns the bytes of heap that the slice takes.
func (s *Slice[T]) Bytes() int64 {
	var chunk [size]T
	return int64(len(s.chunks))*int64(unsafe.Sizeof(chunk)) + int64(cap(s.chunks))*int64(unsafe.Sizeof(uintptr(0)))
}
