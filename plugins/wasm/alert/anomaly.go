package main

import (
	"math"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

// warmUp is how many values of a key are learned from before one is judged.
const warmUp = 5

// anomaly tells how far value is from what its key was before, in standard deviations: the mean and
// the variance are exponentially weighted, alpha being the weight of a new value. 0 during warm-up
// and for a value that is exactly what was expected.
func anomaly(key string, value, alpha float64) (float64, error) {
	if !(alpha > 0 && alpha <= 1) || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, &vanth.Error{Msg: "expected a finite value, and an alpha above 0 and at most 1", Class: vanth.Usage}
	}
	kept, _, err := vanth.Get("ewma/" + key)
	if err != nil {
		return 0, err
	}
	n, mean, variance := int64(0), value, 0.0
	if list, ok := kept.([]any); ok && len(list) == 3 {
		n, _ = list[0].(int64)
		mean, _ = list[1].(float64)
		variance, _ = list[2].(float64)
	}
	score := 0.0
	off := value - mean
	if n >= warmUp && off != 0 {
		// A series that never moved has no deviation: any move is far off, and finite.
		score = math.Min(math.Abs(off)/math.Sqrt(variance), 1e6)
	}
	mean += alpha * off
	variance = (1 - alpha) * (variance + alpha*off*off)
	return score, vanth.Put("ewma/"+key, []any{n + 1, mean, variance})
}
