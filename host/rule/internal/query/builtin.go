package query

import (
	"maps"
	"math"
	"math/rand/v2"
	"time"
)

// maxResult bounds what a function may make, in bytes; statements could double a
// text with each of their parts.
const maxResult = 16 << 20

// builtins are the functions that need no plugin, by their names in lower case.
var builtins = merge(generalFunctions, mathFunctions, textFunctions, convertFunctions, listFunctions)

func merge(tables ...map[string]builtin) map[string]builtin {
	all := map[string]builtin{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

var generalFunctions = map[string]builtin{
	"isnull": {min: 1, max: 1, nulls: nullGiven, run: func(_ *siteState, a []val) (val, error) {
		return boolVal(a[0].kind == kNull), nil
	}},
	"coalesce": {min: 1, max: -1, nulls: nullGiven, run: func(_ *siteState, a []val) (val, error) {
		for _, v := range a {
			if v.kind != kNull {
				return v, nil
			}
		}
		return val{}, nil
	}},
	"rule_id": {impure: true, row: func(_ *scope, st *siteState, _ []val) (val, error) { return textVal(st.call.Rule), nil }},
	"tstamp": {impure: true, run: func(*siteState, []val) (val, error) {
		return intVal(time.Now().UnixMilli()), nil
	}},
	"event_time": {impure: true, row: func(s *scope, _ *siteState, _ []val) (val, error) {
		if s.row.Time.IsZero() {
			return val{}, nil
		}
		return intVal(s.row.Time.UnixMilli()), nil
	}},
	"now":               {max: 1, impure: true, check: fraction, run: now},
	"current_timestamp": {max: 1, impure: true, check: fraction, run: now},
	"rand": {impure: true, run: func(*siteState, []val) (val, error) {
		return floatVal(rand.Float64()), nil //nolint:gosec // a random number, no secret
	}},
}

func fraction(args []code) error {
	if len(args) == 0 || !args[0].constant {
		return nil
	}
	if n, ok := args[0].value.integer(); !ok || n < 0 || n > 6 {
		return invalid("found %s, expected 0 to 6 digits of the second", args[0].value)
	}
	return nil
}

// now is the local time as eKuiper writes it.
func now(_ *siteState, a []val) (val, error) {
	layout := "2006-01-02 15:04:05.000000"
	digits := int64(0)
	if len(a) == 1 {
		if err := fraction([]code{constant(a[0])}); err != nil {
			return val{}, err
		}
		digits, _ = a[0].integer()
	}
	if digits == 0 {
		digits = -1 // and no point
	}
	return textVal(time.Now().Format(layout[:20+digits])), nil
}

// numeric asks for a number.
func numeric(v val) (float64, error) {
	if !v.numeric() {
		return 0, invalid("found %s, expected a number", v)
	}
	return v.float(), nil
}

func integral(v val) (int64, error) {
	n, ok := v.integer()
	if !ok {
		return 0, invalid("found %s, expected an integer", v)
	}
	return n, nil
}

// float1 makes a function of one number.
func float1(f func(float64) float64) builtin {
	return builtin{min: 1, max: 1, check: numbers, run: func(_ *siteState, a []val) (val, error) {
		x, err := numeric(a[0])
		if err != nil {
			return val{}, err
		}
		return finite(f(x)), nil
	}}
}

func float2(f func(x, y float64) float64) builtin {
	return builtin{min: 2, max: 2, check: numbers, run: func(_ *siteState, a []val) (val, error) {
		x, err := numeric(a[0])
		if err != nil {
			return val{}, err
		}
		y, err := numeric(a[1])
		if err != nil {
			return val{}, err
		}
		return finite(f(x, y)), nil
	}}
}

func int2(f func(x, y int64) int64) builtin {
	return builtin{min: 2, max: 2, check: numbers, run: func(_ *siteState, a []val) (val, error) {
		x, err := integral(a[0])
		if err != nil {
			return val{}, err
		}
		y, err := integral(a[1])
		if err != nil {
			return val{}, err
		}
		return intVal(f(x, y)), nil
	}}
}

// numbers refuses constants that are none.
func numbers(args []code) error {
	for i, a := range args {
		if a.constant && a.value.kind != kNull && !a.value.numeric() {
			return invalid("found %s as argument %d, expected a number", a.value, i+1)
		}
	}
	return nil
}

var mathFunctions = map[string]builtin{
	"abs": {min: 1, max: 1, check: numbers, run: func(_ *siteState, a []val) (val, error) {
		if n := int64(a[0].bits); a[0].kind == kInt {
			return intVal(max(n, -n)), nil
		}
		x, err := numeric(a[0])
		return floatVal(math.Abs(x)), err
	}},
	"sign": {min: 1, max: 1, check: numbers, run: func(_ *siteState, a []val) (val, error) {
		x, err := numeric(a[0])
		switch {
		case x > 0:
			return intVal(1), err
		case x < 0:
			return intVal(-1), err
		}
		return intVal(0), err
	}},
	"mod": {min: 2, max: 2, check: numbers, run: func(_ *siteState, a []val) (val, error) {
		if a[0].kind == kInt && a[1].kind == kInt && a[1].bits != 0 {
			return intVal(int64(a[0].bits) % int64(a[1].bits)), nil
		}
		x, err := numeric(a[0])
		if err != nil {
			return val{}, err
		}
		y, err := numeric(a[1])
		return finite(math.Mod(x, y)), err
	}},
	"log": {min: 1, max: 2, check: numbers, run: func(_ *siteState, a []val) (val, error) {
		x, err := numeric(a[len(a)-1])
		if err != nil || len(a) == 1 {
			return finite(math.Log10(x)), err
		}
		base, err := numeric(a[0])
		if err != nil || base <= 1 {
			return val{}, err
		}
		return finite(math.Log(x) / math.Log(base)), nil
	}},
	"ceil": float1(math.Ceil), "ceiling": float1(math.Ceil), "floor": float1(math.Floor), "round": float1(math.Round),
	"sqrt": float1(math.Sqrt), "exp": float1(math.Exp), "ln": float1(math.Log),
	"power": float2(math.Pow), "pow": float2(math.Pow),
	"sin": float1(math.Sin), "cos": float1(math.Cos), "tan": float1(math.Tan), "cot": float1(func(x float64) float64 { return 1 / math.Tan(x) }),
	"asin": float1(math.Asin), "acos": float1(math.Acos), "atan": float1(math.Atan), "atan2": float2(math.Atan2),
	"sinh": float1(math.Sinh), "cosh": float1(math.Cosh), "tanh": float1(math.Tanh),
	"degrees": float1(func(x float64) float64 { return x * 180 / math.Pi }),
	"radians": float1(func(x float64) float64 { return x * math.Pi / 180 }),
	"pi":      {run: func(*siteState, []val) (val, error) { return floatVal(math.Pi), nil }},
	"bitand":  int2(func(x, y int64) int64 { return x & y }),
	"bitor":   int2(func(x, y int64) int64 { return x | y }),
	"bitxor":  int2(func(x, y int64) int64 { return x ^ y }),
	"bitnot": {min: 1, max: 1, check: numbers, run: func(_ *siteState, a []val) (val, error) {
		n, err := integral(a[0])
		return intVal(^n), err
	}},
}
