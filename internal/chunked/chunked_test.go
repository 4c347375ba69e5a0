package chunked

import (
	"testing"
	"unsafe"
)

func TestElementsKeepTheirValueAndPlace(t *testing.T) {
	var s Slice[uint32]
	var places []*uint32
	for i := range uint32(3*size + 5) {
		s.Grow(int(i) + 1)
		*s.At(i) = i
		places = append(places, s.At(i))
	}
	for i, p := range places {
		if i := uint32(i); *s.At(i) != i || s.At(i) != p {
			t.Fatalf("element %d is %d at %p, was at %p", i, *s.At(i), s.At(i), p)
		}
	}
}

func TestGrowAddsZeroesAndNeverShortens(t *testing.T) {
	var s Slice[int]
	s.Grow(1)
	*s.At(0) = 7
	s.Grow(size + 2)
	if *s.At(0) != 7 || *s.At(size + 1) != 0 {
		t.Errorf("first %d, last %d", *s.At(0), *s.At(size + 1))
	}
	before := s.Bytes()
	s.Grow(3)
	if s.Bytes() != before {
		t.Errorf("%d bytes after growing to 3, %d before", s.Bytes(), before)
	}
}

func TestBytesAreThoseOfWholeChunks(t *testing.T) {
	var s Slice[uint32]
	if s.Bytes() != 0 {
		t.Errorf("empty: %d bytes", s.Bytes())
	}
	s.Grow(size + 1)
	if want := 2*size*4 + int64(cap(s.chunks))*int64(unsafe.Sizeof(s.chunks[0])); s.Bytes() != want {
		t.Errorf("%d bytes, want %d", s.Bytes(), want)
	}
}
