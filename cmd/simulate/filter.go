package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"math"
	"os"
	"strings"
	"time"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// filter is what convert does to requests on their way. The zero value changes nothing.
type filter struct {
	sample sim.Sample
	window window
	veil   *veil
}

func (f filter) active() bool { return f.sample.Text != "" || f.window.text != "" }

// draw chooses which requests of a source are of the sample, of those within the window.
func (f filter) draw(ctx context.Context, source *workloads.Source) (func(workloads.Request) bool, error) {
	return f.sample.Draw(ctx, func(yield func(workloads.Request, error) bool) {
		for r, err := range source.Requests() {
			if (err != nil || f.window.keeps(r.Time)) && !yield(r, err) {
				return
			}
		}
	})
}

// apply filters a stream. Nothing left, or a window on a trace without a clock, is an error.
func (f filter) apply(requests iter.Seq2[workloads.Request, error], drawn func(workloads.Request) bool) iter.Seq2[workloads.Request, error] {
	return func(yield func(workloads.Request, error) bool) {
		kept, clock := 0, false
		for r, err := range requests {
			clock = clock || r.Time > 0
			if err == nil && (!f.window.keeps(r.Time) || !drawn(r)) {
				continue
			}
			kept++
			r.Time -= f.window.from
			f.veil.hide(&r)
			if !yield(r, err) || err != nil {
				return
			}
		}
		switch {
		case f.window.text != "" && !clock:
			yield(workloads.Request{}, fmt.Errorf("%w: --window %s: the trace has no times", sim.ErrConfig, f.window.text))
		case kept == 0 && f.active():
			yield(workloads.Request{}, fmt.Errorf("%w: --sample and --window leave no request", sim.ErrConfig))
		}
	}
}

// window is a half-open span of a trace's clock. The zero value holds everything.
type window struct {
	text     string
	from, to time.Duration // to 0: without end
}

func parseWindow(text string) (window, error) {
	w := window{text: text}
	if text == "" {
		return w, nil
	}
	from, to, ok := strings.Cut(text, "-")
	var err, err2 error
	if from != "" {
		w.from, err = time.ParseDuration(from)
	}
	w.to = math.MaxInt64
	if to != "" {
		w.to, err2 = time.ParseDuration(to)
	}
	if !ok || from == "" && to == "" || err != nil || err2 != nil || w.from < 0 || w.to <= w.from {
		return w, fmt.Errorf("%w: --window %q: want FROM-TO such as 10m-1h, 10m- or -1h", sim.ErrConfig, text)
	}
	return w, nil
}

func (w window) keeps(at time.Duration) bool { return w.text == "" || at >= w.from && at < w.to }

// keyBytes is the least length of a key.
const keyBytes = 16

// publicScope is what everybody sees alike; that a feed is public is no secret and changes how
// it is judged.
const publicScope = "public"

// veil replaces names by hashes that only the holder of the key can guess names for. Equal
// names stay equal, so the trace behaves the same. The nil veil changes nothing.
type veil struct{ mac hash.Hash }

// newVeil reads a key; without a path there is no veil.
func newVeil(path string) (*veil, error) {
	if path == "" {
		return nil, nil
	}
	key, err := os.ReadFile(path)
	if err == nil && len(key) < keyBytes {
		err = errors.New("the key is shorter than 16 bytes")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: --anonymize-key %s: %w", sim.ErrConfig, path, err)
	}
	return veilOf(key), nil
}

func veilOf(key []byte) *veil { return &veil{hmac.New(sha256.New, key)} }

func (v *veil) hide(r *workloads.Request) {
	if v == nil {
		return
	}
	if !r.Paginated() {
		var id [8]byte
		binary.LittleEndian.PutUint64(id[:], r.ID)
		r.ID = binary.LittleEndian.Uint64(v.sum("id", id[:]))
		return
	}
	v.text("list", &r.List)
	if r.Scope != publicScope {
		v.text("scope", &r.Scope)
	}
	v.text("variant", &r.Variant)
	v.text("cursor", &r.Cursor)
}

// text replaces a name, unless it is empty, by 16 hexadecimal digits.
func (v *veil) text(field string, name *string) {
	if *name != "" {
		*name = hex.EncodeToString(v.sum(field, []byte(*name))[:8])
	}
}

// sum keeps the fields apart: a list and a scope of one name get different hashes.
func (v *veil) sum(field string, b []byte) []byte {
	v.mac.Reset()
	v.mac.Write([]byte(field + "\x00"))
	v.mac.Write(b)
	return v.mac.Sum(nil)
}
