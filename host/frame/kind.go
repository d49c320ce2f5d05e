package frame

import "fmt"

// Kind is what a value is, as a [Reader] tells it.
type Kind uint8

// The kinds. An integer is a KindUint only above the range of int64.
const (
	KindNone Kind = iota // no value: the end, or a fault that the next read names
	KindNil
	KindBool
	KindInt
	KindUint
	KindFloat
	KindStr
	KindBytes
	KindArray
	KindMap
	KindTime
	KindError
)

// String returns the word for k that errors use.
func (k Kind) String() string {
	switch k {
	case KindNil:
		return "nil"
	case KindBool:
		return "bool"
	case KindInt:
		return "int"
	case KindUint:
		return "uint"
	case KindFloat:
		return "float"
	case KindStr:
		return "string"
	case KindBytes:
		return "bytes"
	case KindArray:
		return "list"
	case KindMap:
		return "map"
	case KindTime:
		return "time"
	case KindError:
		return "error"
	}
	return "nothing"
}

// Mismatch says that a value is sound but not what a [Reader] was asked for. The
// Reader still stands before it.
type Mismatch struct {
	Offset int // of the value, in bytes
	Found  Kind
	Want   Kind
}

// Error returns "frame: byte 7: found string, expected int".
func (m *Mismatch) Error() string {
	if m.Want == KindFloat && (m.Found == KindInt || m.Found == KindUint) {
		return fmt.Sprintf("frame: byte %d: found an integer that no float is equal to, expected float", m.Offset)
	}
	return fmt.Sprintf("frame: byte %d: found %v, expected %v", m.Offset, m.Found, m.Want)
}

// public is the Kind of a head; ext is the type of an extension.
func (k kind) public(ext int8) Kind {
	switch k {
	case kindNil:
		return KindNil
	case kindFalse, kindTrue:
		return KindBool
	case kindInt:
		return KindInt
	case kindUint:
		return KindUint
	case kindFloat32, kindFloat64:
		return KindFloat
	case kindStr:
		return KindStr
	case kindBin:
		return KindBytes
	case kindArray:
		return KindArray
	case kindMap:
		return KindMap
	case kindExt:
		switch ext {
		case extTime:
			return KindTime
		case extError:
			return KindError
		}
	}
	return KindNone
}
