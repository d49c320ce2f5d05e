package query

import (
	"errors"
	"slices"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// This file calls a pure function for many rows in one crossing.
//
// Which functions go this way nobody chooses. It is for those that take frames and
// whose call is dear: mostly those of a process. Each is timed now and then, alone. How
// many rows cross together is learned: more as long as they do not take long, since a
// crossing has the limits of a call, and what waits for its rows waits for all of them.
// A crossing that fails has its function go row by row until it is timed again.

const (
	// fewest rows are worth a crossing.
	fewest = 4
	// dear is what a call must take: those within the process are done one by one for
	// less than it costs to put rows together. One that is slow has nothing to gain.
	dear, slow = time.Microsecond, 5 * time.Millisecond
	// crossing is how long one may take before the next has fewer rows.
	crossing = 2 * time.Millisecond
	// trusted is for how many messages a function is taken for what it was.
	trusted = 64
	// The most that goes into a crossing, and that a result is taken from, in bytes. One
	// that is longer may be over the bounds that a single call has.
	maxIn, maxOut = 64 << 10, 64 << 10
	// maxKept is how large a buffer of results is that the next crossing uses again.
	maxKept = 1 << 20
)

// many is what is known of a version of a function as one that takes many rows.
type many struct {
	never bool // it takes no frames
	pays  bool // by the last look
	now   bool // the message under way goes this way
	rest  int  // messages until the next look
	size  int  // how many rows cross together
}

// pays also counts a message.
func (st *siteState) pays(f Function) bool {
	sig := st.follow(f)
	m := &st.lane.many
	m.rest = max(0, m.rest-1)
	m.now = (m.pays || m.rest == 0) && !m.never && sig.Pure && !sig.Aggregate &&
		(sig.Variadic || len(sig.Args) == len(st.vals))
	return m.now
}

// callRows makes a call for the rows that pass.
func (s *scope) callRows(x site, st *siteState) {
	e, m := &s.early, &st.lane.many
	e.empty()
	for i, v := range e.passed {
		if !v.keep || !s.add(i, x.args, st) {
			continue
		}
		if m.rest == 0 {
			if !s.look(x.fn, st) {
				e.empty()
				continue
			}
			if !m.pays {
				return
			}
		}
		if len(e.of) >= m.size || len(e.in) > maxIn {
			if !s.cross(x.fn, st) {
				return
			}
		}
	}
	if len(e.of) >= fewest {
		s.cross(x.fn, st)
	}
}

// cell is the result of a call that was made early.
type cell struct {
	v    val
	err  error
	full bool
}

// head is how much room there is for that of the list of rows.
const head = 3

func (e *early) empty() { e.in, e.of = append(e.in[:0], 0, 0, 0), e.of[:0] }

// add puts a row's arguments to the others, as Exec encodes them.
func (s *scope) add(place int, args []code, st *siteState) bool {
	s.stand(place)
	e := &s.early
	sig, in := st.lane.sig, frame.AppendArrayHeader(e.in, len(args))
	for k := range args {
		v, err := args[k].run(s)
		if err != nil || v.kind == kNull {
			return false
		}
		t := host.TypeAny
		if !sig.Variadic {
			t = sig.Args[k]
		}
		var ok bool
		if in, ok = v.encode(in, t); !ok {
			return false
		}
		st.vals[k] = v
	}
	e.in, e.of = in, append(e.of, place)
	return true
}

// look times the call of the row that was added. It is false for a row that is not one
// for the function.
func (s *scope) look(f Function, st *siteState) bool {
	for i, v := range st.vals {
		st.boxed[i] = v.box()
	}
	err := st.lane.sig.Check(st.boxed)
	clear(st.boxed)
	if err != nil {
		return false
	}
	m := &st.lane.many
	m.rest, m.pays, m.size = trusted, false, max(m.size, fewest)
	for range 3 { // this process, or the other one, may not have had its turn
		t := time.Now()
		_, err = f.ExecBytes(s.ctx, &st.call, s.early.out[:0], s.early.in[head:])
		took := time.Since(t)
		m.never = err != nil && lacks(err)
		if m.pays = !m.never && took >= dear && took <= slow; err != nil || took <= slow {
			break
		}
	}
	return true
}

// cross makes the calls of the rows that were added. It is false when there is no sense
// in more.
func (s *scope) cross(f Function, st *siteState) bool {
	e, m := &s.early, &st.lane.many
	n := len(e.of)
	in := e.in[head-1:]
	if in[0] = 0x90 | byte(n); n > 15 {
		in = e.in
		in[0] = 0xdc
		in[1], in[2] = byte(n>>8), byte(n)
	}
	t := time.Now()
	out, err := f.ExecBatch(s.ctx, &st.call, e.out[:0], in)
	switch took := time.Since(t); {
	case took > crossing:
		m.size = max(m.size/2, fewest)
	case n >= m.size:
		m.size = min(2*m.size, MaxAhead)
	}
	if m.pays = err == nil; !m.pays || !sameTypes(f.Signature(), st.lane.sig) {
		return false // the rows call whatever serves now
	}
	e.out = out
	e.keep(st)
	if cap(e.out) > maxKept {
		e.out = nil
	}
	e.empty()
	return true
}

// sameTypes reports whether two versions have their arguments encoded alike.
func sameTypes(a, b *host.Signature) bool {
	return a == b || a.Variadic == b.Variadic && a.Aggregate == b.Aggregate && slices.Equal(a.Args, b.Args)
}

// keep takes the results.
func (e *early) keep(st *siteState) {
	read := frame.Read(e.out)
	if n, err := read.Array(); err != nil || n != len(e.of) {
		return
	}
	for _, i := range e.of {
		st.cells[i] = e.cell(&read)
	}
}

// cell reads a result. It is not full where that is too long.
func (e *early) cell(read *frame.Reader) (c cell) {
	var err error
	switch read.Kind() {
	case frame.KindNil:
		read.Nil()
	case frame.KindBool:
		var b bool
		b, err = read.Bool()
		c.v = boolVal(b)
	case frame.KindInt:
		var n int64
		n, err = read.Int()
		c.v = intVal(n)
	case frame.KindFloat:
		var f float64
		f, err = read.Float()
		c.v = floatVal(f)
	case frame.KindError:
		var msg []byte
		msg, _, err = read.Fault()
		c.err = errors.New(string(msg))
	default:
		var raw []byte
		if raw, err = read.Raw(); err == nil && len(raw) > maxOut {
			return cell{}
		}
		var v any
		if err == nil {
			v, err = e.decoder.Decode(raw)
		}
		c.v = load(v)
	}
	c.full = err == nil
	return c
}

// encode appends the value as Exec encodes an argument of type t; false where that is
// an error, or not sure.
func (v val) encode(dst []byte, t host.Type) ([]byte, bool) {
	fits := true
	switch t {
	case host.TypeF64, host.TypeF32:
		return frame.AppendFloat(dst, v.float()), v.numeric()
	case host.TypeI64, host.TypeI32, host.TypeU32:
		n, ok := v.integer()
		return frame.AppendInt(dst, n), ok
	case host.TypeBool:
		fits = v.kind == kBool
	case host.TypeString:
		fits = v.kind == kText
	case host.TypeBytes:
		_, fits = v.ref.([]byte)
	case host.TypeList:
		_, fits = v.ref.([]any)
	case host.TypeMap:
		_, fits = v.ref.(map[string]any)
	}
	switch {
	case !fits:
		return dst, false
	case v.kind == kBool:
		return frame.AppendBool(dst, v.bits != 0), true
	case v.kind == kInt:
		return frame.AppendInt(dst, int64(v.bits)), true
	case v.kind == kFloat && v.ref == nil:
		return frame.AppendFloat(dst, v.float()), true
	}
	out, err := frame.Append(dst, v.ref)
	return out, err == nil
}
