package workloads

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// logLine is what one line of an access log tells.
type logLine struct {
	time           time.Duration // since 1970
	method, target string        // empty where the client sent no HTTP request
	status         int
	size           uint32        // bytes; 0 = none or not logged
	took           time.Duration // 0 = not logged
	client, user   string        // address and agent; who was logged in; empty where not logged
}

// parseLogLine reads `host ident user [time] "request" status bytes "referrer" "agent"`, the last two of which may be
// missing, or a JSON object.
func parseLogLine(text string) (logLine, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return parseJSONLine(text)
	}
	who, rest, ok := strings.Cut(text, " [")
	stamp, rest, ok2 := strings.Cut(rest, "] \"")
	request, rest, ok3 := cutQuoted(rest)
	if !ok || !ok2 || !ok3 {
		return logLine{}, fmt.Errorf("%w: %s", errLogLine, clip([]byte(text)))
	}
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", stamp)
	if err != nil {
		return logLine{}, fmt.Errorf("%w: %s is no time", errLogLine, clip([]byte(stamp)))
	}
	line := logLine{time: time.Duration(at.Unix()) * time.Second}
	if err := line.answer(strings.Fields(rest)); err != nil {
		return logLine{}, err
	}
	line.request(request)
	line.client, _, _ = strings.Cut(who, " ")
	if names := strings.Fields(who); len(names) == 3 && names[2] != "-" {
		line.user = names[2]
	}
	if _, behind, ok := strings.Cut(rest, `"`); ok { // the referrer, and then the agent
		_, behind, _ = cutQuoted(behind)
		_, behind, _ = strings.Cut(behind, `"`)
		agent := ""
		agent, rest, _ = cutQuoted(behind) // what clients send tells no times
		line.client += " " + agent
	}
	if seconds := requestTime.FindStringSubmatch(rest); seconds != nil {
		line.took = inSeconds(seconds[1])
	}
	return line, nil
}

// requestTime is how nginx's $request_time is commonly named where it is added to the line.
var requestTime = regexp.MustCompile(`\b(?:rt|request_time)="?([0-9.]+)"?`)

// request reads METHOD TARGET PROTOCOL.
func (l *logLine) request(text string) {
	if parts := strings.Fields(text); len(parts) == 3 {
		l.method, l.target = parts[0], parts[1]
	}
}

// answer reads status and bytes, the latter "-" where there are none.
func (l *logLine) answer(fields []string) error {
	if len(fields) < 2 {
		return fmt.Errorf("%w: status and bytes are missing", errLogLine)
	}
	if err := l.setStatus(fields[0]); err != nil || fields[1] == "-" {
		return err
	}
	var err error
	l.size, err = bodySize(fields[1])
	return err
}

// bodySize reads a number of bytes. A trace holds at most 4 GiB: what is more is no page.
func bodySize(text string) (uint32, error) {
	n, err := parseUint([]byte(text))
	if err != nil {
		return 0, fmt.Errorf("%w: bytes: %w", errLogLine, err)
	}
	return uint32(min(n, math.MaxUint32)), nil
}

func (l *logLine) setStatus(text string) error {
	status, err := strconv.Atoi(text)
	if err != nil || status < 100 || status > 999 {
		return fmt.Errorf("%w: %s is no status", errLogLine, clip([]byte(text)))
	}
	l.status = status
	return nil
}

// cutQuoted cuts text at the first quote that no backslash escapes.
func cutQuoted(text string) (quoted, rest string, found bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[:i], text[i+1:], true
		}
	}
	return "", "", false
}

// The names that servers' JSON logs have for what a line tells: nginx's variables, and what Caddy, Traefik and Envoy write.
var (
	jsonTime   = []string{"time_iso8601", "time_local", "time", "@timestamp", "timestamp", "ts", "msec", "StartUTC", "start_time"}
	jsonMethod = []string{"request_method", "method", "RequestMethod"}
	jsonTarget = []string{"request_uri", "uri", "RequestPath", "path", "url"}
	jsonStatus = []string{"status", "DownstreamStatus", "response_code"}
	jsonSize   = []string{"body_bytes_sent", "bytes_sent", "size", "DownstreamContentSize", "bytes"}
	jsonTook   = []string{"request_time", "upstream_response_time", "duration"}
	jsonClient = []string{"remote_addr", "remote_ip", "client_ip", "ClientHost", "downstream_remote_address"}
	jsonAgent  = []string{"http_user_agent", "user_agent", "request_User-Agent"}
	jsonUser   = []string{"remote_user", "user_id", "ClientUsername"}
)

// parseJSONLine reads an object of strings and numbers; a request that the client left unanswered, status 0 of Envoy, counts as 499. The request may be nginx's line, or an object of its own as
// Caddy writes it.
func parseJSONLine(text string) (logLine, error) {
	var all map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return logLine{}, fmt.Errorf("%w: %w", errLogLine, err)
	}
	var line logLine
	switch request := all["request"].(type) {
	case string:
		line.request(request)
	case map[string]any:
		for name, value := range request {
			if _, there := all[name]; !there {
				all[name] = value
			}
		}
	}
	var err error
	if line.time, err = timeOf(first(all, jsonTime)); err != nil {
		return logLine{}, err
	}
	status := first(all, jsonStatus)
	if status == "0" {
		status = "499"
	}
	if err := line.setStatus(status); err != nil {
		return logLine{}, err
	}
	if size := first(all, jsonSize); size != "" {
		if line.size, err = bodySize(size); err != nil {
			return logLine{}, err
		}
	}
	line.method, line.target = cmp.Or(line.method, first(all, jsonMethod)), cmp.Or(line.target, first(all, jsonTarget)) // $uri has no query
	line.took = inSeconds(first(all, jsonTook))
	if _, envoy := all["response_code"]; envoy { // whose duration is in milliseconds
		line.took /= 1000
	}
	line.client, line.user = first(all, jsonClient)+" "+first(all, jsonAgent), first(all, jsonUser)
	return line, nil
}

// first returns the value of the first name that has one, as text.
func first(all map[string]any, names []string) string {
	for _, name := range names {
		switch v := all[name].(type) {
		case string:
			if v != "" && v != "-" { // nothing, as some write it
				return v
			}
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
	}
	return ""
}

// timeOf reads what servers write: RFC 3339, the time of the Combined Log Format, or seconds or milliseconds since 1970.
func timeOf(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 {
		if seconds > 1e11 {
			seconds /= 1000
		}
		if seconds < math.MaxInt64/1e9 {
			return time.Duration(seconds * 1e9), nil
		}
	}
	for _, layout := range [...]string{time.RFC3339Nano, "02/Jan/2006:15:04:05 -0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return time.Duration(at.UnixNano()), nil
		}
	}
	return 0, fmt.Errorf("%w: %s is no time", errLogLine, clip([]byte(text)))
}

// inSeconds reads a time in seconds; what is none is not logged.
func inSeconds(text string) time.Duration {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0 && seconds < 1e6) {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// pathPage stands for a query parameter where the page is in the path.
const pathPage = "/page/"

var pagePath = regexp.MustCompile(`^(.*)/page/([0-9]+)/?$`)

// split returns path and query of what was asked for. Where inPath, a page in the path is a parameter named pathPage.
func (l *logLine) split(inPath bool) (path string, query url.Values, why string) {
	address, err := url.ParseRequestURI(l.target)
	if err != nil || address.Path == "" {
		return "", nil, "the request is no path"
	}
	if query, err = url.ParseQuery(address.RawQuery); err != nil {
		return "", nil, "the query is malformed"
	}
	path = address.Path
	if parts := pagePath.FindStringSubmatch(path); inPath && parts != nil {
		query.Set(pathPage, parts[2])
		path = parts[1]
	}
	return cmp.Or(strings.TrimSuffix(path, "/"), "/"), query, "" // one list, whether or not its path ends in a slash
}

// read reports whether the line is a page that was answered, and why not.
func (l *logLine) read() (why string) {
	switch success := l.status >= 200 && l.status < 300; {
	case l.method != "GET":
		return "the method is neither read nor write"
	case !success && l.status != 304:
		return "the answer is " + strconv.Itoa(l.status)
	}
	return ""
}
