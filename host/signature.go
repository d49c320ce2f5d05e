package host

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Type is the declared type of an argument or a result.
type Type uint8

// The types. TypeAny is the zero value: nothing is declared.
const (
	TypeAny Type = iota
	TypeI32
	TypeI64
	TypeF32
	TypeF64
	TypeU32
	TypeBool
	TypeString
	TypeBytes
	TypeList
	TypeMap
)

var typeNames = [...]string{"any", "i32", "i64", "f32", "f64", "u32", "bool", "string", "bytes", "list", "map"}

// String returns the manifest's word for the type.
func (t Type) String() string { return typeNames[t] }

// MarshalText implements encoding.TextMarshaler.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Type) UnmarshalText(text []byte) error {
	i := slices.Index(typeNames[:], string(text))
	if i < 0 {
		return invalid("type %q: expected one of %s", text, strings.Join(typeNames[:], " "))
	}
	*t = Type(i)
	return nil
}

// Numeric reports whether values of the type travel as one word.
func (t Type) Numeric() bool { return t >= TypeI32 && t <= TypeBool }

// Signature describes a function to its callers.
type Signature struct {
	Description string `json:"description,omitempty"`
	// Args are the declared argument types. With Variadic they are not
	// declared: any number of any values.
	Args     []Type `json:"args"`
	Variadic bool   `json:"variadic,omitempty"`
	Returns  Type   `json:"returns"`
	// Pure promises that equal arguments give equal results.
	Pure bool `json:"pure,omitempty"`
	// Aggregate functions get each argument as a list, one element a row.
	Aggregate bool `json:"aggregate,omitempty"`
	// NullCall has the function called with null arguments; without it any
	// null argument makes the result null and the function is not called.
	NullCall bool `json:"-"`
}

// UnmarshalJSON reads the manifest's form: unknown keys are refused, an absent
// "args" means that arguments are not declared, "null" is "strict" or "call".
func (s *Signature) UnmarshalJSON(b []byte) error {
	var j struct {
		Description string  `json:"description"`
		Args        *[]Type `json:"args"`
		Returns     Type    `json:"returns"`
		Pure        bool    `json:"pure"`
		Aggregate   bool    `json:"aggregate"`
		Null        string  `json:"null"`
	}
	if err := strictJSON(b, &j); err != nil {
		return err
	}
	*s = Signature{Description: j.Description, Returns: j.Returns, Pure: j.Pure, Aggregate: j.Aggregate}
	if j.Args == nil {
		s.Variadic = true
	} else {
		s.Args = *j.Args
	}
	switch j.Null {
	case "", "strict":
	case "call":
		s.NullCall = true
	default:
		return invalid("null %q: expected strict or call", j.Null)
	}
	return nil
}

// String returns "(f64, f64, i32) -> string".
func (s *Signature) String() string {
	if s.Variadic {
		return "(any...) -> " + s.Returns.String()
	}
	words := make([]string, len(s.Args))
	for i, t := range s.Args {
		words[i] = t.String()
	}
	return "(" + strings.Join(words, ", ") + ") -> " + s.Returns.String()
}

// MarshalJSON adds "null" in the manifest's words.
func (s Signature) MarshalJSON() ([]byte, error) {
	type plain Signature
	if s.Args == nil {
		s.Args = []Type{}
	}
	null := "strict"
	if s.NullCall {
		null = "call"
	}
	return json.Marshal(struct {
		plain
		Null string `json:"null"`
	}{plain(s), null})
}

// Check reports the first argument that cannot be given to the function. nil
// arguments pass. The error is ErrInvalid.
func (s *Signature) Check(args []any) error {
	if s.Variadic {
		return nil
	}
	if len(args) != len(s.Args) {
		return invalid("found %d arguments, expected %d: %s", len(args), len(s.Args), s)
	}
	if s.Aggregate {
		return nil // each argument is a list of the declared type
	}
	for i, t := range s.Args {
		if args[i] == nil {
			continue
		}
		if err := t.check(args[i]); err != nil {
			return s.argError(i, err)
		}
	}
	return nil
}

func (s *Signature) argError(i int, err error) error {
	return invalid("argument %d of %s: %v", i+1, s, err)
}

func (t Type) check(v any) error {
	if t.Numeric() {
		_, err := t.Word(v)
		return err
	}
	ok := true
	switch t {
	case TypeString:
		_, ok = v.(string)
	case TypeBytes:
		_, ok = v.([]byte)
	case TypeList:
		_, ok = v.([]any)
	case TypeMap:
		_, ok = v.(map[string]any)
	}
	if !ok {
		return wrongType(t, v)
	}
	return nil
}

func wrongType(t Type, v any) error { return invalid("found %s, expected %s", Describe(v), t) }

// Word encodes v as one 64-bit word of a numeric type t, as WebAssembly passes
// it: i32 and u32 in the low half, f32 by its bits, bool as 0 or 1. Integers
// convert to floats; floats to integers only when they are integral; nothing is
// ever truncated silently.
func (t Type) Word(v any) (uint64, error) {
	switch t {
	case TypeF64:
		f, ok := asFloat(v)
		if !ok {
			return 0, wrongType(t, v)
		}
		return math.Float64bits(f), nil
	case TypeF32:
		f, ok := asFloat(v)
		if !ok {
			return 0, wrongType(t, v)
		}
		if !math.IsInf(f, 0) && math.IsInf(float64(float32(f)), 0) {
			return 0, invalid("found %v, which overflows f32", f)
		}
		return uint64(math.Float32bits(float32(f))), nil
	case TypeI64:
		return t.integer(v, math.MinInt64, math.MaxInt64)
	case TypeI32:
		w, err := t.integer(v, math.MinInt32, math.MaxInt32)
		return uint64(uint32(w)), err
	case TypeU32:
		return t.integer(v, 0, math.MaxUint32)
	case TypeBool:
		b, ok := v.(bool)
		if !ok {
			return 0, wrongType(t, v)
		}
		if b {
			return 1, nil
		}
		return 0, nil
	}
	return 0, invalid("type %s is not passed as a word", t)
}

func (t Type) integer(v any, low, high int64) (uint64, error) {
	i, ok := asInt(v)
	if !ok {
		switch v.(type) {
		case float64, float32, uint64, uint, uintptr:
			return 0, invalid("found %v, expected an integer in the range of %s", v, t)
		}
		return 0, wrongType(t, v)
	}
	if i < low || i > high {
		return 0, invalid("found %d, which overflows %s", i, t)
	}
	return uint64(i), nil
}

// Value is the inverse of Word: int64, float64 or bool.
func (t Type) Value(w uint64) any {
	switch t {
	case TypeF64:
		return math.Float64frombits(w)
	case TypeF32:
		return float64(math.Float32frombits(uint32(w)))
	case TypeI32:
		return int64(int32(uint32(w)))
	case TypeU32:
		return int64(uint32(w))
	case TypeBool:
		return uint32(w) != 0
	}
	return int64(w)
}

// Conform returns v in the form that values of t have: a number as int64,
// float64 or bool, anything else as it is. The error is ErrInvalid.
func (t Type) Conform(v any) (any, error) {
	if err := t.check(v); err != nil {
		return nil, err
	}
	switch v.(type) {
	case int64:
		if t == TypeI32 || t == TypeU32 || t == TypeI64 {
			return v, nil
		}
	case float64:
		if t == TypeF64 {
			return v, nil
		}
	}
	if !t.Numeric() {
		return v, nil
	}
	w, err := t.Word(v)
	return t.Value(w), err
}

// Words encodes args into words, which is at least as long as they are.
func (s *Signature) Words(words []uint64, args []any) error {
	if len(args) != len(s.Args) {
		return s.Check(args)
	}
	for i, t := range s.Args {
		w, err := t.Word(args[i])
		if err != nil {
			return s.argError(i, err)
		}
		words[i] = w
	}
	return nil
}

// asInt converts any integer, and any float that is integral and fits.
func asInt(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case float64:
		// 1<<63 is exact as a float64; MaxInt64 is not.
		if n != math.Trunc(n) || n < -1<<63 || n >= 1<<63 {
			return 0, false
		}
		return int64(n), true
	case float32:
		return asInt(float64(n))
	case int32:
		return int64(n), true
	case int16:
		return int64(n), true
	case int8:
		return int64(n), true
	case uint32:
		return int64(n), true
	case uint16:
		return int64(n), true
	case uint8:
		return int64(n), true
	case uint64:
		return int64(n), n <= math.MaxInt64
	case uint:
		return int64(n), uint64(n) <= math.MaxInt64
	}
	return 0, false
}

// asFloat converts any number.
func asFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case float32:
		return float64(n), true
	case uint64:
		return float64(n), true
	case uint:
		return float64(n), true
	}
	i, ok := asInt(v)
	return float64(i), ok
}

// Describe names the type of v in the words of a caller, with a short value.
func Describe(v any) string {
	switch n := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprintf("bool %t", n)
	case string:
		if len(n) > 32 {
			return fmt.Sprintf("string %q...", n[:32])
		}
		return fmt.Sprintf("string %q", n)
	case []byte:
		return fmt.Sprintf("%d bytes", len(n))
	case []any:
		return fmt.Sprintf("list of %d", len(n))
	case map[string]any:
		return fmt.Sprintf("map of %d", len(n))
	}
	if _, ok := asFloat(v); ok {
		return fmt.Sprintf("number %v", v)
	}
	return fmt.Sprintf("%T", v)
}
