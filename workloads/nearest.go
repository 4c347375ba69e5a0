package workloads

import (
	"fmt"
	"strings"
)

// didYouMean renders the name nearest to given, or all names if none is near.
func didYouMean(given string, names []string) string {
	best, distance := "", 1+max(2, len(given)/2)
	for _, name := range names {
		if d := editDistance(strings.ToLower(given), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	if best == "" {
		return " (there are: " + strings.Join(names, " ") + ")"
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance is Levenshtein's: insertions, deletions and substitutions from a to b. O(len(a)·len(b)).
func editDistance(a, b string) int {
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
