package folio

import "strings"

// Scope says whose rows a list shows. It is part of every key, so that a page is never served to
// anybody else; a query without one is an error.
type Scope struct {
	Kind string // of the owner: user, event, city; public where everybody sees the same
	ID   string // of the owner; empty with public, and with nothing else
	// Audience tells apart readers who see different rows of the same owner, as by their role.
	// An invalidation of the scope reaches all of them.
	Audience string
}

// Public is the scope of rows that everybody may see.
var Public = Scope{Kind: publicKind}

const publicKind = "public"

// check returns a [QueryError] unless the scope names somebody.
func (s Scope) check() error {
	switch {
	case s.Kind == "":
		return &QueryError{"scope", s.String(), "has no kind"}
	case s.ID == "" && s.Kind != publicKind:
		return &QueryError{"scope", s.String(), "has no id"}
	case s.ID != "" && s.Kind == publicKind:
		return &QueryError{"scope", s.String(), "is public and has an id"}
	}
	return nil
}

// String returns the scope as it is written in keys: user:123, or user:123@admin.
func (s Scope) String() string { return string(s.append(nil)) }

func (s Scope) append(dst []byte) []byte {
	dst = s.appendOwner(dst)
	if s.Audience != "" {
		dst = appendField(append(dst, '@'), s.Audience)
	}
	return dst
}

// appendOwner leaves the audience out.
func (s Scope) appendOwner(dst []byte) []byte {
	dst = appendField(dst, s.Kind)
	if s.ID != "" {
		dst = appendField(append(dst, ':'), s.ID)
	}
	return dst
}

// appendField writes a field of a canonical text so that nothing in it passes for what separates
// fields.
func appendField(dst []byte, field string) []byte {
	if strings.IndexAny(field, separators) < 0 {
		return append(dst, field...)
	}
	const hex = "0123456789ABCDEF"
	for i := range len(field) {
		if b := field[i]; strings.IndexByte(separators, b) >= 0 {
			dst = append(dst, '%', hex[b>>4], hex[b&15])
		} else {
			dst = append(dst, b)
		}
	}
	return dst
}

const separators = ":@=,%"
