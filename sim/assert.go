package sim

import (
	"encoding/json"
	"errors"
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
//	[error:|warn:|off:]metric{selector} op value
//
// where value is a number, a percentage or another metric{selector}, and a selector is a list
// of field=value that rows must match; class=page1 picks a depth class. With another metric
// on the right, rows are compared on the same trace, size and seed. A selector value that holds
// a comma or a brace is quoted. delta.metric is by how much a row of the head is above that of the
// base: of a ratio in points (-0.1pp), of anything else as a number or as a part of the base's (+0.5%).
type Assertion struct {
	Text  string
	Warn  bool // a failure is only a warning
	Off   bool // it is not to be judged
	left  operand
	op    string
	right operand
}

type operand struct {
	metric   string // empty: a number
	delta    bool
	number   float64
	unit     string // of the number: %, pp or none
	selector map[string]string
}

// Pair is a row and what it is compared with.
type Pair struct{ Base, Head Row }

// Outcome is one assertion judged on one row.
type Outcome struct {
	Claim  string  `json:"claim"`
	Warn   bool    `json:"warn"`  // a failure is only a warning
	Trace  string  `json:"trace"` // of the row that it was judged on
	Row    string  `json:"row"`   // its policy and size, and its seed if there are others
	Found  float64 `json:"found"`
	Wanted float64 `json:"wanted"`
	Held   bool    `json:"held"`
}

// MarshalJSON writes what JSON has no number for, a change from nothing, as the largest one.
func (o Outcome) MarshalJSON() ([]byte, error) {
	type plain Outcome
	if math.IsInf(o.Found, 0) {
		o.Found = math.Copysign(math.MaxFloat64, o.Found)
	}
	return json.Marshal(plain(o))
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
	a.Warn, a.Off, a.op = m[1] == "warn", m[1] == "off", m[3]
	var err error
	if m[1] != "" && m[1] != "error" && !a.Warn && !a.Off {
		err = fmt.Errorf("%q is none of error, warn and off", m[1])
	}
	if err == nil {
		a.left, err = parseOperand(m[2])
	}
	if err == nil {
		a.right, err = parseOperand(strings.TrimSpace(m[4]))
	}
	if err == nil {
		err = a.units()
	}
	if err != nil {
		return a, fmt.Errorf("%w: assertion %q: %w", ErrConfig, text, err)
	}
	return a, nil
}

// shares are the metrics beside ratios that a percentage may be said of.
var shares = []string{"folio.ece", "folio.brier", "folio.brier_skill", "sample_error"}

// units reports numbers of a kind that does not fit what they are compared with.
func (a Assertion) units() error {
	share := strings.HasSuffix(a.left.metric, "ratio")
	switch {
	case a.right.delta || a.left.delta && a.right.metric != "":
		return errors.New("a delta is compared with a number")
	case a.left.delta && share && a.right.unit != "pp" && a.right.number != 0:
		return fmt.Errorf("delta.%s is in points: say %gpp", a.left.metric, 100*a.right.number)
	case a.right.unit == "%" && !a.left.delta && !share && !slices.Contains(shares, a.left.metric):
		return fmt.Errorf("%s is no share: say a number", a.left.metric)
	case a.right.unit == "pp" && !(a.left.delta && share):
		return errors.New("points (pp) are of the delta of a ratio")
	}
	return nil
}

// parseOperand reads a number, a percentage, points or metric{selector}.
func parseOperand(text string) (operand, error) {
	number, unit := text, ""
	for _, u := range []string{"%", "pp"} {
		if before, ok := strings.CutSuffix(text, u); ok {
			number, unit = before, u
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err == nil && (math.IsNaN(n) || math.IsInf(n, 0)):
		return operand{}, fmt.Errorf("%q is not a finite number", text)
	case err == nil && unit != "":
		return operand{number: n / 100, unit: unit}, nil
	case err == nil:
		return operand{number: n}, nil
	case !wholeOperand.MatchString(text):
		return operand{}, fmt.Errorf("%q is neither a number nor metric{selector}", text)
	}
	m := operandForm.FindStringSubmatch(text)
	metric, delta := strings.CutPrefix(m[1], "delta.")
	if !slices.Contains(Metrics(), metric) {
		return operand{}, fmt.Errorf("no metric %q%s", metric, nearest.Hint(metric, Metrics()))
	}
	o := operand{metric: metric, delta: delta}
	o.selector, err = parseSelector(m[2])
	return o, err
}

var selectors = []string{"policy", "size", "trace", "seed", "class", "sample"}

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
	for k, v := range flatten(Row{Folio: &Folio{}, SampleError: new(float64)}) {
		if _, ok := v.(float64); ok && k != "size" && k != "seed" {
			names = append(names, k)
		}
	}
	names = append(names, oftenZero...)
	slices.Sort(names)
	return names
}

// oftenZero are the numbers that a row leaves out of JSON where they are 0.
var oftenZero = []string{"ttl_s", "untold", "refreshed", "warmed", "warmed_used", "rewarmed", "rewarmed_used"}

// notOfCurves are the numbers that a row of a curve has no other value for than 0.
var notOfCurves = []string{"prefetched", "prefetch_used", "admitted", "evicted", "invalidated", "revoked", "bytes_written", "bytes_live", "bytes_dead",
	"bytes_metadata", "bytes_peak"}

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

// Judge judges an assertion on every row it selects. No row is a configuration error, and a delta.
func (a Assertion) Judge(rows []Row) ([]Outcome, error) {
	if a.left.delta {
		return nil, fmt.Errorf("%w: assertion %q: a delta needs two results: say it to compare", ErrConfig, a.Text)
	}
	pairs := make([]Pair, len(rows))
	for i := range rows {
		pairs[i].Head = rows[i]
	}
	return a.JudgePairs(pairs)
}

// JudgePairs judges an assertion on every pair with a side that it selects: what is no delta, on the head. So a claim about
// a policy of the base is one about what it is compared with.
func (a Assertion) JudgePairs(pairs []Pair) ([]Outcome, error) {
	var all []Outcome
	heads, seeds := make([]Row, len(pairs)), false
	for i := range pairs {
		heads[i] = pairs[i].Head
		seeds = seeds || heads[i].Seed != heads[0].Seed
	}
	for _, p := range pairs {
		r := p.Head
		if a.left.metric == "sample_error" && r.SampleError == nil {
			continue // the whole trace has none
		}
		if !a.left.selects(r) && !(p.Base.Policy != "" && a.left.selects(p.Base)) {
			continue
		}
		found, err := a.left.value(r)
		if err == nil && a.left.delta {
			found, err = a.change(found, p.Base)
		}
		wanted := 0.
		if err == nil {
			wanted, err = a.right.against(r, heads)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: assertion %q: %w", ErrConfig, a.Text, err)
		}
		row := fmt.Sprintf("%s %d", r.Name(), r.Size)
		if seeds {
			row += fmt.Sprintf(", seed %d", r.Seed)
		}
		all = append(all, Outcome{Claim: a.Text, Warn: a.Warn, Trace: r.Trace, Row: row,
			Found: found, Wanted: wanted, Held: holds(found, a.op, wanted)})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: assertion %q: its selector matches no row", ErrConfig, a.Text)
	}
	return all, nil
}

// change returns by how much a value is above the base's, as a part of that if the assertion says so. From
// nothing to something is a change without end.
func (a Assertion) change(found float64, base Row) (float64, error) {
	was, err := a.left.value(base)
	change := found - was
	if a.right.unit == "%" && change != 0 {
		change /= math.Abs(was)
	}
	return change, err
}

func (o operand) selects(r Row) bool {
	for k, v := range o.selector {
		ok := true
		switch k {
		case "policy":
			ok = v == r.Policy || v == r.Name()
		case "trace":
			ok = v == r.Trace
		case "size":
			ok = v == r.SizeText || v == strconv.FormatInt(r.Size, 10)
		case "sample":
			ok = v == r.Sample
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
	if r.Curve && slices.Contains(notOfCurves, o.metric) {
		return 0, fmt.Errorf("a curve that takes one pass does not tell %s: use run", o.metric)
	}
	v, ok := flatten(r)[o.metric].(float64)
	if !ok && !slices.Contains(oftenZero, o.metric) {
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
		if other.Trace == r.Trace && other.Size == r.Size && other.SizeUnit == r.SizeUnit && other.Seed == r.Seed && other.Sample == r.Sample && o.selects(other) {
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
