package httpcache

import (
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"
)

// kind tells what is stored under a key.
type kind byte

const (
	aResponse kind = iota + 1
	aVary          // the fields that responses vary by: each variant is under a key of its own
	aMiss          // nothing can be stored: requests need not wait for each other
)

// response is one that is stored, and when it is fresh.
type response struct {
	kind     kind
	status   int
	came     time.Time     // when it did
	age      time.Duration // when it came
	life     time.Duration
	while    time.Duration // that it may be served stale for while a new one is loaded,
	ifError  time.Duration // or where that fails
	validate bool          // it is not served without validation
	authored bool          // requests with Authorization may get it
	fields   string        // packed: the names of aVary, one a line, or the header
	body     []byte
}

const (
	responseFormat = 1
	fixedSize      = 2 + 2 + 5*8 + 1 + 4
)

const (
	flagValidate = 1 << iota
	flagAuthored
)

// append writes a response behind dst: what is of fixed size, the fields, the body.
func (p *response) append(dst []byte) []byte {
	dst = append(dst, responseFormat, byte(p.kind))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(p.status))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.came.UnixNano()))
	for _, d := range [...]time.Duration{p.age, p.life, p.while, p.ifError} {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(d))
	}
	flags := byte(0)
	if p.validate {
		flags |= flagValidate
	}
	if p.authored {
		flags |= flagAuthored
	}
	dst = append(dst, flags)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.fields)))
	return append(append(dst, p.fields...), p.body...)
}

// parse reads what append wrote; the body shares b's memory.
func parse(b []byte) (p response, ok bool) {
	if len(b) < fixedSize || b[0] != responseFormat {
		return p, false
	}
	number := func(at int) int64 { return int64(binary.LittleEndian.Uint64(b[at:])) }
	p = response{kind: kind(b[1]), status: int(binary.LittleEndian.Uint16(b[2:])), came: time.Unix(0, number(4)),
		age: time.Duration(number(12)), life: time.Duration(number(20)), while: time.Duration(number(28)), ifError: time.Duration(number(36)),
		validate: b[44]&flagValidate != 0, authored: b[44]&flagAuthored != 0}
	n := int(binary.LittleEndian.Uint32(b[45:]))
	if n > len(b)-fixedSize || p.kind < aResponse || p.kind > aMiss {
		return p, false
	}
	p.fields, p.body = string(b[fixedSize:fixedSize+n]), b[fixedSize+n:]
	return p, true
}

// ageAt is how old a response is at a time, and at how many ns ago it was fresh at the last; negative: it is.
func (p *response) ageAt(now time.Time) (age, stale time.Duration) {
	age = p.age + max(0, now.Sub(p.came))
	return age, age - p.life
}

// pack writes a header's fields: name and value by turns, each with its length before it.
func pack(h http.Header) string {
	var b []byte
	for name, values := range h {
		for _, v := range values {
			b = binary.AppendUvarint(b, uint64(len(name)))
			b = append(b, name...)
			b = binary.AppendUvarint(b, uint64(len(v)))
			b = append(b, v...)
		}
	}
	return string(b)
}

// unpack calls each with the fields that pack wrote.
func unpack(fields string, each func(name, value string)) {
	next := func() string {
		n, size := uvarint(fields)
		if size <= 0 || n > uint64(len(fields)-size) {
			fields = ""
			return ""
		}
		s := fields[size : size+int(n)]
		fields = fields[size+int(n):]
		return s
	}
	for fields != "" {
		name := next()
		each(name, next())
	}
}

// uvarint is binary.Uvarint of a string.
func uvarint(s string) (n uint64, size int) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		n |= uint64(s[i]&127) << (7 * i)
		if s[i] < 128 {
			return n, i + 1
		}
	}
	return 0, 0
}

// header returns a response's header.
func (p *response) header() http.Header {
	h := http.Header{}
	unpack(p.fields, func(name, value string) { h[name] = append(h[name], value) })
	return h
}

// hopByHop are the fields of a connection and not of a response (RFC 9110, section 7.6.1; RFC 9111, section 3.1).
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// endToEnd removes from a header what is not to be stored or sent on.
func endToEnd(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// keptOver are the fields of a stored response that a 304 does not change (RFC 9111, section 3.2).
var keptOver = []string{"Content-Length", "Content-Encoding", "Content-Range", "Content-Type"}

// update takes over the fields of a 304 that validated a response.
func update(stored, fresh http.Header) http.Header {
	endToEnd(fresh)
	for name, values := range fresh {
		if !slices.Contains(keptOver, name) {
			stored[name] = values
		}
	}
	if len(fresh["Age"]) == 0 {
		delete(stored, "Age")
	}
	return stored
}
