package folio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Rules say what a change of an entity outdates: patterns of tags by the entity's kind, with fields
// of the entity in braces. A list's scope is named as [List.Tag] does. Plain data, as from a file:
//
//	folio.Rules{
//		"event":  {"event:{id}", "events:city:{city}", "key:analytics:{id}"},
//		"ticket": {"ticket:{id}", "tickets:user:{user}", "event:{event}"},
//		"user":   {"key:profile:{id}", "tickets:user:{id}", "payments:user:{id}"},
//	}
type Rules map[string][]string

// check returns all faults of the rules, joined.
func (r Rules) check() error {
	var faults []error
	for _, entity := range slices.Sorted(maps.Keys(r)) {
		for _, pattern := range r[entity] {
			if _, err := expand(pattern, func(string) (string, error) { return "", nil }); err != nil {
				faults = append(faults, fmt.Errorf("%w: rule of %q: %w", ErrConfig, entity, err))
			}
		}
	}
	return errors.Join(faults...)
}

// expand replaces the fields in a pattern.
func expand(pattern string, value func(field string) (string, error)) (string, error) {
	var text strings.Builder
	rest := pattern
	for {
		before, after, open := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return "", fmt.Errorf("%q: a } without {", pattern)
		}
		text.WriteString(before)
		if !open {
			return text.String(), nil
		}
		field, behind, closed := strings.Cut(after, "}")
		if !closed || field == "" || strings.Contains(field, "{") {
			return "", fmt.Errorf("%q: after a { there must be a field's name and }", pattern)
		}
		v, err := value(field)
		if err != nil {
			return "", fmt.Errorf("%q: %w", pattern, err)
		}
		text.WriteString(v)
		rest = behind
	}
}

// Changed outdates what Config.Rules say of an entity's kind, and all that depends on that. The
// entity's fields are given as they are; where a change moves it, as from one city to another, as they
// were and as they are. Call it after the write is committed. An error, as of a field that a rule
// needs and nobody gave, means that nothing was invalidated.
func (c *Cache) Changed(ctx context.Context, entity string, fields ...map[string]string) error {
	tags, err := c.ruled(entity, fields)
	if err != nil {
		return err
	}
	return c.InvalidateTags(ctx, tags...)
}

// Reach lists what [Cache.Changed] would outdate, and does nothing.
func (c *Cache) Reach(entity string, fields ...map[string]string) ([]Tag, error) {
	tags, err := c.ruled(entity, fields)
	if err != nil {
		return nil, err
	}
	return c.Cascade(tags...)
}

// ruled returns the tags that the rules name for an entity: with its fields as they are, and, where
// that differs, as List.Tag writes them.
func (c *Cache) ruled(entity string, fields []map[string]string) ([]Tag, error) {
	patterns, ok := c.config.Rules[entity]
	if !ok {
		return nil, fmt.Errorf("%w: no rule for a change of %q", ErrConfig, entity)
	}
	if len(fields) == 0 {
		fields = []map[string]string{nil}
	}
	var tags []Tag
	for _, f := range fields {
		for _, pattern := range patterns {
			for _, escaped := range []bool{false, true} {
				text, err := expand(pattern, func(field string) (string, error) {
					v, ok := f[field]
					if !ok {
						return "", fmt.Errorf("%w: %q has no field %q", ErrConfig, entity, field)
					}
					if escaped {
						v = string(appendField(nil, v))
					}
					return v, nil
				})
				if err != nil {
					return nil, err
				}
				if t := Tag(text); !slices.Contains(tags, t) {
					tags = append(tags, t)
				}
			}
		}
	}
	return tags, nil
}
