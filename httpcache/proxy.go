package httpcache

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// Upstream is how a proxy asks the server behind it. The zero value of each field is its default.
type Upstream struct {
	URL *url.URL // of the server; its path is put before the requests'
	// KeepHost sends the client's Host on instead of the URL's.
	KeepHost bool
	// ConnectTimeout and HeaderTimeout bound how long a connection, and the header of a response, may take. Default
	// 5 s and 30 s.
	ConnectTimeout, HeaderTimeout time.Duration
	// MaxConns bounds the connections to the server. Default 256.
	MaxConns int
	// Wrap is put round what sends requests to the server, to trace them for one. Optional.
	Wrap   func(http.RoundTripper) http.RoundTripper
	Logger *slog.Logger
}

// Proxy returns a handler that asks a server: what Config.Next is of a proxy in front of it. What the server does not
// answer is a 502, or a 504 where it is late. Clients' X-Forwarded-* and Forwarded are replaced.
func Proxy(up Upstream) http.Handler {
	pick := func(d, otherwise time.Duration) time.Duration {
		if d > 0 {
			return d
		}
		return otherwise
	}
	log := up.Logger
	if log == nil {
		log = slog.Default()
	}
	conns := up.MaxConns
	if conns == 0 {
		conns = 256
	}
	var transport http.RoundTripper = &http.Transport{
		DialContext:           (&net.Dialer{Timeout: pick(up.ConnectTimeout, 5*time.Second)}).DialContext,
		ResponseHeaderTimeout: pick(up.HeaderTimeout, 30*time.Second),
		TLSHandshakeTimeout:   pick(up.ConnectTimeout, 5*time.Second),
		MaxConnsPerHost:       conns, MaxIdleConnsPerHost: conns, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // what the client may have is its own affair
		ForceAttemptHTTP2:      true,
	}
	if up.Wrap != nil {
		transport = up.Wrap(transport)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(up.URL)
			if r.In.Context().Value(sharedKey{}) == nil { // else it is asked for others, too
				r.SetXForwarded()
			}
			if up.KeepHost {
				r.Out.Host = r.In.Host
			}
		},
		Transport: transport,
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandler: func(w http.ResponseWriter, q *http.Request, err error) {
			code := http.StatusBadGateway
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				code = http.StatusGatewayTimeout
			}
			if q.Context().Err() == nil {
				log.Warn("httpcache: the upstream did not answer", "path", q.URL.Path, "error", err)
			}
			http.Error(w, http.StatusText(code), code)
		},
	}
}
