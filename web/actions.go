package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/record"
)

// actions is what operators have under way.
type actions struct {
	mu    sync.Mutex
	file  *os.File
	since time.Time
	last  *record.Summary
}

// Recording says what is being recorded.
type Recording struct {
	On      bool            `json:"on"`
	File    string          `json:"file,omitempty"`
	Since   time.Time       `json:"since,omitzero"`
	Summary *record.Summary `json:"summary,omitempty"` // of the last one
}

func (a *actions) recording() *Recording {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil && a.last == nil {
		return &Recording{}
	}
	r := &Recording{On: a.file != nil, Since: a.since, Summary: a.last}
	if a.file != nil {
		r.File = filepath.Base(a.file.Name())
	}
	return r
}

// read decodes a request's body strictly; an empty one is {}.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if _, more := d.Token(); err == nil && more != io.EOF {
		err = errors.New("more than one value")
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "body: "+err.Error())
	}
	return err
}

const mostAtOnce = 256 // that one request invalidates

// invalidate outdates tags, or what the pages of URLs are part of.
func (s *Server) invalidate(w http.ResponseWriter, r *http.Request) (said string, err error) {
	var in struct {
		Tags []folio.Tag `json:"tags"` // scopes of lists as they are written in keys, tickets:user:7, or other tags
		URLs []string    `json:"urls"`
		Mode string      `json:"mode"` // soft, the default: loaded anew, but served where that fails; hard: never served again
	}
	if err := read(w, r, &in); err != nil {
		return "", err
	}
	if n := len(in.Tags) + len(in.URLs); n == 0 || n > mostAtOnce || slices.Contains(in.Tags, "") {
		err := fmt.Errorf("want 1 to %d tags and urls, none of them empty", mostAtOnce)
		fail(w, http.StatusBadRequest, err.Error())
		return "", err
	}
	outdate, known := map[string]func(context.Context, ...folio.Tag) error{"": s.config.Cache.Soften, "soft": s.config.Cache.Soften, "hard": s.config.Cache.InvalidateTags}[in.Mode]
	if !known {
		err := errors.New("mode: want soft or hard")
		fail(w, http.StatusBadRequest, err.Error())
		return "", err
	}
	tags := in.Tags
	for _, u := range in.URLs {
		more, err := s.tagsOf(u, r)
		if err != nil {
			fail(w, http.StatusUnprocessableEntity, err.Error())
			return "", err
		}
		tags = append(tags, more...)
	}
	reached, err := s.config.Cache.Cascade(tags...)
	if err == nil {
		err = outdate(r.Context(), tags...)
	}
	pending := errors.Is(err, folio.ErrPending)
	if err != nil && !pending {
		fail(w, http.StatusUnprocessableEntity, err.Error())
		return "", err
	}
	if len(reached) > 0 {
		s.purged(reached)
	}
	answer(w, map[string]any{"tags": reached, "pending": pending}) // pending: other instances do not know yet
	return strings.TrimSpace(in.Mode + " " + brief(tags)), nil
}

// brief writes tags for the audit log.
func brief(tags []folio.Tag) string {
	text := fmt.Sprintf("%d tags: %q", len(tags), tags[:min(len(tags), 16)])
	return text[:min(len(text), 1000)]
}

// tagsOf returns what the page of a URL depends on.
func (s *Server) tagsOf(text string, r *http.Request) ([]folio.Tag, error) {
	q, err := asked(text, r)
	if err != nil {
		return nil, fmt.Errorf("url %q: %w", text, err)
	}
	if s.config.Tags == nil {
		return nil, errors.New("urls cannot be invalidated here: name tags")
	}
	return s.config.Tags(q)
}

func (s *Server) purged(tags []folio.Tag) {
	if s.config.Purge == nil {
		return
	}
	keys := make([]string, len(tags))
	for i, t := range tags {
		keys[i] = t.SurrogateKey()
	}
	s.config.Purge(keys)
}

// purge outdates everything.
func (s *Server) purge(w http.ResponseWriter, r *http.Request) (said string, err error) {
	var in struct {
		All bool `json:"all"`
	}
	if err := read(w, r, &in); err != nil {
		return "", err
	}
	if !in.All {
		err = errors.New(`want {"all": true}`)
		fail(w, http.StatusBadRequest, err.Error())
		return "", err
	}
	err = s.config.Cache.Flush()
	pending := errors.Is(err, folio.ErrPending)
	if err != nil && !pending {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return "", err
	}
	s.purged(nil)
	answer(w, map[string]any{"purged": "all", "pending": pending})
	return "everything", nil
}

// mode switches the cache.
func (s *Server) mode(w http.ResponseWriter, r *http.Request) (said string, err error) {
	var in struct {
		Mode string `json:"mode"`
	}
	if err := read(w, r, &in); err != nil {
		return "", err
	}
	modes := []folio.Mode{folio.On, folio.Observe, folio.Off}
	i := slices.IndexFunc(modes, func(m folio.Mode) bool { return m.String() == in.Mode })
	if i < 0 {
		err = errors.New("mode: want on, observe or off")
		fail(w, http.StatusBadRequest, err.Error())
		return "", err
	}
	if err := s.config.Cache.SetMode(modes[i]); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return "", err
	}
	answer(w, map[string]any{"mode": in.Mode})
	return in.Mode, nil
}

// recording starts or stops one.
func (s *Server) recording(w http.ResponseWriter, r *http.Request) (said string, err error) {
	var in struct {
		On    bool `json:"on"`
		OneIn int  `json:"one_in"` // scopes
	}
	if err := read(w, r, &in); err != nil {
		return "", err
	}
	if s.config.Recorder == nil || s.config.RecordDir == "" {
		err = errors.New("nothing can be recorded here: there is no folder for it (admin.record_dir in the configuration)")
	} else if in.On {
		err = s.actions.start(&s.config, max(1, in.OneIn))
	} else {
		err = s.actions.stop(&s.config, nil)
	}
	if err != nil {
		fail(w, http.StatusConflict, err.Error())
		return "", err
	}
	n := s.actions.recording()
	answer(w, n)
	return strings.TrimSpace(fmt.Sprintf("recording %t %s", n.On, n.File)), nil
}

func (a *actions) start(c *Config, oneIn int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil {
		return errors.New("a recording is on already")
	}
	name := filepath.Join(c.RecordDir, "folio-"+time.Now().UTC().Format("20060102-150405.000")+".folio")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	full := func() {
		if err := a.stop(c, f); err == nil {
			c.Logger.Warn("web: the recording is as large as it may be, and has ended", "file", name)
		}
	}
	if err := c.Recorder.Start(&bounded{f, c.RecordBytes, full}, oneIn); err != nil {
		return errors.Join(err, f.Close(), os.Remove(name))
	}
	a.file, a.since = f, time.Now()
	return nil
}

// bounded is a file that says once when it has become too large.
type bounded struct {
	*os.File
	left int64
	full func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if before := b.left; before > 0 {
		if b.left -= int64(len(p)); b.left <= 0 {
			go b.full() // which waits for this to be written
		}
	}
	return b.File.Write(p)
}

// stop ends the recording, if it is to that file; nil: to whichever.
func (a *actions) stop(c *Config, to *os.File) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil || to != nil && to != a.file {
		return errors.New("no recording is on")
	}
	summary, err := c.Recorder.Stop()
	err = errors.Join(err, a.file.Close())
	a.file, a.last = nil, &summary
	return err
}

// Close ends what is under way.
func (s *Server) Close() error {
	if s.actions.recording().On {
		return s.actions.stop(&s.config, nil)
	}
	return nil
}
