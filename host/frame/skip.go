package frame

// Skip returns what follows the first frame of b, which it holds to the profile
// as [Decode] does, but for Amplification: it allocates nothing, unless there is
// an error.
func Skip(b []byte) (rest []byte, err error) {
	r := reader{b: b[:min(len(b), MaxBytes)]}
	switch {
	case r.skip(0):
		return b[r.at:], nil
	case r.bad.Reason == Truncated && len(b) > MaxBytes:
		r.fail(MaxBytes, TooLong)
	}
	return nil, r.malformed()
}

// Valid returns nil when b is exactly one frame.
func Valid(b []byte) error {
	rest, err := Skip(b)
	if err == nil && len(rest) > 0 {
		err = &Malformed{Offset: len(b) - len(rest), Reason: Trailing}
	}
	return err
}

// skip walks over a value that lies inside depth lists and maps.
func (r *reader) skip(depth int) bool {
	start := r.at
	k, n := r.next()
	switch k {
	case kindNone:
		return false
	case kindStr:
		_, ok := r.text(start, n)
		return ok
	case kindBin:
		r.take(n)
	case kindExt:
		return r.skipExt(start, n)
	case kindArray, kindMap:
		if depth >= MaxDepth {
			r.fail(start, Depth)
			return false
		}
		for range n {
			if k == kindMap && !r.skipKey() || !r.skip(depth+1) {
				return false
			}
		}
	}
	return true
}

func (r *reader) skipKey() bool {
	start := r.at
	switch k, n := r.next(); k {
	case kindStr:
		_, ok := r.text(start, n)
		return ok
	case kindNone:
	default:
		r.fail(start, Key)
	}
	return false
}

func (r *reader) skipExt(start int, n uint64) bool {
	typ, p := r.ext, r.take(n)
	reason, ok := Ext, false
	switch typ {
	case extTime:
		reason = Timestamp
		_, ok = timestamp(p)
	case extError:
		reason = ErrorForm
		_, _, ok = errorValue(p)
	}
	if !ok {
		r.fail(start, reason)
	}
	return ok
}
