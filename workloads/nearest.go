package workloads

import "github.com/foliocache/folio/internal/nearest"

// didYouMean renders the names nearest to given, or all names if none is near.
func didYouMean(given string, names []string) string { return nearest.Hint(given, names) }
