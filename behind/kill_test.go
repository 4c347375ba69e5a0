package behind_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/foliocache/folio/behind"
)

// store is a sink in a file, that does nothing twice: for each key the ID of its last write, and how many it had.
func store(db *bbolt.DB) func(context.Context, []behind.Write) error {
	return func(_ context.Context, writes []behind.Write) error {
		return db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("rows"))
			for _, w := range writes {
				last, n := uint64(0), uint64(0)
				if v := b.Get([]byte(w.Key)); v != nil {
					last, n = binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])
				}
				if w.ID <= last {
					continue
				}
				if got, _ := strconv.ParseUint(string(w.Body), 10, 64); got != n+1 {
					return fmt.Errorf("key %s: write %d after %d", w.Key, got, n)
				}
				err = errors.Join(err, b.Put([]byte(w.Key), binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, w.ID), n+1)))
			}
			return err
		})
	}
}

const victimKeys = 8

// rows are how many writes of each key the store has done.
func rows(db *bbolt.DB) (n [victimKeys]uint64, err error) {
	return n, db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("rows"))
		for key := range n {
			if b == nil {
				continue
			}
			if v := b.Get([]byte(strconv.Itoa(key))); v != nil {
				n[key] = binary.BigEndian.Uint64(v[8:])
			}
		}
		return nil
	})
}

// victim puts writes until it is killed, and says which were acknowledged.
func victim(dir string) {
	fail := func(err error) {
		fmt.Println("error", err)
		os.Exit(1)
	}
	db, err := bbolt.Open(filepath.Join(dir, "store.db"), 0o600, nil)
	if err != nil {
		fail(err)
	}
	q, err := behind.Open(behind.Config{Dir: dir, Sink: store(db), Interval: time.Millisecond, MaxBatch: 5, Workers: 2})
	if err != nil {
		fail(err)
	}
	if _, err := q.Flush(context.Background()); err != nil { // what was left
		fail(err)
	}
	next, err := rows(db)
	if err != nil {
		fail(err)
	}
	fmt.Println("open", next)
	var all sync.WaitGroup
	for key := range next {
		all.Go(func() {
			for n := next[key] + 1; ; n++ {
				if err := q.Put(context.Background(), behind.Write{Key: strconv.Itoa(key), Body: strconv.AppendUint(nil, n, 10)}); err != nil {
					fail(err)
				}
				fmt.Printf("put %d %d\n", key, n)
			}
		})
	}
	all.Wait()
}

// TestKilled: 200 times, at any moment. No write that was acknowledged is lost, and none is done twice, or out of its
// order: the store would say so, and the queue never end.
func TestKilled(t *testing.T) {
	kills := 200
	if testing.Short() {
		kills = 20
	}
	dir := t.TempDir()
	var acknowledged [victimKeys]uint64
	for range kills {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "FOLIO_BEHIND_VICTIM="+dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(out)
		time.AfterFunc(time.Duration(20_000+rand.IntN(80_000))*time.Microsecond, func() { _ = c.Process.Kill() })
		for {
			line, err := in.ReadString('\n')
			if errors.Is(err, io.EOF) {
				break // what it had begun to say was not said
			}
			var key int
			var n uint64
			if _, err := fmt.Sscanf(line, "put %d %d", &key, &n); err == nil {
				acknowledged[key] = n
			} else if strings.HasPrefix(line, "error") {
				t.Fatal(line)
			}
		}
		_ = c.Wait()
	}
	db, err := bbolt.Open(filepath.Join(dir, "store.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	q, err := behind.Open(behind.Config{Dir: dir, Sink: store(db)})
	if err != nil {
		t.Fatal(err)
	}
	flush(t, q)
	if err := q.Close(t.Context()); err != nil {
		t.Error(err)
	}
	done, err := rows(db)
	if err != nil {
		t.Fatal(err)
	}
	sum := uint64(0)
	for key, n := range acknowledged {
		if sum += n; done[key] < n || done[key] > n+1 { // one may not have been told of
			t.Errorf("key %d: %d acknowledged, %d done", key, n, done[key])
		}
	}
	if t.Logf("%d writes acknowledged", sum); sum < uint64(kills) {
		t.Error("next to nothing was acknowledged")
	}
}
