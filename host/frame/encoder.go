package frame

import (
	"slices"
	"strings"
)

// Encoder appends frames as [Append] does, with the same errors, and remembers
// the keys of maps: a row with the columns of an earlier one is asked for them in
// one order, in place of Go's, which is another one each time. The zero value is
// ready. It is for one goroutine. What it keeps is bounded, see [EncoderKeeps].
type Encoder struct {
	shapes *[maxShapes]shape // nil until a map is encoded
}

// maxShapes is how many sets of columns an Encoder remembers, shapeColumns how
// many columns they have at most.
const (
	maxShapes    = 4
	shapeColumns = 16
)

// EncoderKeeps is the most that an [Encoder] keeps between two frames, in bytes:
// four sets of 16 keys of at most 31 bytes.
const EncoderKeeps = maxShapes * (32 + shapeColumns*(16+maxKey+1))

// shape is a set of columns.
type shape struct {
	keys   []string // UTF-8
	hits   uint32   // maps in a row that had them
	misses uint32   // maps that did not
}

// settled is after how many hits in a row misses are forgotten.
const settled = 64

// Append is the package's [Append].
func (e *Encoder) Append(dst []byte, v any) ([]byte, error) {
	if m, ok := v.(map[string]any); ok {
		out, err := appendMap(dst, m, 1, e)
		return finish(dst, out, err)
	}
	out, err := appendValue(dst, v, 0, e)
	return finish(dst, out, err)
}

// AppendArgs is the package's [AppendArgs].
func (e *Encoder) AppendArgs(dst []byte, args []any) ([]byte, error) {
	out, err := appendList(dst, args, 1, e)
	return finish(dst, out, err)
}

// shape returns the place for sets of n columns at a depth.
func (e *Encoder) shape(n, depth int) *shape {
	if e.shapes == nil {
		e.shapes = new([maxShapes]shape)
	}
	return &e.shapes[(n+depth)%maxShapes]
}

// appendRow appends the pairs of v in the order of keys, up to the first that v
// does not have, and returns how many. What rows are made of comes first, each
// compared with one type: a switch looks for a type among many.
func (e *Encoder) appendRow(dst []byte, keys []string, v map[string]any, depth int) (_ []byte, n int, err *appendError) {
	for i, key := range keys {
		item, ok := v[key]
		if !ok {
			return dst, i, nil
		}
		if dst, ok = appendShort(dst, key); !ok {
			dst = AppendString(dst, key)
		}
		if text, is := item.(string); is {
			if dst, ok = appendShort(dst, text); ok {
				continue
			}
		} else if n, is := item.(float64); is {
			dst = AppendFloat(dst, n)
			continue
		} else if n, is := item.(int64); is {
			dst = AppendInt(dst, n)
			continue
		} else if b, is := item.(bool); is {
			dst = AppendBool(dst, b)
			continue
		}
		if dst, err = appendValue(dst, item, depth, e); err != nil {
			err.path = pathOf(key) + err.path
			return dst, i, err
		}
	}
	return dst, len(keys), nil
}

// hit notes that a map had these columns.
func (s *shape) hit() {
	if s.hits++; s.hits == settled {
		s.misses = 0
	}
}

// miss notes that v has other columns. They take the place at the first miss, the
// second, the fourth and so on, so that rows of many kinds do not learn all the
// time what the next one makes forget.
func (s *shape) miss(v map[string]any) {
	s.hits = 0
	if s.misses++; s.misses&(s.misses-1) != 0 {
		return
	}
	keys := make([]string, 0, len(v))
	for key := range v {
		if len(key) > maxKey || !validText([]byte(key)) {
			return
		}
		keys = append(keys, strings.Clone(key)) // not what else it may be a part of
	}
	slices.Sort(keys)
	s.keys = keys
}
