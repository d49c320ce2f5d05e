//go:build !wasip1

package vanth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

func init() {
	Func0("zero", func() string { return "none" })
	Func2("add", func(a, b float64) float64 { return a + b })
	Func3("join3", func(a, b, c string) string { return a + b + c })
	Func4("join4", func(a, b, c, d string) string { return a + b + c + d })
	Func5("join5", func(a, b, c, d, e string) string { return a + b + c + d + e })
	Func2("sum", func(a, b int64) int64 { return a + b })
	Func1("not", func(b bool) bool { return !b })
	Try1("fails", func(how string) (string, error) {
		switch how {
		case "plain":
			return "", errors.New("plain text")
		case "io":
			return "", &Error{Msg: "try later", Class: IO}
		case "wrapped":
			return "", fmt.Errorf("while reading: %w", &Error{Msg: "try later", Class: IO})
		case "nil":
			return "", (*Error)(nil)
		case "closed":
			return "", &HostError{Op: "get", Key: "k", Code: codeClosed}
		}
		return "fine", nil
	})
	Func1("panics", func(how string) int {
		switch how {
		case "index":
			return []int{}[len(how)]
		case "nil":
			return *(*int)(nil)
		case "error":
			panic(errors.New("an error"))
		}
		panic(how)
	})
	Func("count", func(args Args) (any, error) { return args.Len(), nil })
	Func("badresult", func(Args) (any, error) { return struct{}{}, nil })
	Func1("large", func(n int) []byte { return make([]byte, n) })
}

func TestCall(t *testing.T) {
	for _, c := range []struct {
		function string
		args     []any
		want     any
		err      string // class: text
	}{
		{"zero", nil, "none", ""},
		{"add", []any{1.5, 2}, 3.5, ""},
		{"join3", []any{"a", "b", "c"}, "abc", ""},
		{"join4", []any{"a", "b", "c", "d"}, "abcd", ""},
		{"join5", []any{"a", "b", "c", "d", "e"}, "abcde", ""},
		{"count", nil, int64(0), ""},
		{"count", []any{1, nil, "x", []any{}}, int64(4), ""},
		{"zero", []any{1}, nil, "usage: found 1 argument, expected 0"},
		{"add", []any{1}, nil, "usage: found 1 argument, expected 2"},
		{"add", []any{1, 2, 3}, nil, "usage: found 3 arguments, expected 2"},
		{"add", []any{1, "2"}, nil, "usage: argument 2: found string, expected f64"},
		{"join5", []any{"a", "b", 3, 4, "e"}, nil, "usage: argument 3: found int 3, expected string"},
		{"fails", []any{"no"}, "fine", ""},
		{"fails", []any{"plain"}, nil, "usage: plain text"},
		{"fails", []any{"io"}, nil, "io: try later"},
		{"fails", []any{"wrapped"}, nil, "io: while reading: try later"},
		{"fails", []any{"nil"}, nil, "fatal: a nil *vanth.Error was returned as an error"},
		{"fails", []any{"closed"}, nil, "io: state: get k: closed"},
		{"panics", []any{"index"}, nil, "fatal: panic: runtime error: index out of range [5] with length 0"},
		{"panics", []any{"nil"}, nil, "fatal: panic: runtime error: invalid memory address or nil pointer dereference"},
		{"panics", []any{"error"}, nil, "fatal: panic: an error"},
		{"panics", []any{"boom"}, nil, "fatal: panic: boom"},
		{"badresult", nil, nil, "fatal: a value of this Go type has no frame"},
	} {
		got, err := Call(c.function, c.args...)
		if text := describe(err); text != c.err || !same(got, c.want) {
			t.Errorf("%s%v: %v, %s", c.function, c.args, got, text)
		}
	}
	if _, err := Call("absent"); err == nil || err.(*Error).Class != Fatal {
		t.Errorf("a function that is not there: %v", err)
	}
}

func describe(err error) string {
	if e, ok := err.(*Error); ok {
		return string(e.Class) + ": " + e.Msg
	}
	return fmt.Sprint(err)[len("<nil>"):]
}

// Frames no host of ours sends: the answer is an error, whatever the bytes.
func TestCallHostileFrames(t *testing.T) {
	add := indexOf(t, "add")
	for name, frame := range map[string][]byte{
		"empty":            {},
		"not a list":       {0xc0},
		"a map":            {0x80},
		"reserved":         {0xc1},
		"short":            {0x92, 1},
		"truncated":        {0x92, 1, 0xcb, 0},
		"count beyond all": {0xdd, 0xff, 0xff, 0xff, 0xff},
		"trailing":         {0x92, 1, 2, 3},
		"reserved inside":  {0x92, 1, 0xc1},
	} {
		out, failed := this.call(add, frame)
		if v, err := Value(out); !failed || err != nil {
			t.Errorf("%s: %v, %v", name, v, err)
		} else if _, ok := v.(*Error); !ok {
			t.Errorf("%s: %v", name, v)
		}
	}
	for _, i := range []int{-1, len(this.entries), 1 << 30} {
		if _, failed := this.call(i, []byte{0x90}); !failed {
			t.Errorf("function %d exists", i)
		}
	}
}

func indexOf(t testing.TB, name string) int {
	t.Helper()
	for i := range this.entries {
		if this.entries[i].name == name {
			return i
		}
	}
	t.Fatal(name)
	return 0
}

func TestNullIsNoFrame(t *testing.T) {
	out, failed := this.call(indexOf(t, "p_any"), []byte{0x91, 0xc0})
	if out != nil || failed || pack(4096, len(out), failed) != 0 {
		t.Errorf("%x, %v", out, failed)
	}
}

func TestSymbols(t *testing.T) {
	v, err := Value(this.symbols())
	if err != nil {
		t.Fatal(err)
	}
	names := v.([]any)
	if len(names) != len(this.entries) || names[indexOf(t, "add")] != "add" {
		t.Errorf("%v", names)
	}
}

func TestPack(t *testing.T) {
	for _, c := range []struct {
		p      uintptr
		n      int
		failed bool
		want   uint64
	}{
		{0x1000, 0, false, 0},
		{0x1000, 5, false, 0x1000_0000_0005},
		{0x1000, 5, true, 0x1000_8000_0005},
		{0xffff_fff0, 0x7fff_ffff, true, 0xffff_fff0_ffff_ffff},
	} {
		if got := uint64(pack(c.p, c.n, c.failed)); got != c.want {
			t.Errorf("%x %x %v: %x, want %x", c.p, c.n, c.failed, got, c.want)
		}
	}
}

func TestScratch(t *testing.T) {
	var g guest
	first := &g.buf(0)[0]
	if len(g.scratch) < minScratch {
		t.Errorf("%d bytes at first", len(g.scratch))
	}
	if &g.buf(minScratch)[0] != first {
		t.Error("it moved without need")
	}
	for _, n := range []int{minScratch + 1, 100_000, 3 << 20} {
		if len(g.buf(n)) < n {
			t.Errorf("%d bytes for %d", len(g.scratch), n)
		}
	}
	if len(g.buf(1)) < 3<<20 {
		t.Error("it shrank")
	}
	base, size := uintptr(unsafe.Pointer(&g.scratch[0])), len(g.scratch)
	for _, c := range []struct {
		p    uintptr
		n    int
		want bool
	}{
		{base, size, true},
		{base + 5, size - 5, true},
		{base, 0, true},
		{base, size + 1, false},
		{base - 1, 1, false},
		{base + uintptr(size), 1, false},
		{base, -1, false},
		{0, 1, false},
	} {
		if got := g.holds(c.p, c.n); got != c.want {
			t.Errorf("base%+d, %d bytes of %d: %v", int64(c.p)-int64(base), c.n, size, got)
		}
	}
	if new(guest).holds(0, 0) {
		t.Error("an empty scratch holds something")
	}
}

// A large result is not kept for ever, a usual one is.
func TestResultBuffer(t *testing.T) {
	if _, err := Call("large", keepResult+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Call("zero"); err != nil || cap(this.result) > keepResult {
		t.Errorf("%d bytes are kept, %v", cap(this.result), err)
	}
	kept := cap(this.result)
	if _, err := Call("zero"); err != nil || cap(this.result) != kept {
		t.Errorf("%d bytes became %d, %v", kept, cap(this.result), err)
	}
}

func TestRegisterRefuses(t *testing.T) {
	type custom struct{}
	before := len(this.entries)
	for want, f := range map[string]func(){
		"without a name":   func() { Func0("", func() int { return 0 }) },
		"in UTF-8":         func() { Func0("\xff", func() int { return 0 }) },
		"twice":            func() { Func0("add", func() int { return 0 }) },
		"is nil":           func() { Func1[int, int]("new", nil) },
		"parameter":        func() { Func1("new", func(custom) int { return 0 }) },
		"result":           func() { Func0("new", func() custom { return custom{} }) },
		"function new2 is": func() { Func("new2", nil) },
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "vanth: ") || !strings.Contains(text, want) {
					t.Errorf("%s: %s", want, text)
				}
			}()
			f()
		}()
	}
	if len(this.entries) != before {
		t.Error("a refused function was registered")
	}
}

// The ceilings: a call with numbers and bools allocates nothing, one with strings the strings.
func TestDispatchAllocations(t *testing.T) {
	for _, c := range []struct {
		function string
		args     []any
		ceiling  float64
	}{
		{"add", []any{1.5, 2.5}, 0},
		{"add", []any{1, 2}, 0},
		{"sum", []any{1 << 40, 2}, 0},
		{"p_i32", []any{-7}, 1}, // the probe boxes what it is called with
		{"not", []any{true}, 0},
		{"zero", []any{}, 0},
		{"join3", []any{"one", "two", "three"}, 4}, // three arguments and the result
	} {
		frame, err := Append(nil, c.args)
		if err != nil {
			t.Fatal(err)
		}
		i := indexOf(t, c.function)
		if got := testing.AllocsPerRun(100, func() { this.call(i, frame) }); got > c.ceiling {
			t.Errorf("%s%v: %v allocations, at most %v", c.function, c.args, got, c.ceiling)
		}
	}
}

func BenchmarkDispatchAdd(b *testing.B) {
	frame, err := Append(nil, []any{1.5, 2.25})
	if err != nil {
		b.Fatal(err)
	}
	i := indexOf(b, "add")
	b.ReportAllocs()
	for b.Loop() {
		this.call(i, frame)
	}
}

// Whatever the frame, the answer is a value, or an error value that is marked as one.
func FuzzCall(f *testing.F) {
	for _, v := range loadVectors(f).Accept {
		if len(v.Frame) < 200 {
			frame := unhex(f, v.Frame)
			f.Add(uint8(0), frame)
			f.Add(uint8(1), append([]byte{0x91}, frame...))
			f.Add(uint8(2), append([]byte{0x92, 1}, frame...))
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, frame []byte) {
		function := int(i) % (len(this.entries) + 1)
		if function < len(this.entries) && this.entries[function].name == "large" {
			return
		}
		out, failed := this.call(function, frame)
		if out == nil && !failed {
			return
		}
		v, err := Value(out)
		if err != nil {
			t.Fatalf("%x: %v", out, err)
		}
		if _, isError := v.(*Error); failed && !isError {
			t.Fatalf("failed with %v", v)
		}
	})
}
