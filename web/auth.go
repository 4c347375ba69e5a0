package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// Scope is something that a token allows.
type Scope string

// The scopes.
const (
	Read       Scope = "read"       // look
	Invalidate Scope = "invalidate" // outdate lists, scopes, pages
	PurgeAll   Scope = "purge_all"  // outdate everything
	Configure  Scope = "config"     // switch the cache, record
)

// Scopes lists all of them.
var Scopes = []Scope{Read, Invalidate, PurgeAll, Configure}

// Token is a bearer token, known by its hash alone. Several may be valid at once, so that they can be exchanged.
type Token struct {
	Name   string  // for the audit log
	SHA256 string  // of the token, in hexadecimal
	Scopes []Scope // that it allows
}

// HashToken returns what Token.SHA256 of a token is.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Check says what of a token cannot be.
func (t *Token) Check() error {
	if raw, err := hex.DecodeString(t.SHA256); err != nil || len(raw) != sha256.Size {
		return fmt.Errorf("%w: token %q: sha256 is not 64 hexadecimal digits", ErrConfig, t.Name)
	}
	for _, s := range t.Scopes {
		if !slices.Contains(Scopes, s) {
			return fmt.Errorf("%w: token %q: scope %q: want some of %v", ErrConfig, t.Name, s, Scopes)
		}
	}
	if t.Name == "" || len(t.Scopes) == 0 {
		return fmt.Errorf("%w: token %q: no name, or no scopes", ErrConfig, t.Name)
	}
	return nil
}

// token returns the token that a request brings; nil: none that is known. All are compared, each in constant time, so
// that the time it takes says nothing of them.
func (s *Server) token(r *http.Request) (found *Token) {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil
	}
	hash := []byte(HashToken(given))
	for i := range s.config.Tokens {
		t := &s.config.Tokens[i]
		if subtle.ConstantTimeCompare(hash, []byte(strings.ToLower(t.SHA256))) == 1 {
			found = t
		}
	}
	return found
}

// reading guards what only looks.
func (s *Server) reading(do http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.config.ReadToken {
			switch t := s.token(r); {
			case t == nil:
				unauthorized(w)
				return
			case !slices.Contains(t.Scopes, Read):
				lacks(w, Read)
				return
			}
		}
		do(w, r)
	})
}

// changing guards what changes something: by its token, which no browser sends by itself, and by where the request
// comes from.
func (s *Server) changing(want Scope, do func(http.ResponseWriter, *http.Request) (said string, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := s.token(r)
		log := s.config.Logger.With("audit", true, "action", r.URL.Path, "from", r.RemoteAddr)
		switch {
		case t == nil:
			log.Warn("web: refused: no token, or an unknown one")
			unauthorized(w)
			return
		case foreign(r):
			log.Warn("web: refused: from another site's page", "token", t.Name, "origin", r.Header.Get("Origin"))
			fail(w, http.StatusForbidden, "from another site")
			return
		case !slices.Contains(t.Scopes, want):
			log.Warn("web: refused: not in the token's scopes", "token", t.Name, "want", want)
			lacks(w, want)
			return
		case !s.limits.allow(t.Name):
			log.Warn("web: refused: too many changes", "token", t.Name)
			w.Header().Set("Retry-After", "1")
			fail(w, http.StatusTooManyRequests, "too many changes")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		said, err := do(w, r)
		if err != nil {
			log.Warn("web: failed", "token", t.Name, "error", err)
			return
		}
		log.Info("web: done", "token", t.Name, "what", said)
	})
}

// foreign reports whether a request was made by a page of another site.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

func lacks(w http.ResponseWriter, want Scope) {
	fail(w, http.StatusForbidden, "the token has no scope "+string(want))
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="folio"`)
	fail(w, http.StatusUnauthorized, "want a bearer token that is known here")
}

// limits bound how often tokens change something.
type limits struct {
	rate float64
	mu   sync.Mutex
	all  map[string]*rate.Limiter
}

func (l *limits) allow(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]*rate.Limiter{}
	}
	if l.all[name] == nil {
		l.all[name] = rate.NewLimiter(rate.Limit(l.rate), max(1, int(4*l.rate)))
	}
	return l.all[name].Allow()
}
