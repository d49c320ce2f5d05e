// Package words is a kernel in Go: what text costs there, with its maps, strings and garbage.
package words

import (
	"slices"
	"strconv"
	"strings"
)

// Count makes a text of n words, counts each, and writes the counts in the order of the words; the hash of that.
func Count(n int64) int64 {
	var text strings.Builder
	seed := uint32(1)
	for range n {
		seed = seed*1664525 + 1013904223
		for i := range 2 + seed>>30 {
			text.WriteByte('A' + byte(seed>>(8+4*i)&7))
		}
		text.WriteByte(' ')
	}
	counts := map[string]int{}
	for word := range strings.FieldsSeq(text.String()) {
		counts[strings.ToLower(word)]++
	}
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	var list []byte
	for _, name := range names {
		list = append(append(list, name...), '=')
		list = append(strconv.AppendInt(list, int64(counts[name]), 10), ',')
	}
	hash := uint64(14695981039346656037)
	for _, b := range list {
		hash = (hash ^ uint64(b)) * 1099511628211
	}
	return int64(hash)
}
