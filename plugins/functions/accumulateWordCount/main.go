// AccumulateWordCount is a sample of a native function that keeps state with the host. See readme.md.
package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// key is where the total is kept. The host keeps the states of two functions of a rule apart.
const key = "allwordcount"

// AccumulateWordCount is the symbol that the host looks up: a constructor. The host calls it once for each use.
func AccumulateWordCount() api.Function { return accumulate{} }

func main() {}

// accumulate has no fields: what must outlive a call belongs to the host, which saves it with the
// rule's checkpoints.
type accumulate struct{}

// Validate wants a text and a separator.
func (accumulate) Validate(args []any) error {
	if len(args) != 2 {
		return fmt.Errorf("accumulateWordCount: found %d arguments, expected 2: text, separator", len(args))
	}
	return nil
}

// Exec adds the number of words of the text to the total and returns the new total, an int. If the
// total cannot be read or kept, the text does not count.
func (f accumulate) Exec(ctx api.FunctionContext, args []any) (any, bool) {
	if err := f.Validate(args); err != nil {
		return err, false
	}
	text, ok := args[0].(string)
	if !ok {
		return fmt.Errorf("accumulateWordCount: text: found %T, expected string", args[0]), false
	}
	separator, ok := args[1].(string)
	if !ok {
		return fmt.Errorf("accumulateWordCount: separator: found %T, expected string", args[1]), false
	}
	total, err := ctx.GetCounter(key)
	if err != nil {
		return fmt.Errorf("accumulateWordCount: %w", err), false
	}
	n := words(text, separator)
	if n > math.MaxInt-total {
		return fmt.Errorf("accumulateWordCount: the total %d is full", total), false
	}
	if err := ctx.IncrCounter(key, n); err != nil {
		return fmt.Errorf("accumulateWordCount: %w", err), false
	}
	return total + n, true
}

// IsAggregate says that a call sees one row: the total is the function's, not a window's.
func (accumulate) IsAggregate() bool { return false }

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
