package host

import "sort"

// sortBy sorts values by a text that each has. What slices.SortFunc is made of is made
// again for each type, and moves values of this size: 30 KB of the binary for each list
// that is only shown.
func sortBy[T any](list []T, text func(*T) string) {
	sort.Slice(list, func(i, j int) bool { return text(&list[i]) < text(&list[j]) })
}
