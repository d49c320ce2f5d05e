package host

import (
	"iter"
	"slices"
	"strings"
)

// nearest returns up to three of names within a small edit distance of name,
// the closest first, joined by ", ".
func nearest(name string, names iter.Seq[string]) string {
	type candidate struct {
		name string
		far  int
	}
	var list []candidate
	bound := 1 + len(name)/3
	for n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n), bound); d <= bound {
			list = append(list, candidate{n, d})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		if a.far != b.far {
			return a.far - b.far
		}
		return strings.Compare(a.name, b.name)
	})
	var words []string
	for _, c := range list[:min(3, len(list))] {
		words = append(words, c.name)
	}
	return strings.Join(words, ", ")
}

// distance is the Levenshtein distance of a and b in bytes, or any number
// above bound when it is above bound.
func distance(a, b string, bound int) int {
	if len(a) > maxName || len(b) > maxName || len(a)-len(b) > bound || len(b)-len(a) > bound {
		return bound + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := diagonal
			if a[i-1] != b[j-1] {
				change++
			}
			diagonal = row[j]
			row[j] = min(change, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
