package vanth

import (
	"math"
	"reflect"
	"strconv"
	"time"
	"unsafe"
)

// goType is a Go type that a parameter or result can have. A named type counts as the type under it.
type goType uint8

const (
	tOther goType = iota // results only: whatever Append takes
	tAny
	tString
	tBytes
	tBool
	tInt8
	tInt16
	tInt32
	tInt64
	tUint8
	tUint16
	tUint32
	tUint64
	tFloat32
	tFloat64
	tList
	tMap
	tTime
)

// goTypeNames are the manifest's words, and those of the same fashion where it has none.
var goTypeNames = [...]string{
	"other", "any", "string", "bytes", "bool", "i8", "i16", "i32", "i64",
	"u8", "u16", "u32", "u64", "f32", "f64", "list", "map", "time",
}

// goTypeOf finds T's place among the types, tOther if it has none.
func goTypeOf[T any]() goType {
	switch any((*T)(nil)).(type) {
	case *any:
		return tAny
	case *[]byte:
		return tBytes
	case *[]any:
		return tList
	case *map[string]any:
		return tMap
	case *time.Time:
		return tTime
	}
	switch t := reflect.TypeOf((*T)(nil)).Elem(); t.Kind() {
	case reflect.String:
		return tString
	case reflect.Bool:
		return tBool
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		return tInt8 + log2(t.Size())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		return tUint8 + log2(t.Size())
	case reflect.Float32:
		return tFloat32
	case reflect.Float64:
		return tFloat64
	}
	return tOther
}

func log2(size uintptr) goType {
	var n goType
	for ; size > 1; size >>= 1 {
		n++
	}
	return n
}

// into reads one value and stores it at p, which points to a variable of type t. Depth is that of
// an argument: inside one list. Numbers change type only where nothing but precision is lost.
func (d *decoder) into(t goType, p unsafe.Pointer) (err error) {
	if t == tAny {
		*(*any)(p), err = d.value(d.outer + 1)
		return err
	}
	tok, err := d.head()
	if err != nil {
		return err
	}
	switch {
	case t >= tInt8 && t <= tInt64:
		i, err := tok.signed(t)
		if err == nil {
			storeInt(t-tInt8, p, uint64(i))
		}
		return err
	case t >= tUint8 && t <= tUint64:
		u, err := tok.unsigned(t)
		if err == nil {
			storeInt(t-tUint8, p, u)
		}
		return err
	case t == tFloat32 || t == tFloat64:
		f, err := tok.float(t)
		if err != nil {
			return err
		}
		if t == tFloat32 {
			*(*float32)(p) = float32(f)
		} else {
			*(*float64)(p) = f
		}
		return nil
	}
	return d.intoWhole(t, p, tok)
}

// storeInt stores the low 8<<size bits of u.
func storeInt(size goType, p unsafe.Pointer, u uint64) {
	switch size {
	case 0:
		*(*uint8)(p) = uint8(u)
	case 1:
		*(*uint16)(p) = uint16(u)
	case 2:
		*(*uint32)(p) = uint32(u)
	default:
		*(*uint64)(p) = u
	}
}

// intoWhole stores the values that are taken as they are or not at all.
func (d *decoder) intoWhole(t goType, p unsafe.Pointer, tok token) (err error) {
	if tok.kind != wholeKind[t] {
		return tok.mismatch(t)
	}
	switch t {
	case tString:
		*(*string)(p), err = d.str(tok.n)
	case tBytes:
		*(*[]byte)(p), err = d.bytes(tok.n)
	case tBool:
		*(*bool)(p) = tok.n == 1
	case tList:
		*(*[]any)(p), err = d.list(tok.n, d.outer+2)
	case tMap:
		*(*map[string]any)(p), err = d.dict(tok.n, d.outer+2)
	case tTime:
		*(*time.Time)(p), err = d.time(tok.n)
	}
	return err
}

var wholeKind = [...]kind{tString: kString, tBytes: kBytes, tBool: kBool, tList: kList, tMap: kMap, tTime: kTime}

// signed reads an integer from -2^(bits-1) below 2^(bits-1); a float counts if it is whole.
func (t token) signed(want goType) (int64, error) {
	i := t.n
	switch t.kind {
	case kInt:
	case kFloat:
		if t.f != math.Trunc(t.f) || t.f < -(1<<63) || t.f >= 1<<63 {
			return 0, t.mismatch(want)
		}
		i = int64(t.f)
	default:
		return 0, t.mismatch(want)
	}
	shift := 64 - 8<<(want-tInt8)
	if i<<shift>>shift != i {
		return 0, t.mismatch(want)
	}
	return i, nil
}

// unsigned reads an integer from 0 below 2^bits; a float counts if it is whole.
func (t token) unsigned(want goType) (uint64, error) {
	u := uint64(t.n)
	switch {
	case t.kind == kInt && t.n >= 0, t.kind == kUint:
	case t.kind == kFloat && t.f == math.Trunc(t.f) && t.f >= 0 && t.f < 1<<64:
		u = uint64(t.f)
	default:
		return 0, t.mismatch(want)
	}
	shift := 64 - 8<<(want-tUint8)
	if u<<shift>>shift != u {
		return 0, t.mismatch(want)
	}
	return u, nil
}

// float takes every number, rounded to the nearest; one that is finite must stay finite.
func (t token) float(want goType) (float64, error) {
	f := t.f
	switch t.kind {
	case kInt:
		f = float64(t.n)
	case kUint:
		f = float64(uint64(t.n))
	case kFloat:
	default:
		return 0, t.mismatch(want)
	}
	if want == tFloat32 && math.IsInf(float64(float32(f)), 0) && !math.IsInf(f, 0) {
		return 0, t.mismatch(want)
	}
	return f, nil
}

// mismatch says what was found, with the number if it is one, and what was expected.
func (t token) mismatch(want goType) error {
	found := kindNames[t.kind]
	switch t.kind {
	case kInt:
		found += " " + strconv.FormatInt(t.n, 10)
	case kUint:
		found += " " + strconv.FormatUint(uint64(t.n), 10)
	case kFloat:
		found += " " + strconv.FormatFloat(t.f, 'g', -1, 64)
	}
	return &Error{Msg: "found " + found + ", expected " + goTypeNames[want], Class: Usage}
}

// put appends the frame of the variable of type t at p. t is within tString and tFloat32.
func put(dst []byte, t goType, p unsafe.Pointer) ([]byte, error) {
	switch t {
	case tString:
		return appendText(dst, *(*string)(p))
	case tBytes:
		return appendBytes(dst, *(*[]byte)(p)), nil
	case tBool:
		return appendBool(dst, *(*bool)(p)), nil
	case tInt8:
		return appendInt(dst, int64(*(*int8)(p))), nil
	case tInt16:
		return appendInt(dst, int64(*(*int16)(p))), nil
	case tInt32:
		return appendInt(dst, int64(*(*int32)(p))), nil
	case tInt64:
		return appendInt(dst, *(*int64)(p)), nil
	case tUint8:
		return appendUint(dst, uint64(*(*uint8)(p))), nil
	case tUint16:
		return appendUint(dst, uint64(*(*uint16)(p))), nil
	case tUint32:
		return appendUint(dst, uint64(*(*uint32)(p))), nil
	case tUint64:
		return appendUint(dst, *(*uint64)(p)), nil
	}
	return appendFloat(dst, float64(*(*float32)(p))), nil
}
