package main

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foliocache/folio/internal/meter"
)

// durations measures requests by status and method.
type durations struct{ *meter.Vec[asked] }

type asked struct{ code, method int }

var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "other"}

func newDurations() durations {
	desc := prometheus.NewDesc("folio_http_request_duration_seconds", "Time of requests to the API.", []string{"code", "method"}, nil)
	return durations{meter.NewVec(desc, 50*time.Microsecond, 3, 12, func(k asked) []string { return []string{strconv.Itoa(k.code), methods[k.method]} })}
}

// measure wraps a handler.
func (d durations) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, s := time.Now(), &status{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			m := slices.Index(methods[:], r.Method)
			if m < 0 {
				m = len(methods) - 1
			}
			d.Observe(asked{min(max(s.code, 0), 599), m}, time.Since(began))
		}()
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
