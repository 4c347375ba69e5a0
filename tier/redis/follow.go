package redis

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/foliocache/folio/tier"
)

const mostAtOnce = 1000 // entries of the log

// Follow is tier.Tier's: one round trip, which lasts up to 100 ms where nothing happens.
func (t *Tier) Follow(ctx context.Context, since tier.Mark) (tier.Log, error) {
	if since.Epoch == 0 {
		return t.latest(ctx, since)
	}
	l, now, err := t.ask(ctx, since, int64(block.Milliseconds()))
	if err != nil {
		return l, failed(err)
	}
	if now == nil { // all is lost
		return t.latest(ctx, since)
	}
	if !l.Lost && len(l.Bumps) == 0 && now.N != since.N { // it was bumped in between, or the log is lost
		if l, now, err = t.ask(ctx, since, -1); err != nil {
			return tier.Log{}, failed(err)
		}
		if now == nil {
			return t.latest(ctx, since)
		}
		l.Lost = l.Lost || len(l.Bumps) == 0
	}
	if l.Lost || now.Epoch != since.Epoch {
		return tier.Log{Until: *now, Lost: true}, nil
	}
	l.More = l.Until.N < now.N
	return l, nil
}

// latest returns where the log ends.
func (t *Tier) latest(ctx context.Context, since tier.Mark) (l tier.Log, err error) {
	p := part{}
	if err := t.read(ctx, since.Shard, &p, new(tier.Question)); err != nil {
		return l, err
	}
	return tier.Log{Until: p.mark, Lost: since.Epoch != 0}, nil
}

// ask reads the log, and after that the state, by which it is told whether the log is all there is; nil: there is none.
// It writes to the state, too, which a server that is no master any more refuses: of what it has nobody is told; and it
// fences the server, should nobody have done so yet.
func (t *Tier) ask(ctx context.Context, since tier.Mark, wait int64) (l tier.Log, now *tier.Mark, err error) {
	pipe := t.log.Pipeline()
	args := []any{"xread", "count", mostAtOnce}
	if wait >= 0 {
		args = append(args, "block", wait)
	}
	read := redis.NewXStreamSliceCmd(ctx, append(args, "streams", t.stream(since.Shard), strconv.FormatUint(since.N, 10)+"-0")...)
	_ = pipe.Process(ctx, read)
	state := pipe.Eval(ctx, beat, []string{t.state(since.Shard)}, newEpoch())
	if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil {
		return l, nil, err
	}
	h, err := state.Slice()
	if err != nil || len(h) != 2 {
		return l, nil, err
	}
	at, err := mark(since.Shard, h[0], h[1])
	if err != nil {
		return l, nil, err
	}
	streams, err := read.Result()
	if err != nil && err != redis.Nil {
		return l, nil, err
	}
	l.Until = since
	for _, s := range streams {
		for _, m := range s.Messages {
			add(&l, &m)
		}
	}
	return l, &at, nil
}

// add adds an entry of the log, or says that one is lost.
func add(l *tier.Log, m *redis.XMessage) {
	id, _, _ := strings.Cut(m.ID, "-")
	n, _ := strconv.ParseUint(id, 10, 64)
	tags, _ := m.Values["t"].(string)
	by, _ := m.Values["b"].(string)
	epoch, _ := m.Values["e"].(string)
	if n != l.Until.N+1 || epoch != fmt.Sprintf("%016x", l.Until.Epoch) || len(tags)%8 != 0 {
		l.Lost = true
		return
	}
	b := tier.Bump{By: by}
	for at := 0; at < len(tags); at += 8 {
		b.Tags = append(b.Tags, binary.BigEndian.Uint64([]byte(tags[at:at+8])))
	}
	l.Until.N, l.Bumps = n, append(l.Bumps, b)
}
