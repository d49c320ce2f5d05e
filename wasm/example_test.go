package wasm_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"path/filepath"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/store"
	"github.com/vanth-io/vanth/wasm"
)

// Open a host with the runtime for WebAssembly, install a plugin and call what it
// exports. The daemon does the same.
func Example() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "vanth-*")
	check(err)
	defer os.RemoveAll(home)

	st, err := store.Open(filepath.Join(home, "vanth.db"))
	check(err)
	defer st.Close()
	rt, err := wasm.New(ctx, wasm.Options{})
	check(err)
	defer rt.Close(ctx)
	h, err := host.Open(ctx, host.Options{Home: home, Store: st, Runtimes: []host.Runtime{rt}})
	check(err)
	defer h.Close(ctx)

	_, err = h.Install(ctx, host.Request{ID: host.ID{Class: host.ClassWASM, Name: "sums"}, Archive: sums()})
	check(err)
	add, err := h.Function("add")
	check(err)
	v, err := add.Exec(ctx, nil, []any{1.5, 2.5})
	fmt.Println(v, err)
	_, err = add.Exec(ctx, nil, []any{1.5, "x"})
	fmt.Println(err)
	// Output:
	// 4 <nil>
	// add: argument 2 of (f64, f64) -> f64: found string "x", expected f64
}

// A goroutine that calls a function of numbers millions of times pins it, and passes the
// numbers as they are.
func Example_pin() {
	ctx := context.Background()
	h, end := opened(ctx)
	defer end()

	add, err := h.Function("add")
	check(err)
	pin, err := add.Pin()
	check(err)
	defer pin.Close()
	sum, words := 0.0, make([]uint64, 2)
	for i := range 1000 {
		words[0], words[1] = math.Float64bits(sum), math.Float64bits(float64(i))
		check(pin.ExecScalar(ctx, nil, words))
		sum = math.Float64frombits(words[0])
	}
	fmt.Println(sum)
	// Output: 499500
}

// A plugin is replaced while it is called: what was resolved before follows.
func Example_replace() {
	ctx := context.Background()
	h, end := opened(ctx)
	defer end()

	add, err := h.Function("add")
	check(err)
	p, err := h.Replace(ctx, host.Request{ID: host.ID{Class: host.ClassWASM, Name: "sums"}, Archive: sums()})
	check(err)
	v, err := add.Exec(ctx, nil, []any{1.0, 2.0})
	fmt.Println(p.Manifest.Version, v, err)
	// Output: 1.0.0 3 <nil>
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// opened is a host with the plugin of the first example.
func opened(ctx context.Context) (h *host.Host, end func()) {
	home, err := os.MkdirTemp("", "vanth-*")
	check(err)
	st, err := store.Open(filepath.Join(home, "vanth.db"))
	check(err)
	rt, err := wasm.New(ctx, wasm.Options{})
	check(err)
	h, err = host.Open(ctx, host.Options{Home: home, Store: st, Runtimes: []host.Runtime{rt}})
	check(err)
	_, err = h.Install(ctx, host.Request{ID: host.ID{Class: host.ClassWASM, Name: "sums"}, Archive: sums()})
	check(err)
	return h, func() {
		check(h.Close(ctx))
		check(rt.Close(ctx))
		check(st.Close())
		check(os.RemoveAll(home))
	}
}

// sums is a plugin as a zip: a manifest, and (module (func (export "add") (param f64 f64) (result f64)
// (f64.add (local.get 0) (local.get 1)))).
func sums() io.Reader {
	module := "\x00asm\x01\x00\x00\x00" + "\x01\x07\x01\x60\x02\x7c\x7c\x01\x7c" + "\x03\x02\x01\x00" +
		"\x07\x07\x01\x03add\x00\x00" + "\x0a\x09\x01\x07\x00\x20\x00\x20\x01\xa0\x0b"
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, content := range map[string]string{"sums.json": `{"version":"1.0.0","functions":["add"]}`, "sums.wasm": module} {
		f, err := w.Create(name)
		check(err)
		_, err = io.WriteString(f, content)
		check(err)
	}
	check(w.Close())
	return &archive
}
