package wasm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/vanth-io/vanth/wasm/internal/modgen"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// everyTerms are terms that differ in one thing each from the first.
func everyTerms() []terms {
	first := terms{Metered: true, Memory: 16, Stack: 1 << 20, Tables: 200_000, Module: 32, Husk: 1}
	list := []terms{first}
	for i := range reflect.TypeFor[terms]().NumField() {
		other := first
		switch f := reflect.ValueOf(&other).Elem().Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(!f.Bool())
		default:
			f.SetInt(f.Int() + 1)
		}
		list = append(list, other)
	}
	return list
}

// TestKeys: another module, and other terms, have another key.
func TestKeys(t *testing.T) {
	seen := map[string]string{}
	for _, terms := range everyTerms() {
		for _, code := range []string{"", "a", "b", "ab"} {
			key, of := terms.key([]byte(code)), fmt.Sprintf("%+v %q", terms, code)
			if other, ok := seen[key]; ok || len(key) != 64 || key != terms.key([]byte(code)) {
				t.Errorf("%s has the key %q of %s", of, key, other)
			}
			seen[key] = of
		}
	}
}

// preparedAlike are modules with all that is kept of one.
func preparedAlike(t *testing.T) map[string][]byte {
	t.Helper()
	modules := map[string][]byte{}
	for name, text := range map[string]string{
		"nothing":  `(module)`,
		"a memory": `(module (memory 1 3) (func (export "f")))`,
		"data":     `(module (memory 2) (data (i32.const 70000) "far") (data (i32.const 5) "near") (data (i32.const 6) "EAR"))`,
		"passive":  `(module (memory 1) (data "x") (func (export "g") (data.drop 0)))`,
		"start":    `(module (global (mut i32) (i32.const 1)) (global (mut f64) (f64.const 1)) (func $s) (start $s))`,
		"tables":   `(module (table 1 funcref) (func (export "g") (table.set 0 (i32.const 0) (ref.null func))))`,
	} {
		code, err := wat.Assemble([]byte(text))
		if err != nil {
			t.Fatal(name, err)
		}
		modules[name] = code
	}
	for seed := range uint64(100) {
		modules[fmt.Sprint("seed ", seed)] = modgen.Module(seed)
	}
	return modules
}

// TestPreparedIsKept: what is read is what the gate and the meter would make of the module again, byte for byte.
func TestPreparedIsKept(t *testing.T) {
	for name, code := range preparedAlike(t) {
		for _, terms := range everyTerms() {
			fresh, err := terms.inspect(code)
			if err != nil && !terms.Metered { // its tables may grow without bounds
				continue
			}
			if err != nil {
				t.Fatal(name, err)
			}
			dir, key := t.TempDir(), terms.key(code)
			if err := fresh.write(dir, key); err != nil {
				t.Fatal(name, err)
			}
			kept, err := readPrepared(dir, key)
			if err != nil {
				t.Fatal(name, err)
			}
			again, err := terms.inspect(code)
			if err != nil || kept.code != nil || !bytes.Equal(kept.shown, again.shown) {
				t.Errorf("%s, %+v: %v, %d bytes for %d", name, terms, err, len(kept.shown), len(again.shown))
			}
			if !reflect.DeepEqual(kept.parts, again.parts) {
				t.Errorf("%s, %+v: %+v, expected %+v", name, terms, kept.parts, again.parts)
			}
		}
	}
}

// TestPreparedDamaged: a file that is cut short, longer, of another module or of another making is none.
func TestPreparedDamaged(t *testing.T) {
	terms := everyTerms()[0]
	code := preparedAlike(t)["data"]
	p, err := terms.inspect(code)
	if err != nil {
		t.Fatal(err)
	}
	dir, key := t.TempDir(), terms.key(code)
	if err := p.write(dir, key); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, moduleName)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := readPrepared(dir, key); err == nil {
			t.Errorf("%s: %+v", what, p)
		}
	}
	for n := 0; n < len(whole); n += 1 + n/20 {
		refused(fmt.Sprint("the first ", n, " bytes"), whole[:n])
	}
	refused("a byte more", append(slices.Clone(whole), 0))
	for _, c := range []struct{ from, to string }{
		{`"key":"` + key[:1], `"key":"-`},
		{`"shown":`, `"shown":-`},
		{`"shown":`, `"shown":9`},
		{`"at":`, `"at":99999999`},
		{`"bytes":`, `"bytes":-`},
		{`"bytes":`, `"bytes":9`},
		{`{`, `[`},
	} {
		if !bytes.Contains(whole, []byte(c.from)) {
			t.Fatalf("%s is not in it", c.from)
		}
		refused(c.to, bytes.Replace(whole, []byte(c.from), []byte(c.to), 1))
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readPrepared(dir, key); err != nil {
		t.Error(err)
	}
	if err := json.Unmarshal(whole[:bytes.IndexByte(whole, '\n')], &preface{}); err != nil {
		t.Error(err)
	}
}
