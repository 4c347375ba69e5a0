package main

import (
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// durations measures requests by status and method. The metric of each pair is looked up once: that by its labels'
// names takes longer than all else here.
type durations struct {
	*prometheus.HistogramVec
	known [len(methods) + 1][600]atomic.Pointer[prometheus.Observer]
}

var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

func newDurations() *durations {
	return &durations{HistogramVec: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "folio", Name: "http_request_duration_seconds",
		Help: "Time of requests to the API.", Buckets: prometheus.ExponentialBuckets(50e-6, 3, 12)}, []string{"code", "method"})}
}

func (d *durations) observe(code int, method string, took time.Duration) {
	m := slices.Index(methods[:], method)
	if m < 0 {
		m, method = len(methods), "other"
	}
	code = min(max(code, 0), 599)
	slot := &d.known[m][code]
	o := slot.Load()
	if o == nil {
		made := d.WithLabelValues(strconv.Itoa(code), method)
		o = &made
		slot.Store(o)
	}
	(*o).Observe(took.Seconds())
}

// measure wraps a handler.
func (d *durations) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, s := time.Now(), &status{ResponseWriter: w, code: http.StatusOK}
		defer func() { d.observe(s.code, r.Method, time.Since(began)) }()
		next.ServeHTTP(s, r)
	})
}

// status is a response whose status is remembered.
type status struct {
	http.ResponseWriter
	code  int
	wrote bool
}

// WriteHeader remembers the first status that is final.
func (s *status) WriteHeader(code int) {
	if !s.wrote && code >= 200 {
		s.code, s.wrote = code, true
	}
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
