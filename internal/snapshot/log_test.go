package snapshot

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// logs reads the logs of a snapshot that has versions 1: 5 and 2: 5.
func logs(t *testing.T, dir string, id uint64, clean bool) (s *Snapshot, flushed bool, err error) {
	t.Helper()
	s = &Snapshot{Header: Header{ID: id}, Versions: map[uint64]uint64{1: 5, 2: 5}, Clean: clean, logged: map[uint64]bool{}}
	flushed, err = s.ReadLogs(dir)
	return s, flushed, err
}

func newLog(t *testing.T, dir string, id uint64, next bool) *Log {
	t.Helper()
	l, err := NewLog(dir, id, next)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// reopened returns the log of a snapshot that its own logs were read for.
func reopened(t *testing.T, dir string, id uint64) *Log {
	t.Helper()
	s, _, err := logs(t, dir, id, false)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Reopen(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func bump(t *testing.T, l *Log, pairs ...uint64) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := l.Bump(pairs[i:i+1], pairs[i+1:i+2]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestALogAddsWhatWasBumped: whichever of its names it has, and nothing of another snapshot's.
func TestALogAddsWhatWasBumped(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := logs(t, dir, 7, false); !errors.Is(err, ErrCorrupt) {
		t.Errorf("without a log: %v", err)
	}
	if _, _, err := logs(t, dir, 7, true); err != nil {
		t.Errorf("clean: %v", err)
	}
	old, next := newLog(t, dir, 6, false), newLog(t, dir, 7, true)
	bump(t, old, 2, 99)
	bump(t, next, 1, 9, 3, 4, 1, 8)
	check := func(want ...uint64) {
		t.Helper()
		s, flushed, err := logs(t, dir, 7, false)
		if err != nil || flushed {
			t.Fatalf("%v, flushed: %v", err, flushed)
		}
		for i, n := range want {
			if s.Versions[uint64(i+1)] != n {
				t.Errorf("version %d of tag %d, want %d", s.Versions[uint64(i+1)], i+1, n)
			}
		}
	}
	check(9, 5, 4)
	if err := next.Adopt(dir); err != nil {
		t.Fatal(err)
	}
	bump(t, next, 2, 6)
	check(9, 6, 4)
	again := reopened(t, dir, 7)
	bump(t, again, 3, 5)
	check(9, 6, 5)
	if err := again.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, flushed, err := logs(t, dir, 7, false); err != nil || !flushed {
		t.Errorf("flushed: %v, %v", flushed, err)
	}
	if again.Bytes() != 5*recordSize { // three of before, and two
		t.Errorf("%d bytes", again.Bytes())
	}
	if err := errors.Join(old.Close(), next.Close(), again.Remove()); err != nil {
		t.Error(err)
	}
	if _, _, err := logs(t, dir, 7, false); !errors.Is(err, ErrCorrupt) {
		t.Errorf("once it is removed: %v", err)
	}
}

// TestADamagedLogIsRefused: but for its end, which nobody was told of.
func TestADamagedLogIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := newLog(t, dir, 7, false)
	bump(t, l, 1, 8, 2, 9)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, logFile)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		if err := os.WriteFile(name, whole[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		s, _, err := logs(t, dir, 7, false)
		records := (i - logHead) / recordSize
		if i < logHead && !errors.Is(err, ErrCorrupt) || i >= logHead && (err != nil || (s.Versions[1] == 8) != (records > 0) || s.Versions[2] == 9) {
			t.Errorf("cut at byte %d: %v, %v", i, s.Versions, err)
		}
		b := bytes.Clone(whole)
		b[i] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := logs(t, dir, 7, true); !errors.Is(err, ErrCorrupt) {
			t.Errorf("changed at byte %d: %v", i, err)
		}
	}
}

// TestALogOfBeforeTheMachinesStartIsRefused: its end may be lost; where starts cannot be told apart, all is synced.
func TestALogOfBeforeTheMachinesStartIsRefused(t *testing.T) {
	dir, file := t.TempDir(), bootFile
	defer func() { bootFile = file }()
	bootFile = filepath.Join(dir, "boot")
	boot := func(id string) {
		if err := os.WriteFile(bootFile, []byte(id), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	boot("3a8c2f41-98f5-4c3f-8a6e-000000000001\n")
	l := newLog(t, dir, 7, false)
	if bump(t, l, 1, 6); l.synced {
		t.Error("synced")
	}
	if s, _, err := logs(t, dir, 7, false); err != nil || s.Versions[1] != 6 {
		t.Errorf("%v, %v", s, err)
	}
	boot("3a8c2f41-98f5-4c3f-8a6e-000000000002\n")
	if _, _, err := logs(t, dir, 7, true); !errors.Is(err, ErrCorrupt) {
		t.Errorf("after another start: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	bootFile = filepath.Join(dir, "none")
	if l = newLog(t, dir, 7, false); !l.synced {
		t.Error("not synced")
	}
	bump(t, l, 1, 7)
	if s, _, err := logs(t, dir, 7, false); err != nil || s.Versions[1] != 7 {
		t.Errorf("%v, %v", s, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderIsLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	f, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("locked twice: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = Lock(dir); err != nil {
		t.Fatalf("once it is given back: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// FuzzLog: no bytes make the reader panic.
func FuzzLog(f *testing.F) {
	dir := f.TempDir()
	l, err := NewLog(dir, 7, false)
	if err != nil {
		f.Fatal(err)
	}
	whole, _ := os.ReadFile(filepath.Join(dir, logFile))
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(appendRecord(whole, 0, 1, 2), uint64(7))
	f.Add([]byte(logMagic), uint64(7))
	f.Fuzz(func(_ *testing.T, b []byte, id uint64) {
		s := &Snapshot{Header: Header{ID: id}, Versions: map[uint64]uint64{}, logged: map[uint64]bool{}}
		_, _, _ = s.readLog(bytes.NewReader(b))
	})
}

// TestTwoKillsLoseNoBump: one between Commit and Adopt, one while the log is written anew.
func TestTwoKillsLoseNoBump(t *testing.T) {
	dir := t.TempDir()
	old, next := newLog(t, dir, 6, false), newLog(t, dir, 7, true)
	bump(t, next, 1, 9)
	again := reopened(t, dir, 7)
	newLog(t, dir, 7, true) // as far as a kill within Reopen leaves it
	if s, _, err := logs(t, dir, 7, false); err != nil || s.Versions[1] != 9 {
		t.Errorf("%v, version %d of tag 1", err, s.Versions[1])
	}
	if err := errors.Join(old.Close(), next.Close(), again.Close()); err != nil {
		t.Error(err)
	}
}
