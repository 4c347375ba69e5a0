package workloads

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// logLine is what one line of an access log tells.
type logLine struct {
	time           time.Duration // since 1970
	method, target string        // empty where the client sent no HTTP request
	status         int
	size           uint32 // bytes; 0 = none or not logged
}

// parseLogLine reads `host ident user [time] "request" status bytes` and ignores what follows.
func parseLogLine(text string) (logLine, error) {
	_, rest, ok := strings.Cut(text, " [")
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
	if parts := strings.Fields(request); len(parts) == 3 {
		line.method, line.target = parts[0], parts[1]
	}
	return line, nil
}

// answer reads status and bytes, the latter "-" where there are none.
func (l *logLine) answer(fields []string) error {
	if len(fields) < 2 {
		return fmt.Errorf("%w: status and bytes are missing", errLogLine)
	}
	status, err := strconv.Atoi(fields[0])
	if err != nil || status < 100 || status > 999 {
		return fmt.Errorf("%w: %s is no status", errLogLine, clip([]byte(fields[0])))
	}
	l.status = status
	if fields[1] == "-" {
		return nil
	}
	if l.size, err = parseUint32([]byte(fields[1])); err != nil {
		return fmt.Errorf("%w: bytes: %w", errLogLine, err)
	}
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
