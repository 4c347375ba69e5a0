package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/foliocache/folio/tier"
)

func begun(t *testing.T, dir string) *Tier {
	t.Helper()
	k, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestOneOfTwoOpensIt: also where what there is has to be removed.
func TestOneOfTwoOpensIt(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		k := begun(t, dir)
		if err := errors.Join(k.db.Close(), k.lock.Close()); err != nil { // killed
			t.Fatal(err)
		}
		db, err := bbolt.Open(k.file, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			s, err := begin(tx)
			if err == nil {
				s.boot[0] ^= 1 // before the machine was started again
				err = s.end()
			}
			return err
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		var got [2]*Tier
		for i := range got {
			all.Go(func() {
				k, err := Open(Config{Dir: dir})
				if got[i] = k; err != nil && !errors.Is(err, ErrInUse) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got[0] != nil && got[1] != nil {
			t.Fatal("both have it open")
		}
		for _, k := range got {
			if k != nil {
				if err := k.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestNothingIsTakenOnceItIsWhole: what is acknowledged after that might be lost with the power, and the file be trusted.
func TestNothingIsTakenOnceItIsWhole(t *testing.T) {
	k := begun(t, t.TempDir())
	var all sync.WaitGroup
	var wrong atomic.Int64
	for range 4 {
		all.Go(func() {
			for {
				was := false
				if k.update(context.Background(), func(s *state) error { was = s.clean; s.next(); return s.set(7, s.n) }) != nil {
					return
				}
				if was {
					wrong.Add(1)
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d bumps were acknowledged after the file was marked as whole", wrong.Load())
	}
}

// TestNobodyWaitsForAWriterBeyondHisTime: reads not at all.
func TestNobodyWaitsForAWriterBeyondHisTime(t *testing.T) {
	k := begun(t, t.TempDir())
	defer k.Close()
	k.writer <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := k.Read(ctx, tier.Question{Tags: []uint64{9}}); err != nil {
		t.Error(err)
	}
	if _, err := k.Bump(ctx, "me", []uint64{9}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	<-k.writer
}

// TestAnothersFileStays: it is not taken for one of this package, and not removed.
func TestAnothersFileStays(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pages.db")
	db, err := bbolt.Open(file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("values")); return err }), db.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, errForeign) {
		t.Error(err)
	}
	if after, err := os.ReadFile(file); err != nil || len(after) != len(before) {
		t.Error("it was changed", err)
	}
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); err == nil { // root may read it all the same
		t.Error("opened")
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("it was removed:", err)
	}
}

// TestAClockSetBack: a value does not live longer by that.
func TestAClockSetBack(t *testing.T) {
	k := begun(t, t.TempDir())
	defer k.Close()
	now := time.Now()
	key := tier.Key{Name: "k", Home: 7}
	err := k.update(t.Context(), func(s *state) error {
		v, err := s.give(7)
		if err != nil {
			return err
		}
		return s.put("k", seal(&tier.Value{Key: key, Tags: []uint64{7}, Body: []byte("b"), Age: 30 * time.Second}, s.epoch, []uint64{v}, time.Minute, now))
	})
	if err != nil {
		t.Fatal(err)
	}
	for at, there := range map[time.Duration]bool{0: true, 59 * time.Second: true, time.Minute: false, -20 * time.Second: true, -time.Hour: false} {
		err := k.transact(t.Context(), k.db.View, func(s *state) error {
			v := s.value(key, now.Add(at))
			if (v.Body != nil) != there || v.TTL > 90*time.Second || v.Age < 0 {
				t.Errorf("%s after it was written: %+v", at, v)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
