// Package nearest finds the names that somebody who misspelt one may have meant.
package nearest

import (
	"strconv"
	"strings"
)

// offered is how many equally near names are offered at most.
const offered = 3

// Hint continues an error message about an unknown name: with the nearest known ones, or with
// all of them if none is near. Case does not count.
func Hint(given string, known []string) string {
	near := Names(given, known)
	if len(near) == 0 {
		return " (there are: " + strings.Join(known, " ") + ")"
	}
	for i, name := range near {
		near[i] = strconv.Quote(name)
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// Names returns up to three known names at the least distance from given, in their order; none
// if more than half of given, and more than two letters, would have to change.
func Names(given string, known []string) []string {
	var near []string
	least := 1 + max(2, len(given)/2)
	for _, name := range known {
		switch d := Distance(strings.ToLower(given), strings.ToLower(name)); {
		case d < least:
			near, least = []string{name}, d
		case d == least && len(near) > 0 && len(near) < offered:
			near = append(near, name)
		}
	}
	return near
}

// Distance is Levenshtein's: insertions, deletions and substitutions of bytes from a to b.
// O(len(a)·len(b)).
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
