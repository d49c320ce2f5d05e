package frame

// Skip returns what follows the first frame of b, which it holds to the profile
// as [Decode] does, but for Amplification: it allocates nothing, unless there is
// an error.
func Skip(b []byte) (rest []byte, err error) {
	s := scanner{b: b[:min(len(b), MaxBytes)]}
	switch {
	case s.skip(0):
		return b[s.at:], nil
	case s.bad.Reason == Truncated && len(b) > MaxBytes:
		s.fail(MaxBytes, TooLong)
	}
	return nil, s.malformed()
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
func (s *scanner) skip(depth int) bool {
	start := s.at
	k, n := s.next()
	switch k {
	case kindNone:
		return false
	case kindStr:
		_, ok := s.text(start, n)
		return ok
	case kindBin:
		s.take(n)
	case kindExt:
		return s.skipExt(start, n)
	case kindArray, kindMap:
		if depth >= MaxDepth {
			s.fail(start, Depth)
			return false
		}
		for range n {
			if k == kindMap && !s.skipKey() || !s.skip(depth+1) {
				return false
			}
		}
	}
	return true
}

func (s *scanner) skipKey() bool {
	start := s.at
	switch k, n := s.next(); k {
	case kindStr:
		_, ok := s.text(start, n)
		return ok
	case kindNone:
	default:
		s.fail(start, Key)
	}
	return false
}

func (s *scanner) skipExt(start int, n uint64) bool {
	typ, p := s.ext, s.take(n)
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
		s.fail(start, reason)
	}
	return ok
}
