package husk_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/husk"
	"github.com/vanth-io/vanth/wasm/internal/modgen"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// sections are those of a module, in order.
func sections(t *testing.T, module []byte) (*gate.Module, map[byte][]byte) {
	t.Helper()
	m, err := gate.Walk(module, gate.Caps{Positions: true, Clamp: true})
	if err != nil {
		t.Fatal(err)
	}
	of := map[byte][]byte{}
	for _, s := range m.Sections {
		of[s.Kind] = module[s.Content.Start:s.Content.End]
	}
	return m, of
}

// TestOf: a husk is a module that the gate lets pass, with all of the whole one but its bodies, and with its digest.
func TestOf(t *testing.T) {
	modules := [][]byte{}
	for seed := range uint64(200) {
		modules = append(modules, modgen.Module(seed))
	}
	for _, text := range []string{`(module)`, `(module (memory 1) (data (i32.const 3) "abc"))`, `(module (func (result i64 i32) (i64.const 1) (i32.const 2)))`} {
		code, err := wat.Assemble([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		modules = append(modules, code)
	}
	for i, whole := range modules {
		h, err := husk.Of(whole)
		if err != nil {
			t.Fatal(i, err)
		}
		m, of := sections(t, whole)
		hm, hof := sections(t, h)
		for _, kind := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12} {
			if !bytes.Equal(of[kind], hof[kind]) {
				t.Errorf("%d: section %d differs", i, kind)
			}
		}
		if len(hm.Bodies) != len(m.Bodies) || len(h) > len(whole)+60 {
			t.Errorf("%d: %d bodies, expected %d; %d bytes of %d", i, len(hm.Bodies), len(m.Bodies), len(h), len(whole))
		}
		for _, b := range hm.Bodies {
			if !bytes.Equal(h[b.Size:b.End], []byte{3, 0, 0, 0x0b}) {
				t.Fatalf("%d: a body is %x", i, h[b.Size:b.End])
			}
		}
		digest := sha256.Sum256(whole)
		if !bytes.Contains(h, slices.Concat([]byte(husk.Name), digest[:])) {
			t.Errorf("%d: it does not name its module", i)
		}
	}
}

// TestTwoModules: modules that differ in a body have two husks.
func TestTwoModules(t *testing.T) {
	var all [][]byte
	for _, n := range []string{"1", "2"} {
		code, err := wat.Assemble([]byte(`(module (func (export "f") (result i32) (i32.const ` + n + `)))`))
		if err != nil {
			t.Fatal(err)
		}
		h, err := husk.Of(code)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	if bytes.Equal(all[0], all[1]) {
		t.Error("they have one")
	}
}

// TestNoModule: what is cut off or makes no sense is an error.
func TestNoModule(t *testing.T) {
	whole, err := wat.Assemble([]byte(`(module (func (export "f") (result i32) (i32.const 1)))`))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := sections(t, whole)
	ends := []int{8}
	for _, s := range m.Sections {
		ends = append(ends, int(s.Content.End))
	}
	for n := range len(whole) {
		if _, err := husk.Of(whole[:n]); (err == nil) != slices.Contains(ends, n) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	const start = "\x00asm\x01\x00\x00\x00"
	for _, c := range []string{"\x0d\x00", "\x0a\x00", "\x0a\x01\x02", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x01\xff\xff\xff\xff\x7f"} {
		if h, err := husk.Of([]byte(start + c)); err == nil {
			t.Errorf("%x has the husk %x", c, h)
		}
	}
	if _, err := husk.Of([]byte(strings.Repeat("\xff", 100))); err == nil {
		t.Error("no error")
	}
}
