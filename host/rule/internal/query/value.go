package query

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/vanth-io/vanth/host"
)

type kind uint8

const (
	kNull kind = iota
	kBool
	kInt
	kFloat
	kText
	kTime
	kOther // bytes, lists, maps
)

// val is a value between two closures. Numbers and bools are in bits, so that
// what is calculated on the way is not boxed; ref is the boxed form, where there
// is one.
type val struct {
	ref  any
	bits uint64
	kind kind
}

func boolVal(b bool) val {
	if b {
		return val{kind: kBool, bits: 1}
	}
	return val{kind: kBool}
}
func intVal(n int64) val     { return val{kind: kInt, bits: uint64(n)} }
func floatVal(f float64) val { return val{kind: kFloat, bits: math.Float64bits(f)} }
func textVal(s string) val   { return val{kind: kText, ref: s} }

// finite is null for what JSON cannot say.
func finite(f float64) val {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return val{}
	}
	return floatVal(f)
}

// load takes a value as rows and functions have it.
func load(x any) val {
	switch t := x.(type) {
	case float64:
		return val{x, math.Float64bits(t), kFloat}
	case string:
		return val{ref: x, kind: kText}
	case int64:
		return val{x, uint64(t), kInt}
	case bool:
		return boolVal(t)
	case nil:
		return val{}
	}
	return loadRare(x)
}

func loadRare(x any) val {
	switch t := x.(type) {
	case time.Time:
		return val{ref: x, kind: kTime}
	case int:
		return val{x, uint64(t), kInt}
	case int32:
		return val{x, uint64(t), kInt}
	case int16:
		return val{x, uint64(t), kInt}
	case int8:
		return val{x, uint64(t), kInt}
	case uint8:
		return val{x, uint64(t), kInt}
	case uint16:
		return val{x, uint64(t), kInt}
	case uint32:
		return val{x, uint64(t), kInt}
	case uint:
		return loadUnsigned(x, uint64(t))
	case uint64:
		return loadUnsigned(x, t)
	case float32:
		return val{x, math.Float64bits(float64(t)), kFloat}
	case []any:
		if t == nil {
			return val{}
		}
	case map[string]any:
		if t == nil {
			return val{}
		}
	}
	return val{ref: x, kind: kOther}
}

// loadUnsigned calculates with what int64 cannot hold as a float.
func loadUnsigned(x any, n uint64) val {
	if n > math.MaxInt64 {
		return val{x, math.Float64bits(float64(n)), kFloat}
	}
	return val{x, n, kInt}
}

// box is the inverse of load.
func (v val) box() any {
	switch {
	case v.ref != nil:
		return v.ref
	case v.kind == kBool:
		return v.bits != 0
	case v.kind == kInt:
		return int64(v.bits)
	case v.kind == kFloat:
		return math.Float64frombits(v.bits)
	}
	return nil
}

func (v val) isTrue() bool { return v.kind == kBool && v.bits != 0 }
func (v val) text() string { return v.ref.(string) }

// float is the number as a float; kInt and kFloat only.
func (v val) float() float64 {
	if v.kind == kInt {
		return float64(int64(v.bits))
	}
	return math.Float64frombits(v.bits)
}

func (v val) numeric() bool { return v.kind == kInt || v.kind == kFloat }

// integer is an int, or a float that is integral and fits.
func (v val) integer() (int64, bool) {
	if v.kind == kInt {
		return int64(v.bits), true
	}
	f := v.float()
	if v.kind != kFloat || f != math.Trunc(f) || f < -1<<63 || f >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

func (v val) String() string { return host.Describe(v.box()) }

// words is the value as concat and cast write it; null is empty.
func (v val) words() string {
	switch v.kind {
	case kNull:
		return ""
	case kText:
		return v.text()
	case kBool:
		return strconv.FormatBool(v.bits != 0)
	case kInt:
		return strconv.FormatInt(int64(v.bits), 10)
	case kFloat:
		if n, ok := v.ref.(uint64); ok {
			return strconv.FormatUint(n, 10)
		}
		return strconv.FormatFloat(v.float(), 'f', -1, 64)
	case kTime:
		return v.ref.(time.Time).Format(time.RFC3339Nano)
	}
	if b, ok := v.ref.([]byte); ok {
		return string(b)
	}
	return asJSON(v.ref)
}

// The results of comparing, as bits, so that an operator is a set of them.
const (
	less = 1 << iota
	equal
	greater
	unordered // NaN
)

var masks = [...]uint8{
	opEq: equal, opNe: less | greater | unordered,
	opLt: less, opLe: less | equal, opGt: greater, opGe: greater | equal,
}

func order[T int64 | float64 | string](a, b T) uint8 {
	switch {
	case a < b:
		return less
	case a > b:
		return greater
	case a == b:
		return equal
	}
	return unordered
}

// compare is false when either side is null.
func compare(op operator, l, r val) (val, error) {
	var o uint8
	switch {
	case l.kind == kNull || r.kind == kNull:
		return boolVal(false), nil
	case l.kind == kFloat && r.kind == kFloat:
		o = order(math.Float64frombits(l.bits), math.Float64frombits(r.bits))
	case l.kind == kInt && r.kind == kInt:
		o = order(int64(l.bits), int64(r.bits))
	case l.numeric() && r.numeric():
		o = order(l.float(), r.float())
	case l.kind == kText && r.kind == kText:
		o = order(l.text(), r.text())
	case l.kind == kBool && r.kind == kBool && (op == opEq || op == opNe):
		o = order(int64(l.bits), int64(r.bits))
	case l.kind == kTime || r.kind == kTime:
		lt, lok := toTime(l)
		rt, rok := toTime(r)
		if !lok || !rok {
			return val{}, misfits(op, l, r)
		}
		o = order(int64(lt.Compare(rt)), 0)
	default:
		return val{}, misfits(op, l, r)
	}
	return boolVal(masks[op]&o != 0), nil
}

// toTime is a time, milliseconds since 1970, or a string in RFC 3339.
func toTime(v val) (time.Time, bool) {
	switch v.kind {
	case kTime:
		return v.ref.(time.Time), true
	case kInt:
		return time.UnixMilli(int64(v.bits)).UTC(), true
	case kFloat:
		f := v.float()
		return time.UnixMilli(int64(f)).UTC(), math.Abs(f) < 1<<62
	case kText:
		t, err := time.Parse(time.RFC3339Nano, v.text())
		return t, err == nil
	}
	return time.Time{}, false
}

// misfits is eKuiper's error for operands that do not fit.
func misfits(op operator, l, r val) error {
	return invalid("invalid operation %s %s %s", describe(l), op, describe(r))
}

func describe(v val) string {
	switch v.kind {
	case kInt:
		return fmt.Sprintf("int64(%d)", int64(v.bits))
	case kFloat:
		return fmt.Sprintf("float64(%v)", v.float())
	case kBool:
		return fmt.Sprintf("bool(%t)", v.bits != 0)
	case kText:
		return "string(" + short(v.text()) + ")"
	case kTime:
		return "time(" + v.words() + ")"
	}
	return v.String()
}

// calculate is null when either side is.
func calculate(op operator, l, r val) (val, error) {
	switch {
	case l.kind == kFloat && r.kind == kFloat:
		return calculateFloats(op, math.Float64frombits(l.bits), math.Float64frombits(r.bits))
	case l.kind == kNull || r.kind == kNull:
		return val{}, nil
	case l.kind == kInt && r.kind == kInt:
		return calculateInts(op, int64(l.bits), int64(r.bits))
	case l.numeric() && r.numeric():
		return calculateFloats(op, l.float(), r.float())
	}
	return val{}, misfits(op, l, r)
}

func calculateInts(op operator, a, b int64) (val, error) {
	switch op {
	case opAdd:
		return intVal(a + b), nil
	case opSub:
		return intVal(a - b), nil
	case opMul:
		return intVal(a * b), nil
	case opBitAnd:
		return intVal(a & b), nil
	case opBitOr:
		return intVal(a | b), nil
	case opBitXor:
		return intVal(a ^ b), nil
	}
	if b == 0 {
		return val{}, invalid("divided by zero")
	}
	if op == opDiv {
		return intVal(a / b), nil
	}
	return intVal(a % b), nil
}

func calculateFloats(op operator, a, b float64) (val, error) {
	switch op {
	case opAdd:
		return floatVal(a + b), nil
	case opSub:
		return floatVal(a - b), nil
	case opMul:
		return floatVal(a * b), nil
	case opDiv:
		if b == 0 {
			return val{}, invalid("divided by zero")
		}
		return floatVal(a / b), nil
	case opMod:
		if b == 0 {
			return val{}, invalid("divided by zero")
		}
		return floatVal(math.Mod(a, b)), nil
	}
	return val{}, misfits(op, floatVal(a), floatVal(b))
}
