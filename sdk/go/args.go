package vanth

import (
	"strconv"
	"time"
)

// Args are the arguments of one call to a function registered with Func. Each accessor counts from
// 0 and converts as a parameter of that type would; its error counts arguments from 1, as people
// do, and says what was found and what was expected. It can be returned as it is.
type Args []any

// Len is the number of arguments.
func (a Args) Len() int { return len(a) }

// Value is argument i as it came (see the function Value), nil if it is null or absent.
func (a Args) Value(i int) any {
	if i < 0 || i >= len(a) {
		return nil
	}
	return a[i]
}

// String is argument i, which must be a string.
func (a Args) String(i int) (string, error) { return whole[string](a, i, tString) }

// Bytes is argument i, which must be bytes.
func (a Args) Bytes(i int) ([]byte, error) { return whole[[]byte](a, i, tBytes) }

// Bool is argument i, which must be a bool.
func (a Args) Bool(i int) (bool, error) { return whole[bool](a, i, tBool) }

// List is argument i, which must be a list.
func (a Args) List(i int) ([]any, error) { return whole[[]any](a, i, tList) }

// Map is argument i, which must be a map.
func (a Args) Map(i int) (map[string]any, error) { return whole[map[string]any](a, i, tMap) }

// Time is argument i, which must be a time.
func (a Args) Time(i int) (time.Time, error) { return whole[time.Time](a, i, tTime) }

// Int is argument i, which must be a whole number within int64.
func (a Args) Int(i int) (int64, error) {
	t, err := a.token(i, tInt64)
	if err != nil {
		return 0, err
	}
	n, err := t.signed(tInt64)
	return n, atArgument(i+1, err)
}

// Float is argument i, which must be a number.
func (a Args) Float(i int) (float64, error) {
	t, err := a.token(i, tFloat64)
	if err != nil {
		return 0, err
	}
	f, err := t.float(tFloat64)
	return f, atArgument(i+1, err)
}

func whole[T any](a Args, i int, want goType) (T, error) {
	var none T
	t, err := a.token(i, want)
	if err != nil {
		return none, err
	}
	if v, ok := a[i].(T); ok {
		return v, nil
	}
	return none, atArgument(i+1, t.mismatch(want))
}

// token is the head that argument i had.
func (a Args) token(i int, want goType) (token, error) {
	if i < 0 || i >= len(a) {
		return token{}, atArgument(i+1, &Error{Msg: "found nothing, expected " + goTypeNames[want], Class: Usage})
	}
	switch v := a[i].(type) {
	case int64:
		return token{kind: kInt, n: v}, nil
	case int: // from an author's own test
		return token{kind: kInt, n: int64(v)}, nil
	case uint64:
		return token{kind: kUint, n: int64(v)}, nil
	case float64:
		return token{kind: kFloat, f: v}, nil
	case bool:
		return token{kind: kBool}, nil
	case string:
		return token{kind: kString}, nil
	case []byte:
		return token{kind: kBytes}, nil
	case []any:
		return token{kind: kList}, nil
	case map[string]any:
		return token{kind: kMap}, nil
	case time.Time:
		return token{kind: kTime}, nil
	case *Error:
		return token{kind: kError}, nil
	}
	return token{kind: kNull}, nil
}

// atArgument says which argument err is about, counted from 1. nil stays nil.
func atArgument(n int, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Msg: "argument " + strconv.Itoa(n) + ": " + err.Error(), Class: Usage}
}
