package query

import (
	"context"
	"errors"
	"math"

	"github.com/vanth-io/vanth/host"
)

// This file is about calls whose arguments and results are numbers and bools: these
// go as words, and nothing is boxed. It says what Exec says, to the bit, or it is not
// taken: a null, a value of another kind or out of range, a wrong number of arguments
// are left to Exec, which knows all the rules and all the errors.

// lane is how the version of a function that served last may be called.
type lane struct {
	sig   *host.Signature
	words []uint64 // room for the arguments and the result; nil where they are no words
	many  many     // as many rows at once
}

// laneOf is the lane for a version that gets so many arguments.
func laneOf(sig *host.Signature, args int) lane {
	l := lane{sig: sig}
	if sig.Scalar() && len(sig.Args) == args {
		l.words = make([]uint64, max(1, args))
	}
	return l
}

// follow looks at the version that serves now.
func (st *siteState) follow(f Function) *host.Signature {
	sig := f.Signature()
	if st.lane.sig != sig {
		st.lane = laneOf(sig, len(st.vals))
	}
	return sig
}

// scalar calls f with the arguments as words. Unless it is done the call is to be made
// by Exec.
func (st *siteState) scalar(ctx context.Context, f Function) (v val, done bool, err error) {
	sig := st.follow(f)
	words := st.lane.words
	if words == nil {
		return val{}, false, nil
	}
	for i, t := range sig.Args {
		var fits bool
		if words[i], fits = st.vals[i].word(t); !fits {
			return val{}, false, nil
		}
	}
	err = f.ExecScalarAs(ctx, &st.call, sig, words)
	if err != nil && lacks(err) {
		st.lane.words = nil // and nothing was run
		return val{}, false, nil
	}
	return wordVal(sig.Returns, words[0]), true, err
}

// lacks reports whether an error says that a function has no such lane. What a guest
// did not find supported is an error of its own.
func lacks(err error) bool {
	_, guest := errors.AsType[*host.GuestError](err)
	return !guest && errors.Is(err, host.ErrUnsupported)
}

// word is the value as host.Type.Word encodes it, where that is no error.
func (v val) word(t host.Type) (w uint64, ok bool) {
	switch t {
	case host.TypeF64:
		return math.Float64bits(v.float()), v.numeric()
	case host.TypeF32:
		f := v.float()
		n := float32(f)
		return uint64(math.Float32bits(n)), v.numeric() && (math.IsInf(f, 0) || !math.IsInf(float64(n), 0))
	case host.TypeBool:
		return v.bits, v.kind == kBool
	}
	n, ok := v.integer()
	switch t {
	case host.TypeI64:
		return uint64(n), ok
	case host.TypeI32:
		return uint64(uint32(n)), ok && n == int64(int32(n))
	case host.TypeU32:
		return uint64(uint32(n)), ok && n == int64(uint32(n))
	}
	return 0, false
}

// wordVal is what load makes of host.Type.Value.
func wordVal(t host.Type, w uint64) val {
	switch t {
	case host.TypeF64:
		return val{kind: kFloat, bits: w}
	case host.TypeF32:
		return floatVal(float64(math.Float32frombits(uint32(w))))
	case host.TypeI32:
		return intVal(int64(int32(uint32(w))))
	case host.TypeU32:
		return intVal(int64(uint32(w)))
	case host.TypeBool:
		return boolVal(uint32(w) != 0)
	}
	return intVal(int64(w))
}
