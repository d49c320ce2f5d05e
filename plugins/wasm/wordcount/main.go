// Wordcount is a sample plugin that keeps state with the host. See readme.md.
package main

import (
	"math"
	"strings"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

// key is where the total is kept.
const key = "allwordcount"

func init() { vanth.Try2("accumulateWordCount", accumulate) }

func main() {}

// accumulate adds the number of words of text to the total and returns the new total. If the total
// cannot be read or kept, the text does not count.
func accumulate(text, separator string) (int64, error) {
	kept, _, err := vanth.Get(key)
	if err != nil {
		return 0, err
	}
	total, ok := kept.(int64)
	if kept != nil && !ok {
		return 0, &vanth.Error{Msg: "state " + key + " is not a number", Class: vanth.Fatal}
	}
	n := int64(words(text, separator))
	if n > math.MaxInt64-total {
		return 0, &vanth.Error{Msg: "the total is full", Class: vanth.Usage}
	}
	return total + n, vanth.Put(key, total+n)
}

// words counts the pieces between separators that are not empty. Without a separator any white
// space separates.
func words(text, separator string) int {
	if separator == "" {
		return len(strings.Fields(text))
	}
	n := 0
	for piece := range strings.SplitSeq(text, separator) {
		if piece != "" {
			n++
		}
	}
	return n
}
