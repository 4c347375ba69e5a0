package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/foliocache/folio/internal/nearest"
)

// Assertion is a parsed claim about the rows of a result:
//
//	[error:|warn:]metric{selector} op value
//
// where value is a number, a percentage or another metric{selector}, and a selector is a list
// of field=value that rows must match; class=page1 picks a depth class. With another metric
// on the right, rows are compared on the same trace, size and seed. A selector value that holds
// a comma or a brace is quoted.
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

// A selector ends at the first brace outside quotes.
const operandPattern = `[A-Za-z][A-Za-z0-9_.]*(?:\{(?:[^}"]|"[^"]*")*\})?`

var (
	assertionForm = regexp.MustCompile(`^(?:([a-z]+):)?\s*(` + operandPattern + `)\s*(>=|<=|==|!=|<|>)\s*(.+)$`)
	operandForm   = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.]*)(?:\{(.*)\})?$`)
	wholeOperand  = regexp.MustCompile(`^` + operandPattern + `$`)
)

// ParseAssertion reads one assertion.
func ParseAssertion(text string) (Assertion, error) {
	a := Assertion{Text: text}
	m := assertionForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return a, fmt.Errorf("%w: assertion %q: want [warn:]metric{selector} >= value", ErrConfig, text)
	}
	a.Warn, a.op = m[1] == "warn", m[3]
	var err error
	if m[1] != "" && m[1] != "warn" && m[1] != "error" {
		err = fmt.Errorf("%q is neither error nor warn", m[1])
	}
	if err == nil {
		a.left, err = parseOperand(m[2])
	}
	if err == nil {
		a.right, err = parseOperand(strings.TrimSpace(m[4]))
	}
	if err != nil {
		return a, fmt.Errorf("%w: assertion %q: %w", ErrConfig, text, err)
	}
	return a, nil
}

// parseOperand reads a number, a percentage or metric{selector}.
func parseOperand(text string) (operand, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err == nil && (math.IsNaN(n) || math.IsInf(n, 0)):
		return operand{}, fmt.Errorf("%q is not a finite number", text)
	case err == nil && percent:
		return operand{number: n / 100}, nil
	case err == nil:
		return operand{number: n}, nil
	case !wholeOperand.MatchString(text):
		return operand{}, fmt.Errorf("%q is neither a number nor metric{selector}", text)
	}
	m := operandForm.FindStringSubmatch(text)
	if !slices.Contains(Metrics(), m[1]) {
		return operand{}, fmt.Errorf("no metric %q%s", m[1], nearest.Hint(m[1], Metrics()))
	}
	o := operand{metric: m[1]}
	o.selector, err = parseSelector(m[2])
	return o, err
}

var selectors = []string{"policy", "size", "trace", "seed", "class"}

// parseSelector reads name=value,…; a value that holds a comma or a brace is quoted.
func parseSelector(text string) (map[string]string, error) {
	selector := map[string]string{}
	for _, kv := range splitSelector(text) {
		k, v, ok := strings.Cut(strings.TrimSpace(kv), "=")
		if !ok || !slices.Contains(selectors, k) {
			return nil, fmt.Errorf("selector %q: want one of %s, as name=value", kv, strings.Join(selectors, " "))
		}
		if _, twice := selector[k]; twice {
			return nil, fmt.Errorf("selector %q: %s is given twice", text, k)
		}
		selector[k] = strings.Trim(v, `"`)
	}
	return selector, nil
}

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

// CheckPolicies reports a selector that names a policy that is not among those replayed, before
// anything is.
func (a Assertion) CheckPolicies(replayed []string) error {
	for _, o := range []operand{a.left, a.right} {
		if p, ok := o.selector["policy"]; ok && !slices.Contains(replayed, p) {
			return fmt.Errorf("%w: assertion %q: its selector matches no row: policy %q is not replayed%s", ErrConfig, a.Text, p, nearest.Hint(p, replayed))
		}
	}
	return nil
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
		case "misses":
			return float64(r.Classes[c].Requests - r.Classes[c].Hits), nil
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
		if other.Trace == r.Trace && other.Size == r.Size && other.SizeUnit == r.SizeUnit && other.Seed == r.Seed && o.selects(other) {
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
