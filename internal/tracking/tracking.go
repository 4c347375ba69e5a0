// Package tracking knows the parameters of queries that say nothing of what is asked for.
package tracking

import (
	"slices"
	"strings"
)

// Param reports whether a parameter is one that advertisers and libraries add to any URL.
func Param(name string) bool {
	return strings.HasPrefix(name, "utm_") || slices.Contains([]string{"gclid", "fbclid", "msclkid", "_"}, name)
}
