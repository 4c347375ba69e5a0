package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/maypok86/otter/v2"
	"github.com/viccon/sturdyc"

	"github.com/foliocache/folio"
)

// cache is what is driven.
type cache interface {
	// page returns a page, decoded, by the version of its feed; hit: nobody asked the database for it.
	page(ctx context.Context, q *request) (hit bool, version uint64, err error)
	wrote(ctx context.Context, feed int) error
	outside() int64 // bytes outside the heap
	split() string  // of the rings
	warmed() int64
	foretold() int64 // hits and reads that would have joined a load, of a cache that only observes
	close(ctx context.Context) error
}

// widenBy is how many further pages a rival's load brings that widens.
const widenBy = 2

// observing is folio that goes through the motions only: its hits are what it foretells, its queries are one a read.
const observing = "folio-observe"

// names returns all that can be driven.
func names() []string {
	all := []string{"folio", "folio-no-prewarm", "folio-no-widen", observing}
	for _, n := range []string{"otter", "ristretto", "theine", "sturdyc", "fastcache"} {
		all = append(all, n, n+"+widen")
	}
	return all
}

func open(name string, db *database, w *workload, bytes int64) (cache, error) {
	if strings.HasPrefix(name, "folio") {
		return openFolio(name, db, w, bytes)
	}
	name, widen, _ := strings.Cut(name, "+")
	r := &rival{db: db, versions: make([]uint64, len(w.rows))}
	if widen != "" {
		r.widen = widenBy
	}
	if err := r.open(name, bytes, int64(w.mean)); err != nil {
		return nil, err
	}
	return r, nil
}

// ours is folio.
type ours struct {
	*folio.Cache
	list *folio.List[ticket]
}

func openFolio(name string, db *database, w *workload, bytes int64) (cache, error) {
	config := folio.Config{MaxBytes: bytes, MeanBytes: w.mean, Seed: 11}
	if name != "folio" {
		config.WarmBudget = -1
	}
	if name == observing {
		config.Mode = folio.Observe
	}
	c, err := folio.New(config)
	if err != nil {
		return nil, err
	}
	list := folio.ListConfig[ticket]{Name: "tickets", Limit: 20, MaxLimit: 200, Filters: []string{"variant"}, Load: func(ctx context.Context, q folio.Query, r folio.Range) ([]ticket, error) {
		feed, err := strconv.Atoi(q.Scope.ID)
		if err != nil {
			return nil, err
		}
		return db.page(ctx, feed, q.Filter("variant"), r.Limit, r.Offset)
	}}
	if name == "folio-no-widen" {
		list.MaxAhead = -1
	}
	l, err := folio.NewList(c, list)
	return &ours{c, l}, err
}

func scope(feed int) folio.Scope { return folio.Scope{Kind: "feed", ID: strconv.Itoa(feed)} }

func (o *ours) page(ctx context.Context, q *request) (bool, uint64, error) {
	query, err := o.list.Query(folio.Params{Scope: scope(q.feed), Limit: int(q.Limit), Offset: int(q.Offset), Filters: map[string][]string{"variant": {q.Variant}}})
	if err != nil {
		return false, 0, err
	}
	p, err := o.list.Page(ctx, query)
	return p.Source == folio.Hit, oldest(p.Items, o.version(q.feed)), err
}

// version is what a page without rows counts as: nothing of it can be told.
func (o *ours) version(int) uint64 { return 1 << 62 }

// oldest returns the version of rows that were loaded together.
func oldest(rows []ticket, none uint64) uint64 {
	if len(rows) == 0 {
		return none
	}
	return rows[0].Version
}

func (o *ours) wrote(ctx context.Context, feed int) error {
	_, err := o.list.Invalidate(ctx, scope(feed))
	return err
}

func (o *ours) outside() int64 {
	m := o.Stats().Memory
	return max(0, m.Rings-m.Heap)
}

func (o *ours) split() string {
	m := o.Stats().Memory
	return fmt.Sprintf("%d+%d", m.Small>>20, (m.Capacity-m.Small)>>20)
}

func (o *ours) warmed() int64 { s := o.Stats(); return s.Warmed.Loads + s.Rewarmed.Loads }

func (o *ours) foretold() int64 { s := o.Stats(); return s.Hits + s.Joined }

func (o *ours) close(ctx context.Context) error { return o.Close(ctx) }

// rival is another cache, in the loop that its users write: a version of the feed in the key outdates all of its
// pages at once.
type rival struct {
	db       *database
	versions []uint64
	widen    int
	get      func(key string) ([]byte, bool)
	set      func(key string, value []byte)
	free     func()
	beyond   func() int64
}

// overhead is what an entry takes beside its value on the heap, roughly: key, headers, nodes and map.
const overhead = 300

func (r *rival) open(name string, bytes, mean int64) error {
	r.free, r.beyond = func() {}, func() int64 { return 0 }
	weight := func(key string, v []byte) int64 { return int64(len(key)+len(v)) + overhead }
	switch name {
	case "otter":
		c := otter.Must(&otter.Options[string, []byte]{MaximumWeight: uint64(bytes), Weigher: func(k string, v []byte) uint32 { return uint32(weight(k, v)) }})
		r.get, r.set = c.GetIfPresent, func(k string, v []byte) { c.Set(k, v) }
	case "ristretto":
		c, err := ristretto.NewCache(&ristretto.Config[string, []byte]{NumCounters: 10 * bytes / mean, MaxCost: bytes, BufferItems: 64, IgnoreInternalCost: true})
		if err != nil {
			return err
		}
		r.get, r.set, r.free = c.Get, func(k string, v []byte) { c.Set(k, v, weight(k, v)); c.Wait() }, c.Close
	case "theine":
		c, err := theine.NewBuilder[string, []byte](bytes).Build()
		if err != nil {
			return err
		}
		r.get, r.set, r.free = c.Get, func(k string, v []byte) { c.Set(k, v, weight(k, v)) }, c.Close
	case "sturdyc":
		c := sturdyc.New[[]byte](int(bytes/(mean+overhead)), 64, 100*time.Hour, 10)
		r.get, r.set = c.Get, func(k string, v []byte) { c.Set(k, v) }
	case "fastcache":
		c := fastcache.New(int(bytes * 97 / 100)) // its index is on the heap
		r.get, r.set, r.free = func(k string) ([]byte, bool) { return c.HasGet(nil, []byte(k)) }, func(k string, v []byte) { c.Set([]byte(k), v) }, c.Reset
		r.beyond = func() int64 {
			var s fastcache.Stats
			c.UpdateStats(&s)
			return int64(s.BytesSize)
		}
	default:
		return errors.New("no such cache")
	}
	return nil
}

func (r *rival) key(q *request, offset int) string {
	return fmt.Sprintf("tickets:%d:%d:%s:%d:%d", q.feed, r.versions[q.feed], q.Variant, offset, q.Limit)
}

func (r *rival) page(ctx context.Context, q *request) (bool, uint64, error) {
	var rows []ticket
	if v, ok := r.get(r.key(q, int(q.Offset))); ok {
		err := json.Unmarshal(v, &rows)
		return true, oldest(rows, 1<<62), err
	}
	rows, err := r.db.page(ctx, q.feed, q.Variant, int(q.Limit)*(1+r.widen), int(q.Offset))
	if err != nil {
		return false, 0, err
	}
	for n := range 1 + r.widen {
		part := rows[min(len(rows), n*int(q.Limit)):min(len(rows), (n+1)*int(q.Limit))]
		if n > 0 && len(part) == 0 {
			break
		}
		key := r.key(q, int(q.Offset)+n*int(q.Limit))
		if _, there := r.get(key); n > 0 && there {
			continue
		}
		v, err := json.Marshal(part)
		if err != nil {
			return false, 0, err
		}
		r.set(key, v)
	}
	return false, oldest(rows, 1<<62), nil
}

func (r *rival) wrote(_ context.Context, feed int) error {
	r.versions[feed]++
	return nil
}

func (r *rival) outside() int64              { return r.beyond() }
func (r *rival) split() string               { return "" }
func (r *rival) warmed() int64               { return 0 }
func (r *rival) foretold() int64             { return 0 }
func (r *rival) close(context.Context) error { r.free(); return nil }
