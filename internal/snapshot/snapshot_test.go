package snapshot

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var someHeader = Header{ID: 7, Seed: 9, Version: "v1"}

func someEntries() []Entry {
	return []Entry{
		{Space: 1, Kind: 2, Ring: 1, Strategy: 3, Pieces: 4, Rows: 5, Sum: 6, Born: -7, Expires: 8, Hazard: .5, Early: 1e-9, Confidence: 1, Key: []byte("key"), Stamps: bytes.Repeat([]byte{1}, 32), Body: []byte("body")},
		{Key: []byte{}, Stamps: []byte{}, Body: bytes.Repeat([]byte("x"), blockBytes)},
		{Key: []byte("last"), Stamps: []byte{}, Body: []byte{}},
	}
}

// write writes a snapshot of some entries and versions.
func write(t testing.TB, dir string, clean bool) {
	t.Helper()
	w, err := Create(dir, someHeader)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range someEntries() {
		if err := w.Entry(&e); err != nil {
			t.Fatal(err)
		}
	}
	for tag := range uint64(70_000) { // more than a block
		if err := w.Version(tag, tag+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(clean); err != nil {
		t.Fatal(err)
	}
}

func TestASnapshotIsReadAsItWasWritten(t *testing.T) {
	for _, clean := range []bool{false, true} {
		dir := t.TempDir()
		if _, err := Open(dir); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("an empty folder: %v", err)
		}
		write(t, dir, clean)
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.Header != someHeader || s.Entries != 3 || s.Clean != clean || len(s.Versions) != 70_000 || s.Versions[69_999] != 70_000 {
			t.Errorf("%+v, %d entries, %d versions, clean: %v", s.Header, s.Entries, len(s.Versions), s.Clean)
		}
		var got []Entry
		if err := s.Each(func(e *Entry) {
			c := *e
			c.Key, c.Stamps, c.Body = bytes.Clone(e.Key), bytes.Clone(e.Stamps), bytes.Clone(e.Body)
			got = append(got, c)
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(someEntries(), got); diff != "" {
			t.Error(diff)
		}
	}
}

// small is a snapshot of two small entries and a version, as bytes.
func small(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	w, err := Create(dir, someHeader)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []Entry{someEntries()[0], someEntries()[2]} {
		err = errors.Join(err, w.Entry(&e))
	}
	if err = errors.Join(err, w.Version(1, 2), w.Commit(false)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, snapshotFile))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readBytes reads a snapshot and returns how many entries it tells of.
func readBytes(b []byte) (n int, err error) {
	s := &Snapshot{Versions: map[uint64]uint64{}, logged: map[uint64]bool{}}
	err = s.read(bytes.NewReader(b), func(*Entry) { n++ })
	return n, err
}

// TestADamagedSnapshotIsRefused: cut or changed at any byte, with something behind it, or a block left out or twice.
func TestADamagedSnapshotIsRefused(t *testing.T) {
	whole := small(t)
	if n, err := readBytes(whole); n != 2 || err != nil {
		t.Fatalf("%d entries, %v", n, err)
	}
	refused := func(what string, at int, b []byte) {
		t.Helper()
		if _, err := readBytes(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s at byte %d: %v", what, at, err)
		}
	}
	for i := range whole {
		refused("cut", i, whole[:i])
		for _, bit := range []byte{1, 128} {
			b := bytes.Clone(whole)
			b[i] ^= bit
			refused("changed", i, b)
		}
	}
	refused("followed", len(whole), append(bytes.Clone(whole), 0))
	var blocks [][]byte
	for rest := whole[len(magic):]; len(rest) > 0; {
		n := blockHead + int(rest[1]) + int(rest[2])<<8 + sumBytes
		blocks, rest = append(blocks, rest[:n]), rest[n:]
	}
	for i := range blocks {
		without, twice := []byte(magic), []byte(magic)
		for j, b := range blocks {
			if twice = append(twice, b...); j == i {
				twice = append(twice, b...)
			} else {
				without = append(without, b...)
			}
		}
		refused("without block", i, without)
		refused("twice block", i, twice)
	}
}

// FuzzSnapshot: no bytes make the reader panic, or take more memory than they are long.
func FuzzSnapshot(f *testing.F) {
	whole := small(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := readBytes(b); err == nil && !bytes.HasPrefix(b, []byte(magic)) {
			t.Error("read")
		}
	})
}

func TestTheOneBeforeStaysUntilTheNextIsWhole(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, true)
	w, err := Create(dir, Header{ID: 8})
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []func(){func() {}, w.Abort} { // as if it was killed; and given up
		end()
		s, err := Open(dir)
		if err != nil || s.ID != someHeader.ID {
			t.Fatalf("%v, %v", s, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := Drop(dir); err != nil {
		t.Fatal(err)
	}
	if err := Drop(dir); err != nil {
		t.Errorf("what is not there: %v", err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}
