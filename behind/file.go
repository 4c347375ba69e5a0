package behind

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/zeebo/xxh3"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/foliocache/folio"
)

// The file has the writes that are not done by their IDs, and the dead letters. Every change is
// synced before it is acknowledged.
var (
	queueBucket, deadBucket = []byte("queue"), []byte("dead")
)

// record is how a write is stored, as JSON.
type record struct {
	Key  string      `json:"key"`
	Body []byte      `json:"body"`
	Tags []folio.Tag `json:"tags,omitempty"`
	Time time.Time   `json:"time"`
	Err  string      `json:"error,omitempty"` // of a dead letter
}

func (w *Write) size() int {
	n := len(w.Key) + len(w.Body)
	for _, t := range w.Tags {
		n += len(t)
	}
	return n
}

func name(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func failed(err error) error {
	if err == nil || errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return err
	}
	return fmt.Errorf("behind: %w", err)
}

// load finds what is pending.
func (q *Queue) load() error {
	return failed(q.db.Update(func(tx *bbolt.Tx) error {
		for _, b := range [][]byte{queueBucket, deadBucket} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		q.newest = tx.Bucket(queueBucket).Sequence()
		q.dead = tx.Bucket(deadBucket).Stats().KeyN
		return tx.Bucket(queueBucket).ForEach(func(k, v []byte) error {
			r, err := parse(k, v)
			if err == nil {
				p := place{binary.BigEndian.Uint64(k), xxh3.HashString(r.Key), r.Time}
				l := q.lane(p.key)
				l.writes = append(l.writes, p)
				q.pending++
			}
			return err
		})
	}))
}

func parse(k, v []byte) (r record, err error) {
	if err = json.Unmarshal(v, &r); err != nil || len(k) != 8 {
		err = fmt.Errorf("write %x: %w", k, errors.Join(err, errDamaged))
	}
	return r, err
}

var errDamaged = errors.New("not what this package writes")

// put stores writes, and notes them in the order of their IDs.
func (q *Queue) put(writes []Write) error {
	all := make([]record, len(writes))
	for i, w := range writes {
		all[i] = record{Key: w.Key, Body: w.Body, Tags: w.Tags, Time: w.Time}
	}
	return failed(q.db.Batch(func(tx *bbolt.Tx) error {
		b := tx.Bucket(queueBucket)
		for i := range writes {
			id, err := b.NextSequence()
			if err != nil {
				return err
			}
			text, err := json.Marshal(&all[i])
			if err == nil {
				err = b.Put(name(id), text)
			}
			if err != nil {
				return err
			}
			writes[i].ID = id
		}
		tx.OnCommit(func() { q.queued(writes) })
		return nil
	}))
}

// read returns writes.
func (q *Queue) read(places []place) (writes []Write, err error) {
	return writes, failed(q.db.View(func(tx *bbolt.Tx) error {
		for _, p := range places {
			r, err := parse(name(p.id), tx.Bucket(queueBucket).Get(name(p.id)))
			if err != nil {
				return err
			}
			writes = append(writes, Write{Key: r.Key, Body: r.Body, Tags: r.Tags, ID: p.id, Time: r.Time})
		}
		return nil
	}))
}

// remove forgets writes.
func (q *Queue) remove(writes []Write) error {
	return failed(q.db.Batch(func(tx *bbolt.Tx) error {
		for i := range writes {
			if err := tx.Bucket(queueBucket).Delete(name(writes[i].ID)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// bury makes a dead letter of a write.
func (q *Queue) bury(w *Write, why error) error {
	text, err := json.Marshal(&record{Key: w.Key, Body: w.Body, Tags: w.Tags, Time: w.Time, Err: why.Error()})
	if err != nil {
		return err
	}
	err = failed(q.db.Batch(func(tx *bbolt.Tx) error {
		return errors.Join(tx.Bucket(deadBucket).Put(name(w.ID), text), tx.Bucket(queueBucket).Delete(name(w.ID)))
	}))
	if err != nil {
		return err
	}
	q.config.Logger.Error("behind: a write cannot be done, and is a dead letter", "id", w.ID, "key", w.Key, "error", why)
	return nil
}

// Letter is a write that could not be done.
type Letter struct {
	Write
	Err string // of the last try
}

// Dead returns dead letters, the oldest first, at most so many.
func (q *Queue) Dead(most int) (letters []Letter, err error) {
	return letters, failed(q.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(deadBucket).Cursor()
		for k, v := c.First(); k != nil && len(letters) < most; k, v = c.Next() {
			r, err := parse(k, v)
			if err != nil {
				return err
			}
			letters = append(letters, Letter{Write{Key: r.Key, Body: r.Body, Tags: r.Tags, ID: binary.BigEndian.Uint64(k), Time: r.Time}, r.Err})
		}
		return nil
	}))
}

// Forget forgets dead letters: somebody has seen to them. Put those again that are to be tried again.
func (q *Queue) Forget(ids ...uint64) error {
	gone := 0
	err := failed(q.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(deadBucket)
		for _, id := range ids {
			if b.Get(name(id)) == nil {
				continue
			}
			if err := b.Delete(name(id)); err != nil {
				return err
			}
			gone++
		}
		return nil
	}))
	if err == nil {
		q.mu.Lock()
		q.dead -= gone
		q.mu.Unlock()
	}
	return err
}
