package sim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Assertion is a parsed claim about the rows of a result:
//
//	[error:|warn:]metric{selector} op value
//
// where value is a number, a percentage or another metric{selector}, and a selector is a list
// of field=value that rows must match; class=page1 picks a depth class. With another metric
// on the right, rows are compared on the same trace, size and seed.
type Assertion struct {
	Text  string
	Warn  bool // a failure is only a warning
	left  operand
	op    string
	right operand
}

type operand struct {
	metric   string // empty: a number
	number   float64
	selector map[string]string
}

// Outcome is one assertion judged on one row.
type Outcome struct {
	Assertion Assertion
	Row       string // what it was judged on
	Found     float64
	Wanted    float64
	Held      bool
}

var assertionForm = regexp.MustCompile(`^(?:(error|warn|off):)?\s*(\S+?(?:\{[^}]*\})?)\s*(>=|<=|==|!=|<|>)\s*(.+)$`)
var operandForm = regexp.MustCompile(`^([a-z][a-z0-9_.]*)(?:\{([^}]*)\})?$`)

// ParseAssertion reads one assertion.
func ParseAssertion(text string) (Assertion, error) {
	a := Assertion{Text: text}
	m := assertionForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return a, fmt.Errorf("%w: assertion %q: want [warn:]metric{selector} >= value", ErrConfig, text)
	}
	a.Warn, a.op = m[1] == "warn", m[3]
	var err error
	if a.left, err = parseOperand(m[2]); err == nil {
		a.right, err = parseOperand(strings.TrimSpace(m[4]))
	}
	if err == nil && a.left.metric == "" {
		err = fmt.Errorf("a metric belongs on the left")
	}
	if err != nil {
		return a, fmt.Errorf("%w: assertion %q: %w", ErrConfig, text, err)
	}
	return a, nil
}

func parseOperand(text string) (operand, error) {
	if number, percent := strings.CutSuffix(text, "%"); number != "" {
		if n, err := strconv.ParseFloat(number, 64); err == nil {
			if percent {
				n /= 100
			}
			return operand{number: n}, nil
		}
	}
	m := operandForm.FindStringSubmatch(text)
	if m == nil {
		return operand{}, fmt.Errorf("%q is neither a number nor metric{selector}", text)
	}
	if !slices.Contains(Metrics(), m[1]) {
		return operand{}, fmt.Errorf("no metric %q; there are %s", m[1], strings.Join(Metrics(), " "))
	}
	o := operand{metric: m[1], selector: map[string]string{}}
	for _, kv := range splitSelector(m[2]) {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || !slices.Contains(selectors, k) {
			return o, fmt.Errorf("selector %q: want one of %s, as name=value", kv, strings.Join(selectors, " "))
		}
		o.selector[k] = strings.Trim(v, `"`)
	}
	return o, nil
}

var selectors = []string{"policy", "size", "trace", "seed", "class"}

// splitSelector cuts at commas outside quotes.
func splitSelector(text string) []string {
	var parts []string
	quoted, start := false, 0
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	if start < len(text) {
		parts = append(parts, text[start:])
	}
	return parts
}

// Metrics returns the names that assertions may use: every number of a [Row].
func Metrics() []string {
	var names []string
	for k, v := range flatten(Row{Folio: &Folio{}}) {
		if _, ok := v.(float64); ok && k != "size" && k != "seed" {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// flatten returns a row's fields by their names in JSON, those of folio with a prefix.
func flatten(r Row) map[string]any {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // rows hold numbers and strings
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	if f, ok := m["folio"].(map[string]any); ok {
		for k, v := range f {
			m["folio."+k] = v
		}
	}
	return m
}

// Judge judges an assertion on every row it selects. No row is a configuration error.
func (a Assertion) Judge(rows []Row) ([]Outcome, error) {
	var all []Outcome
	for _, r := range rows {
		if !a.left.selects(r) {
			continue
		}
		found, err := a.left.value(r)
		if err != nil {
			return nil, fmt.Errorf("%w: assertion %q: %w", ErrConfig, a.Text, err)
		}
		wanted, err := a.right.against(r, rows)
		if err != nil {
			return nil, fmt.Errorf("%w: assertion %q: %w", ErrConfig, a.Text, err)
		}
		all = append(all, Outcome{Assertion: a, Row: fmt.Sprintf("%s %s %d", r.Trace, r.Policy, r.Size),
			Found: found, Wanted: wanted, Held: holds(found, a.op, wanted)})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: assertion %q: its selector matches no row", ErrConfig, a.Text)
	}
	return all, nil
}

func (o operand) selects(r Row) bool {
	for k, v := range o.selector {
		ok := true
		switch k {
		case "policy":
			ok = v == r.Policy
		case "trace":
			ok = v == r.Trace
		case "size":
			ok = v == r.sizeText || v == strconv.FormatInt(r.Size, 10)
		case "seed":
			ok = v == strconv.FormatUint(r.Seed, 10)
		case "class":
			_, ok = r.Classes[v]
		}
		if !ok {
			return false
		}
	}
	return true
}

func (o operand) value(r Row) (float64, error) {
	if c, ok := o.selector["class"]; ok {
		switch o.metric {
		case "requests":
			return float64(r.Classes[c].Requests), nil
		case "hits":
			return float64(r.Classes[c].Hits), nil
		case "hit_ratio":
			return ratio(r.Classes[c].Hits, r.Classes[c].Requests), nil
		}
		return 0, fmt.Errorf("%s is not known by class", o.metric)
	}
	v, ok := flatten(r)[o.metric].(float64)
	if !ok {
		return 0, fmt.Errorf("%s has no %s", r.Policy, o.metric)
	}
	return v, nil
}

// against returns the right side's value for a row of the left.
func (o operand) against(r Row, rows []Row) (float64, error) {
	if o.metric == "" {
		return o.number, nil
	}
	for _, other := range rows {
		if other.Trace == r.Trace && other.Size == r.Size && other.Seed == r.Seed && o.selects(other) {
			return o.value(other)
		}
	}
	return 0, fmt.Errorf("no row to compare %s at %d with", r.Policy, r.Size)
}

func holds(a float64, op string, b float64) bool {
	switch op {
	case ">=":
		return a >= b
	case "<=":
		return a <= b
	case "==":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	}
	return a > b
}
