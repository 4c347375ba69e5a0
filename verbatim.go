package folio

import (
	"cmp"
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// verbatim reports whether an addressable value is exactly what decoding its JSON gives, and shares nothing that can be written to:
// who waited for a load gets a copy of such rows, and needs not decode them. nil: of its type nobody knows.
type verbatim func(reflect.Value) bool

var (
	instant = reflect.TypeFor[time.Time]()
	number  = reflect.TypeFor[json.Number]()

	ownWays = []reflect.Type{ // of being written as JSON and read
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](), reflect.TypeFor[encoding.TextAppender](),
	}

	plainName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

// verbatimOf returns how to tell of a type's values.
func verbatimOf(t reflect.Type) verbatim {
	if t == instant {
		return func(v reflect.Value) bool {
			at := v.Addr().Interface().(*time.Time)
			return at.Location() == time.UTC && *at == at.Round(0) // without a monotonic clock
		}
	}
	for _, way := range ownWays {
		if t.Implements(way) || reflect.PointerTo(t).Implements(way) {
			return nil
		}
	}
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		return func(v reflect.Value) bool { return v.Float() != 0 || !math.Signbit(v.Float()) } // omitempty leaves -0 out
	case reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(reflect.Value) bool { return true }
	case reflect.String:
		if t != number { // an empty one is written as 0
			return func(v reflect.Value) bool { return utf8.ValidString(v.String()) }
		}
	case reflect.Struct:
		return verbatimStruct(t)
	}
	return nil
}

// verbatimStruct is verbatimOf for structs, all of whose fields are to be written, each under a name of its own.
func verbatimStruct(t reflect.Type) verbatim {
	fields, names := make([]verbatim, t.NumField()), map[string]bool{}
	for i := range fields {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		name = strings.ToLower(cmp.Or(name, f.Name)) // it is read so
		fields[i] = verbatimOf(f.Type)
		if fields[i] == nil || !f.IsExported() || f.Anonymous || names[name] || !plainName.MatchString(name) || options != "" && options != "omitempty" {
			return nil
		}
		names[name] = true
	}
	return func(v reflect.Value) bool {
		for i, is := range fields {
			if !is(v.Field(i)) {
				return false
			}
		}
		return true
	}
}

// all reports whether a type's values are all verbatim.
func all[T any](is verbatim, values []T) bool {
	if is == nil {
		return false
	}
	for i := range values {
		if !is(reflect.ValueOf(&values[i]).Elem()) {
			return false
		}
	}
	return true
}
