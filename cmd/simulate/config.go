package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// settings is a configuration file with its overrides: the values of flags by their long names,
// as text or as lists of text, and trace. It stands behind the command line and before the
// defaults.
type settings map[string]any

// traceKey is the only key that is no flag.
const traceKey = "trace"

// BeforeResolve reads --config and --set; kong calls it before it asks for flags that the
// command line does not have.
func (c *runCmd) BeforeResolve(ctx *kong.Context) error {
	s, err := settings{}, error(nil)
	var known []string
	var over []string
	for _, f := range ctx.Selected().Flags {
		switch f.Name {
		case "help":
		case "config":
			if path, _ := ctx.FlagValue(f).(string); path != "" {
				s, err = readSettings(path)
			}
		case "set":
			over, _ = ctx.FlagValue(f).([]string)
		default:
			known = append(known, f.Name)
		}
	}
	if err == nil {
		err = s.override(over)
	}
	if err == nil {
		err = s.check(append(known, traceKey))
	}
	if err != nil {
		return err
	}
	c.settings = s
	ctx.AddResolver(s)
	return nil
}

// traces returns the traces that the file names.
func (s settings) traces() []string {
	switch v := s[traceKey].(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, one.(string)) // as plainValue made it
		}
		return all
	}
	return nil
}

// readSettings reads a YAML or JSON file; JSON is YAML.
func readSettings(path string) (settings, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	raw := map[string]any{}
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := settings{}
	for k, v := range raw {
		if s[k], err = plainValue(v); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, k, err)
		}
	}
	return s, nil
}

// plainValue turns a value into what the command line would hold: text, or a list of text.
func plainValue(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, int64, uint64, int:
		return fmt.Sprint(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case []any:
		list := make([]any, 0, len(v))
		for _, e := range v {
			one, err := plainValue(e)
			if _, nested := one.([]any); nested || err != nil {
				return nil, fmt.Errorf("a list holds texts and numbers only")
			}
			list = append(list, one)
		}
		return list, nil
	}
	return nil, fmt.Errorf("want a text, a number, true, false or a list, not %T", v)
}

// override applies KEY=VALUE; a key given again adds to a list.
func (s settings) override(all []string) error {
	seen := map[string]bool{}
	for _, kv := range all {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return fmt.Errorf("--set %q: want KEY=VALUE", kv)
		}
		if list, _ := s[k].([]any); seen[k] && list != nil {
			s[k] = append(list, v)
		} else if seen[k] {
			s[k] = []any{s[k], v}
		} else {
			s[k] = v
		}
		seen[k] = true
	}
	return nil
}

// check refuses keys that mean nothing.
func (s settings) check(known []string) error {
	for k := range s {
		if !slices.Contains(known, k) {
			slices.Sort(known)
			return fmt.Errorf("configuration: no key %q; there are %s", k, strings.Join(known, " "))
		}
	}
	return nil
}

// Validate implements kong.Resolver; check has done it.
func (s settings) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	v, ok := s[f.Name]
	if !ok {
		return nil, nil
	}
	return v, nil
}
