package web

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/slo"
)

// Snapshot is what /admin/v1/stats tells: counters since the cache was made, gauges, and times of the last minute in
// seconds.
type Snapshot struct {
	At            time.Time      `json:"at"`
	Uptime        float64        `json:"uptime_s"`
	Mode          string         `json:"mode"`
	Stats         folio.Stats    `json:"stats"`
	Reads         int64          `json:"reads"`     // whatever the mode
	Served        int64          `json:"served"`    // of them, from the cache
	HitRatio      float64        `json:"hit_ratio"` // of a cache that observes: what it would be
	Hit           Latency        `json:"hit"`
	Miss          Latency        `json:"miss"`
	Lists         []ListCount    `json:"lists"` // the most asked first
	Invalidations []Invalidation `json:"invalidations"`
	Recording     *Recording     `json:"recording,omitempty"`
	Objectives    []Objective    `json:"objectives,omitempty"`
	Alerts        []string       `json:"alerts"`
}

// ListCount is what a list was asked for.
type ListCount struct {
	Name  string `json:"name"` // empty: plain keys
	Reads int64  `json:"reads"`
	Hits  int64  `json:"hits"`
	Loads int64  `json:"loads"`
	Bytes int64  `json:"bytes"` // that were answered
}

// Invalidation is one that somebody told of.
type Invalidation struct {
	At   time.Time   `json:"at"`
	Tags []folio.Tag `json:"tags"` // none: everything
}

// Objective is one, and whether it holds.
type Objective struct {
	Metric   string `json:"metric"`
	Wanted   string `json:"wanted"`
	Found    string `json:"found,omitempty"`
	Violated bool   `json:"violated"`
}

func (s *Server) snapshot() Snapshot {
	c := s.config.Cache
	st := c.Stats()
	hit, miss, lists := s.config.Watch.snapshot()
	n := Snapshot{At: time.Now(), Uptime: time.Since(s.started).Seconds(), Mode: c.Mode().String(), Stats: st, Hit: hit, Miss: miss, Alerts: []string{}, Lists: []ListCount{}, Invalidations: []Invalidation{}}
	if asked := st.Hits + st.Misses + st.Joined + st.Stale; asked > 0 {
		n.HitRatio = float64(st.Hits) / float64(asked)
	}
	for name, l := range lists {
		n.Reads, n.Served = n.Reads+l.reads, n.Served+l.hits
		n.Lists = append(n.Lists, ListCount{name, l.reads, l.hits, l.loads, l.bytes})
	}
	slices.SortFunc(n.Lists, func(a, b ListCount) int { return int(b.Reads - a.Reads) })
	for _, t := range s.config.Watch.invalidations() {
		n.Invalidations = append(n.Invalidations, Invalidation{t.at, t.tags})
	}
	n.Recording = s.actions.recording()
	if o := s.config.Objectives; o != nil {
		for _, v := range o.Check(Measure(&n)) {
			n.Objectives = append(n.Objectives, Objective{Metric: string(v.Metric), Wanted: v.Wanted, Found: v.String(), Violated: true})
			n.Alerts = append(n.Alerts, "objective: "+v.String())
		}
	}
	if st.Differed > 0 {
		n.Alerts = append(n.Alerts, "answers differed from the origin's: a write is not told")
	}
	return n
}

// Measure returns what objectives are checked against, of a live cache.
func Measure(n *Snapshot) slo.Measured {
	st, m := &n.Stats, slo.Measured{}
	asked := float64(st.Hits + st.Misses + st.Joined + st.Stale)
	ratio := func(metric slo.Metric, part, of float64) {
		if of > 0 {
			m[metric] = part / of
		}
	}
	ratio(slo.HitRatio, float64(st.Hits), asked)
	ratio(slo.OriginRate, float64(st.Loads), asked)
	ratio(slo.EvictionRate, float64(st.Evicted), float64(st.Stored))
	if st.Verified > 0 {
		ratio(slo.StaleRatio, float64(st.Differed), float64(st.Verified))
	}
	ratio(slo.LoadErrorRate, float64(st.LoadErrors), float64(st.Loads))
	ratio(slo.MemoryRatio, float64(st.Memory.Rings+st.Memory.Books), float64(st.Memory.Capacity+st.Memory.Books))
	times := func(l Latency, p50, p99 slo.Metric) {
		if l.Count > 0 {
			m[p50], m[p99] = l.P50, l.P99
		}
	}
	times(n.Hit, slo.HitP50, slo.HitP99)
	times(n.Miss, slo.MissP50, slo.MissP99)
	return m
}

func (s *Server) stats(w http.ResponseWriter, _ *http.Request) { answer(w, s.snapshot()) }

// explain tells why the page of ?url= is, or is not, served from the cache.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	for name := range r.URL.Query() {
		if name != "url" && name != "host" {
			fail(w, http.StatusBadRequest, "parameter "+name+": is it one of the url? Then encode that: & is %26")
			return
		}
	}
	q, err := asked(r.URL.Query().Get("url"), r)
	if err != nil || s.config.Explain == nil {
		fail(w, http.StatusBadRequest, "url: want a path with its query, of a list that is cached here")
		return
	}
	x, err := s.config.Explain(q)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, x)
}

// asked is the request of a client for a URL, as far as one can be made of that alone.
func asked(text string, r *http.Request) (*http.Request, error) {
	u, err := url.ParseRequestURI(text)
	if err != nil || u.Path == "" {
		return nil, errors.New("no URL")
	}
	q, err := http.NewRequestWithContext(r.Context(), http.MethodGet, u.String(), nil)
	if err == nil && q.Host == "" {
		q.Host = r.URL.Query().Get("host")
	}
	return q, err
}

// objectives tells whether the objectives hold.
func (s *Server) objectives(w http.ResponseWriter, _ *http.Request) {
	n := s.snapshot()
	if s.config.Objectives == nil {
		fail(w, http.StatusNotFound, "there are no objectives")
		return
	}
	all, m := []Objective{}, Measure(&n)
	for i := range s.config.Objectives.Objectives {
		one := slo.Objectives{Objectives: s.config.Objectives.Objectives[i : i+1]}
		told := Objective{Metric: string(one.Objectives[0].Metric), Wanted: one.Objectives[0].Wanted()}
		for _, v := range one.Check(m) {
			told.Found, told.Violated = v.String(), true
		}
		all = append(all, told)
	}
	answer(w, all)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	b, err := json.Marshal(finite(v))
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(b) // who is gone needs no answer
}

// finite has no number that JSON has no word for.
func finite(v any) any {
	if n, ok := v.(Snapshot); ok {
		for _, f := range []*float64{&n.Stats.Regret, &n.Stats.Calibration, &n.Stats.BrierSkill, &n.HitRatio} {
			if math.IsNaN(*f) || math.IsInf(*f, 0) {
				*f = 0
			}
		}
		return n
	}
	return v
}

func fail(w http.ResponseWriter, code int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(code), "status": code, "detail": detail})
}
