package workloads

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"time"
)

// parseUint reads a decimal number from 0 to 2^64-1 without allocating.
func parseUint(text []byte) (uint64, error) {
	if len(text) == 0 {
		return 0, errors.New("a number is missing")
	}
	var n uint64
	for _, c := range text {
		digit := uint64(c - '0')
		if c < '0' || c > '9' {
			return 0, badNumber(text)
		}
		high, low := bits.Mul64(n, 10)
		if high != 0 || low > math.MaxUint64-digit {
			return 0, fmt.Errorf("number %s is beyond 2^64-1", clip(text))
		}
		n = low + digit
	}
	return n, nil
}

func badNumber(text []byte) error {
	if text[0] == '-' {
		return fmt.Errorf("number %s is negative", clip(text))
	}
	return fmt.Errorf("%s is not a decimal number", clip(text))
}

// parseUint32 is parseUint for counts and sizes, which end at 2^32-1.
func parseUint32(text []byte) (uint32, error) {
	n, err := parseUint(text)
	if err == nil && n > math.MaxUint32 {
		err = fmt.Errorf("number %s is beyond 2^32-1", clip(text))
	}
	return uint32(n), err
}

// parseDuration reads a decimal count of units, such as "1.25" with time.Second, rounded to the
// nanosecond. Up to nine decimals are exact; an exponent is accepted and read as a float64.
func parseDuration(text []byte, unit time.Duration) (time.Duration, error) {
	whole, fraction := text, []byte(nil)
	for i, c := range text {
		if c == '.' {
			whole, fraction = text[:i], text[i+1:]
			break
		}
	}
	n, err := parseUint(whole)
	part, err2 := parseFraction(fraction)
	if err != nil || err2 != nil || n > uint64(math.MaxInt64/unit)-1 {
		return parseFloatDuration(text, unit)
	}
	return time.Duration(n)*unit + time.Duration(part*uint64(unit)/1e9), nil
}

// parseFraction reads up to nine decimals as billionths.
func parseFraction(digits []byte) (uint64, error) {
	if len(digits) == 0 {
		return 0, nil
	}
	if len(digits) > 9 {
		return 0, errors.New("more than nine decimals")
	}
	n, err := parseUint(digits)
	for range 9 - len(digits) {
		n *= 10
	}
	return n, err
}

func parseFloatDuration(text []byte, unit time.Duration) (time.Duration, error) {
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsNaN(x) {
		return 0, fmt.Errorf("%s is not a decimal number", clip(text))
	}
	if x < 0 {
		return 0, fmt.Errorf("number %s is negative", clip(text))
	}
	if x *= float64(unit); x >= math.MaxInt64 {
		return 0, fmt.Errorf("number %s is beyond 292 years", clip(text))
	}
	return time.Duration(math.Round(x)), nil
}

// appendDuration writes d as a decimal count of units that parseDuration reads back exactly.
func appendDuration(to []byte, d, unit time.Duration) []byte {
	to = strconv.AppendInt(to, int64(d/unit), 10)
	rest := uint64(d%unit) * uint64(1e9/unit)
	if rest == 0 {
		return to
	}
	at := len(to)
	to = strconv.AppendUint(to, rest+1e9, 10)
	to[at] = '.'
	for to[len(to)-1] == '0' {
		to = to[:len(to)-1]
	}
	return to
}

// clip quotes what stands in a file, cut to a length an error message can carry.
func clip(text []byte) string {
	if len(text) > 40 {
		return strconv.Quote(string(text[:40])) + "…"
	}
	return strconv.Quote(string(text))
}
