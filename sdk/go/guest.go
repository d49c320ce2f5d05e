package vanth

import (
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// this is the guest's side of the ABI. It is package state because a module is: its exports are
// static, and one instance of it is one memory with one scratch buffer. The host runs one call into
// an instance at a time, so nothing here is locked.
var this guest

type guest struct {
	entries []entry
	scratch []byte // arguments; grows in buf and nowhere else
	result  []byte // the last result; valid until the next call
	spare   []byte // what imports fill; see borrow
	current call   // here and not on the stack of call, from where it would escape at each call
}

// entry is a registered function. Its arity is -1 if run looks at the count itself.
type entry struct {
	name  string
	arity int
	run   func(c *call, out []byte) ([]byte, error)
}

func register(name string, arity int, isNil bool, run func(*call, []byte) ([]byte, error)) {
	if name == "" || !utf8.ValidString(name) {
		panic("vanth: a function is registered without a name in UTF-8")
	}
	if isNil {
		panic("vanth: function " + name + " is nil")
	}
	for i := range this.entries {
		if this.entries[i].name == name {
			panic("vanth: function " + name + " is registered twice")
		}
	}
	this.entries = append(this.entries, entry{name: name, arity: arity, run: run})
}

const (
	minScratch = 4 << 10
	keepResult = 1 << 20 // a larger result is given back to the collector at the next call
)

// buf makes the scratch at least size bytes long and returns it. It never shrinks, and it stays
// where it is unless it must grow. It doubles up to 1 MiB, so that it seldom has to.
func (g *guest) buf(size int) []byte {
	if size > len(g.scratch) || g.scratch == nil {
		g.scratch = nil // let the collector have the old one before the new one is asked for
		length := minScratch
		for length < size && length < 1<<20 {
			length *= 2
		}
		g.scratch = make([]byte, max(length, size))
	}
	return g.scratch
}

// holds reports whether the n bytes at p lie in the scratch.
func (g *guest) holds(p uintptr, n int) bool {
	if len(g.scratch) == 0 || n < 0 {
		return false
	}
	base := uintptr(unsafe.Pointer(&g.scratch[0]))
	return p >= base && p-base <= uintptr(len(g.scratch)) && uintptr(n) <= uintptr(len(g.scratch))-(p-base)
}

// call runs function i on a frame of arguments. out is a frame in the result buffer, nil for null,
// and if failed an error value. A panic of the function stays inside the call it belongs to.
func (g *guest) call(i int, frame []byte) (out []byte, failed bool) {
	defer func() {
		if p := recover(); p != nil {
			out, failed = g.fail(&Error{Msg: "panic: " + panicText(p), Class: Fatal})
		}
	}()
	return g.run(i, frame)
}

func (g *guest) run(i int, frame []byte) (out []byte, failed bool) {
	if cap(g.result) > keepResult {
		g.result = nil
	}
	e, err := g.begin(i, frame)
	if err != nil {
		return g.fail(err)
	}
	out, err = e.run(&g.current, g.result[:0])
	if err != nil {
		return g.fail(err)
	}
	if len(out) > math.MaxInt32 {
		return g.fail(&Error{Msg: "the result is longer than 2 GiB", Class: Fatal})
	}
	g.result = out
	if len(out) == 1 && out[0] == 0xc0 {
		return nil, false
	}
	return out, false
}

// begin finds the function and holds the number of arguments against its parameters.
func (g *guest) begin(i int, frame []byte) (*entry, error) {
	if i < 0 || i >= len(g.entries) {
		return nil, &Error{Msg: "no function " + strconv.Itoa(i) + " of " + strconv.Itoa(len(g.entries)), Class: Fatal}
	}
	g.current.rest, g.current.at, g.current.err = frame, 0, nil
	list, err := g.current.head()
	if err != nil || list.kind != kList {
		return nil, &Error{Msg: "the arguments are not a list", Class: Usage}
	}
	g.current.count = int(list.n)
	e := &g.entries[i]
	if e.arity >= 0 && e.arity != g.current.count {
		return nil, &Error{Msg: "found " + argumentCount(g.current.count) + ", expected " + strconv.Itoa(e.arity), Class: Usage}
	}
	return e, nil
}

// fail makes err the result.
func (g *guest) fail(err error) ([]byte, bool) {
	g.result = appendError(g.result[:0], asError(err))
	return g.result, true
}

// panicText is what of a panic can be told without fmt.
func panicText(p any) string {
	switch p := p.(type) {
	case string:
		return p
	case error: // runtime errors among them
		return p.Error()
	case interface{ String() string }:
		return p.String()
	case int:
		return strconv.Itoa(p)
	}
	return "a value of another type"
}

// symbols is the frame of all names, in the order of their indexes.
func (g *guest) symbols() []byte {
	out := appendHead(g.result[:0], kList, len(g.entries))
	for i := range g.entries {
		out = appendString(out, g.entries[i].name)
	}
	g.result = out
	return out
}

// pack joins pointer, length and error flag; null is 0.
func pack(p uintptr, n int, failed bool) int64 {
	if n == 0 {
		return 0
	}
	u := uint64(uint32(p))<<32 | uint64(n)
	if failed {
		u |= 1 << 31
	}
	return int64(u)
}
