package behind

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/foliocache/folio"
)

// work does one lane's writes until the queue is closed.
func (q *Queue) work(n int) {
	l := &q.lanes[n]
	pause := q.backoff()
	for q.stop.Err() == nil {
		batch, wait := q.next(l)
		switch {
		case wait > 0 || len(batch) == 0:
			q.rest(l, wait)
		case q.do(l, batch):
			pause.Reset()
		default: // nothing can be done
			q.mu.Lock()
			l.at, l.wait = time.Now(), pause.NextBackOff()
			q.mu.Unlock()
		}
	}
}

func (q *Queue) backoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = q.config.Retry, q.config.RetryMost
	return b
}

// hurried returns what is left of a pause that began at a time, of a short one if somebody waits. Under mu.
func (q *Queue) hurried(at time.Time, d time.Duration) time.Duration {
	if q.hurry > 0 {
		d = min(d, hurriedPause)
	}
	return d - time.Since(at)
}

const hurriedPause = 50 * time.Millisecond

// rest waits for a time, or without one for ever, or until there is something new for a lane.
func (q *Queue) rest(l *lane, d time.Duration) {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-l.more:
	case <-over:
	case <-q.stop.Done():
	}
}

// next returns what a lane has to do now; or for how long nothing, if nothing new comes: 0 for ever.
func (q *Queue) next(l *lane) (batch []place, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if left := q.hurried(l.at, l.wait); left > 0 {
		return nil, left
	}
	for _, p := range l.writes {
		if i := l.ill[p.key]; i != nil {
			if left := q.hurried(i.at, i.wait); left > 0 {
				wait = min(left, cmp.Or(wait, left))
				continue
			}
		}
		if batch = append(batch, p); len(batch) == q.config.MaxBatch {
			return batch, 0
		}
	}
	if len(batch) == 0 {
		return nil, wait
	}
	if left := q.config.Interval - time.Since(batch[0].time); left > 0 && q.hurry == 0 {
		return nil, left
	}
	return batch, 0
}

func (q *Queue) failed(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Failures++
	q.last = err
	q.stir()
}

// sinkDown is after how many failures in a row, of different keys, nothing else is tried for a while.
const sinkDown = 3

// do does writes of a lane: at once, or if that fails, one by one. It reports whether any was done.
func (q *Queue) do(l *lane, batch []place) (some bool) {
	writes, err := q.read(batch)
	if err == nil {
		if err = q.sink(writes); err == nil {
			err = q.did(l, writes, batch)
		}
	}
	if err == nil || q.stop.Err() != nil {
		return true
	}
	q.failed(err)
	ill := map[uint64]bool{}
	for i := range writes {
		if key := batch[i].key; ill[key] {
			continue
		}
		if len(writes) > 1 {
			if err = q.sink(writes[i : i+1]); err == nil {
				err = q.did(l, writes[i:i+1], batch[i:i+1])
			}
		}
		if q.stop.Err() != nil {
			return true
		}
		if err == nil {
			some = true
			continue
		}
		if ill[batch[i].key] = true; !q.suffers(l, batch[i], &writes[i], err) && !some && len(ill) == sinkDown {
			return false
		}
	}
	return some
}

// suffers notes that a write failed by itself, and reports whether it is a dead letter now.
func (q *Queue) suffers(l *lane, p place, w *Write, err error) (dead bool) {
	q.mu.Lock()
	q.stats.Failures++
	q.last = err
	i := l.ill[p.key]
	if i == nil {
		i = &illness{pause: q.backoff(), done: q.stats.Done}
		l.ill[p.key] = i
	} else if q.stats.Done > i.done { // it is not that the sink is down
		i.tries++
		i.done = q.stats.Done
	}
	i.at, i.wait = time.Now(), i.pause.NextBackOff()
	dead = q.config.MaxTries >= 0 && i.tries >= q.config.MaxTries
	q.stir()
	q.mu.Unlock()
	if !dead {
		return false
	}
	if err := q.bury(w, err); err != nil {
		q.failed(err)
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dead++
	q.gone(l, []place{p})
	return true
}

// sink gives writes to the sink, whose panic is an error.
func (q *Queue) sink(writes []Write) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("behind: the sink panicked: %v", v)
		}
	}()
	ctx, cancel := context.WithTimeout(q.stop, q.config.Timeout)
	defer cancel()
	return q.config.Sink(ctx, slices.Clone(writes))
}

// did outdates what writes have changed, and forgets them.
func (q *Queue) did(l *lane, writes []Write, places []place) error {
	var tags []folio.Tag
	for i := range writes {
		tags = append(tags, writes[i].Tags...)
	}
	if len(tags) > 0 {
		slices.Sort(tags)
		ctx, cancel := context.WithTimeout(q.stop, q.config.Timeout)
		defer cancel()
		if err := q.config.Outdate(ctx, slices.Compact(tags)...); err != nil {
			return err
		}
	}
	if err := q.remove(writes); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Done += int64(len(writes))
	q.gone(l, places)
	return nil
}

// gone notes that writes of a lane are not pending any more, and that their keys are well. Under mu.
func (q *Queue) gone(l *lane, places []place) {
	for _, p := range places { // they are among the first
		delete(l.ill, p.key)
		at := slices.IndexFunc(l.writes, func(w place) bool { return w.id == p.id })
		if at == 0 {
			l.writes = l.writes[1:]
		} else {
			l.writes = slices.Delete(l.writes, at, at+1)
		}
	}
	if len(l.writes) == 0 {
		l.writes = nil
	}
	q.pending -= len(places)
	q.stir()
}
