package vanth

import (
	"encoding/binary"
	"strconv"
	"unsafe"
)

// Func registers a function that looks at its arguments itself: for any number of them, for lists
// of an aggregate, for null. All functions are registered from init or a package variable, before
// the first call; their order is their index in the ABI. Registering panics, and the plugin then
// fails to load, if the name is empty or taken, f is nil, or a type is one the ABI has no value for.
func Func(name string, f func(args Args) (any, error)) {
	register(name, -1, f == nil, func(c *call, out []byte) ([]byte, error) {
		args := make(Args, 0, min(c.count, room))
		for range c.count {
			args = append(args, read[any](c, tAny))
		}
		if err := c.end(); err != nil {
			return out, err
		}
		v, err := f(args)
		if err != nil {
			return out, err
		}
		return Append(out, v)
	})
}

// Func0 registers a function without parameters that cannot fail.
//
// For all of Func0 to Func5 and Try0 to Try5: a parameter is a string, []byte, bool, any integer or
// float type, a named type of one of these, []any, map[string]any, time.Time or any; a result is
// whatever Append takes. An argument that does not fit, or a wrong number of them, is answered with
// an error of class Usage before f is called. Null fits only any.
func Func0[R any](name string, f func() R) {
	Try0(name, guard(f == nil, func() (R, error) { return f(), nil }))
}

// Func1 registers a function of one parameter that cannot fail; see Func0.
func Func1[A, R any](name string, f func(A) R) {
	Try1(name, guard(f == nil, func(a A) (R, error) { return f(a), nil }))
}

// Func2 registers a function of two parameters that cannot fail; see Func0.
func Func2[A, B, R any](name string, f func(A, B) R) {
	Try2(name, guard(f == nil, func(a A, b B) (R, error) { return f(a, b), nil }))
}

// Func3 registers a function of three parameters that cannot fail; see Func0.
func Func3[A, B, C, R any](name string, f func(A, B, C) R) {
	Try3(name, guard(f == nil, func(a A, b B, c C) (R, error) { return f(a, b, c), nil }))
}

// Func4 registers a function of four parameters that cannot fail; see Func0.
func Func4[A, B, C, D, R any](name string, f func(A, B, C, D) R) {
	Try4(name, guard(f == nil, func(a A, b B, c C, d D) (R, error) { return f(a, b, c, d), nil }))
}

// Func5 registers a function of five parameters that cannot fail; see Func0.
func Func5[A, B, C, D, E, R any](name string, f func(A, B, C, D, E) R) {
	Try5(name, guard(f == nil, func(a A, b B, c C, d D, e E) (R, error) { return f(a, b, c, d, e), nil }))
}

// Try0 registers a function without parameters; see Func0.
func Try0[R any](name string, f func() (R, error)) {
	r := result[R](name)
	register(name, 0, f == nil, func(c *call, out []byte) ([]byte, error) {
		if err := c.end(); err != nil {
			return out, err
		}
		v, err := f()
		return write(out, r, v, err)
	})
}

// Try1 registers a function of one parameter; see Func0.
func Try1[A, R any](name string, f func(A) (R, error)) {
	ta, r := param[A](name), result[R](name)
	register(name, 1, f == nil, func(c *call, out []byte) ([]byte, error) {
		a := read[A](c, ta)
		if err := c.end(); err != nil {
			return out, err
		}
		v, err := f(a)
		return write(out, r, v, err)
	})
}

// Try2 registers a function of two parameters; see Func0.
func Try2[A, B, R any](name string, f func(A, B) (R, error)) {
	ta, tb, r := param[A](name), param[B](name), result[R](name)
	register(name, 2, f == nil, func(c *call, out []byte) ([]byte, error) {
		a := read[A](c, ta)
		b := read[B](c, tb)
		if err := c.end(); err != nil {
			return out, err
		}
		v, err := f(a, b)
		return write(out, r, v, err)
	})
}

// Try3 registers a function of three parameters; see Func0.
func Try3[A, B, C, R any](name string, f func(A, B, C) (R, error)) {
	ta, tb, tc, r := param[A](name), param[B](name), param[C](name), result[R](name)
	register(name, 3, f == nil, func(c *call, out []byte) ([]byte, error) {
		p1 := read[A](c, ta)
		p2 := read[B](c, tb)
		p3 := read[C](c, tc)
		if err := c.end(); err != nil {
			return out, err
		}
		v, err := f(p1, p2, p3)
		return write(out, r, v, err)
	})
}

// Try4 registers a function of four parameters; see Func0.
func Try4[A, B, C, D, R any](name string, f func(A, B, C, D) (R, error)) {
	ta, tb, tc, td, r := param[A](name), param[B](name), param[C](name), param[D](name), result[R](name)
	register(name, 4, f == nil, func(c *call, out []byte) ([]byte, error) {
		p1 := read[A](c, ta)
		p2 := read[B](c, tb)
		p3 := read[C](c, tc)
		p4 := read[D](c, td)
		if err := c.end(); err != nil {
			return out, err
		}
		v, err := f(p1, p2, p3, p4)
		return write(out, r, v, err)
	})
}

// Try5 registers a function of five parameters; see Func0.
func Try5[A, B, C, D, E, R any](name string, f func(A, B, C, D, E) (R, error)) {
	ta, tb, tc, td, te := param[A](name), param[B](name), param[C](name), param[D](name), param[E](name)
	r := result[R](name)
	register(name, 5, f == nil, func(c *call, out []byte) ([]byte, error) {
		p1 := read[A](c, ta)
		p2 := read[B](c, tb)
		p3 := read[C](c, tc)
		p4 := read[D](c, td)
		p5 := read[E](c, te)
		if err := c.end(); err != nil {
			return out, err
		}
		v, err := f(p1, p2, p3, p4, p5)
		return write(out, r, v, err)
	})
}

// guard gives back nil in place of the wrapper of a nil function, so that it is refused too.
func guard[F any](isNil bool, f F) F {
	if isNil {
		var none F
		return none
	}
	return f
}

// param and result look a type up once, when the function is registered.
func param[T any](name string) goType {
	t := goTypeOf[T]()
	if t == tOther {
		panic("vanth: function " + name + ": a parameter is of a type that arguments cannot have")
	}
	return t
}

func result[T any](name string) goType {
	t := goTypeOf[T]()
	if t == tOther {
		var zero T
		if _, err := Append(nil, any(zero)); err != nil {
			panic("vanth: function " + name + ": the result is of a type that results cannot have")
		}
	}
	return t
}

// call is the argument list of one call while it is read.
type call struct {
	decoder
	count int   // of arguments
	at    int   // arguments read
	err   error // the first one; nothing is read after it
	among bool  // it is a row of a batch, and others may follow
}

// read takes the next argument, which becomes a T, whose place among the types is t. In wasm a Go
// call costs more than what most of these do, hence the way past them for a float64.
func read[T any](c *call, t goType) (v T) {
	if c.err != nil {
		return v
	}
	c.at++
	if b := c.rest; t == tFloat64 && len(b) >= 9 && b[0] == 0xcb {
		*(*uint64)(unsafe.Pointer(&v)) = binary.BigEndian.Uint64(b[1:])
		c.rest = b[9:]
		return v
	}
	c.err = c.into(t, unsafe.Pointer(&v))
	return v
}

// end reports the first fault of the arguments, once all are read.
func (c *call) end() error {
	if c.err == nil && (len(c.rest) == 0 || c.among) {
		return nil
	}
	return c.fault()
}

func (c *call) fault() error {
	if c.err != nil {
		return atArgument(c.at, c.err)
	}
	return ErrTrailing
}

// write appends the result, or hands on err.
func write[R any](out []byte, t goType, v R, err error) ([]byte, error) {
	switch {
	case err != nil:
		return out, err
	case t == tFloat64:
		return binary.BigEndian.AppendUint64(append(out, 0xcb), *(*uint64)(unsafe.Pointer(&v))), nil
	case t >= tString && t < tFloat64:
		return put(out, t, unsafe.Pointer(&v))
	}
	return Append(out, any(v))
}

func argumentCount(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return strconv.Itoa(n) + " arguments"
}
