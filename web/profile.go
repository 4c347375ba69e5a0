package web

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"
)

const mostProfiled = time.Minute

// profile answers with what the process is doing, for go tool pprof: of its processor's time, cpu, for some seconds,
// or what runtime/pprof has by that name now: heap, goroutine, mutex, …
func (s *Server) profile(w http.ResponseWriter, r *http.Request) (said string, err error) {
	kind := r.FormValue("kind")
	if of := pprof.Lookup(kind); of != nil {
		w.Header().Set("Content-Type", "application/octet-stream")
		return kind, of.WriteTo(w, 0)
	}
	n, err := strconv.Atoi(r.FormValue("seconds"))
	length := time.Duration(n) * time.Second
	if kind != "cpu" || err != nil || length < time.Second || length > mostProfiled {
		err = fmt.Errorf("want kind=cpu&seconds=1 to %d, or kind=heap, goroutine, …", mostProfiled/time.Second)
		fail(w, http.StatusBadRequest, err.Error())
		return "", err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(length + mostProfiled)) // a test's response has none
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := pprof.StartCPUProfile(w); err != nil {
		w.Header().Del("Content-Type")
		fail(w, http.StatusConflict, "another one is being made")
		return "", err
	}
	defer pprof.StopCPUProfile()
	select {
	case <-time.After(length):
		return kind, nil
	case <-r.Context().Done():
		return "", errors.New("nobody waits for it any more")
	}
}
