package workloads

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Param is one parameter of a generator, or one option of a format.
type Param struct {
	Name, Default, Doc string
	Required           bool // has no default and must be given
}

// Values are parameters by name, read by type. The getters record the first fault instead of
// returning it; ask Err when all are read.
type Values struct {
	params []Param
	set    map[string]string
	err    *error
}

// parseValues reads "a=1&b=2", URL-escaped, against the known parameters. Unknown, repeated and
// missing required names are ErrParameter.
func parseValues(params []Param, raw string) (Values, error) {
	given, err := url.ParseQuery(raw)
	if err != nil {
		return Values{}, fmt.Errorf("%w: %q: %w", ErrParameter, raw, err)
	}
	v := newValues(params)
	for name, texts := range given {
		if !v.knows(name) {
			return Values{}, fmt.Errorf("%w: unknown parameter %q%s", ErrParameter, name, didYouMean(name, v.names()))
		}
		if len(texts) > 1 {
			return Values{}, fmt.Errorf("%w: %s is given %d times", ErrParameter, name, len(texts))
		}
		v.set[name] = texts[0]
	}
	for _, p := range params {
		if _, ok := given[p.Name]; p.Required && !ok {
			return Values{}, fmt.Errorf("%w: %s must be given (%s)", ErrParameter, p.Name, p.Doc)
		}
	}
	return v, nil
}

func newValues(params []Param) Values {
	return Values{params: params, set: map[string]string{}, err: new(error)}
}

func (v Values) names() []string {
	names := make([]string, len(v.params))
	for i, p := range v.params {
		names[i] = p.Name
	}
	return names
}

func (v Values) knows(name string) bool {
	for _, p := range v.params {
		if p.Name == name {
			return true
		}
	}
	return false
}

// Err returns the first fault of a getter, an ErrParameter.
func (v Values) Err() error {
	if v.err == nil {
		return nil
	}
	return *v.err
}

// Text returns the parameter as given, or its default.
func (v Values) Text(name string) string {
	if text, ok := v.set[name]; ok {
		return text
	}
	for _, p := range v.params {
		if p.Name == name {
			return p.Default
		}
	}
	return ""
}

// Int returns a whole number between low and high.
func (v Values) Int(name string, low, high int) int {
	n, err := strconv.Atoi(v.Text(name))
	if err != nil || n < low || n > high {
		v.fail(name, fmt.Sprintf("a whole number from %d to %d", low, high))
		return low
	}
	return n
}

// Uint64 returns a number from 0 to 2^64-1.
func (v Values) Uint64(name string) uint64 {
	n, err := strconv.ParseUint(v.Text(name), 10, 64)
	if err != nil {
		v.fail(name, "a whole number from 0 to 2^64-1")
	}
	return n
}

// Float returns a number between low and high.
func (v Values) Float(name string, low, high float64) float64 {
	x, err := strconv.ParseFloat(v.Text(name), 64)
	if err != nil || !(x >= low && x <= high) {
		v.fail(name, fmt.Sprintf("a number from %g to %g", low, high))
		return low
	}
	return x
}

// Floats returns a comma-separated list of at least least numbers between low and high.
func (v Values) Floats(name string, least int, low, high float64) []float64 {
	var list []float64
	for text := range strings.SplitSeq(v.Text(name), ",") {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || !(x >= low && x <= high) {
			list = nil
			break
		}
		list = append(list, x)
	}
	if len(list) < least {
		v.fail(name, fmt.Sprintf("at least %d numbers from %g to %g, comma-separated", least, low, high))
		return make([]float64, least)
	}
	return list
}

func (v Values) fail(name, want string) {
	if v.err != nil && *v.err == nil {
		*v.err = fmt.Errorf("%w: %s=%q is not %s", ErrParameter, name, v.Text(name), want)
	}
}
