package wat_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// testdata/wat2wasm.sha256 holds, in the format of sha256sum, what wat2wasm 1.0.32 makes of each program, without names.
// So all opcodes are compared also where wat2wasm is absent.
func TestSameBytesAsRecorded(t *testing.T) {
	seen := 0
	for line := range strings.Lines(string(source(t, "wat2wasm.sha256"))) {
		want, file, _ := strings.Cut(strings.TrimSpace(line), "  ")
		src := source(t, file)
		if got := sum(t, src); got != want {
			t.Errorf("%s: its binary has the sum %s, that of wat2wasm has %s", file, got, want)
		}
		seen++
	}
	if seen != len(programs) {
		t.Errorf("%d sums for %d programs", seen, len(programs))
	}
	// The check can fail: another opcode is another sum.
	src := source(t, "fib.wat")
	if sum(t, src) == sum(t, bytes.Replace(src, []byte("i32.lt_u"), []byte("i32.lt_s"), 1)) {
		t.Error("two programs have the same sum")
	}
}

func sum(t *testing.T, src []byte) string {
	t.Helper()
	out, err := wat.Assemble(src)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(withoutNames(t, out))
	return hex.EncodeToString(sum[:])
}

func TestSameBytesAsWat2Wasm(t *testing.T) {
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		t.Skip("SKIPPED TestSameBytesAsWat2Wasm: no wat2wasm on PATH (Debian package wabt)")
	}
	cases := map[string][]byte{
		"empty":          []byte(`(module)`),
		"implicit types": []byte(`(module (func (block (result i32 i32) unreachable) drop drop) (func (param f32)) (type (func (param i64))) (func (param i64)))`),
		"order":          []byte(`(module (export "f" (func $f)) (start $s) (func $s) (memory (export "m") 0) (func $f (export "g")) (global f32 (f32.const 0.1)))`),
		"imports":        []byte(`(module (memory (export "m") (import "a" "m") 1 2) (table (import "a" "t") 0 externref) (global (import "a" "g") (mut i64)) (data (i32.const 1) "x"))`),
		"floats":         []byte(`(module (func f32.const 1e-45 f32.const 3.4028235e38 f64.const 0x1.fffffffffffff8p-1 f64.const 1e-400 f32.const 0x0.0000000000000000000001p90 drop drop drop drop drop))`),
		"locals":         []byte(`(module (func (param i32) (local i32 i32 i64) (local $a i64) (local f32)))`),
		"flat if":        []byte(`(module (func (param i32) local.get 0 if $x (param) nop else $x br $x end $x))`),
	}
	for _, p := range programs {
		cases[p.file] = source(t, p.file)
	}
	for name, src := range cases {
		t.Run(name, func(t *testing.T) {
			in, out := filepath.Join(t.TempDir(), "in.wat"), filepath.Join(t.TempDir(), "out.wasm")
			if err := os.WriteFile(in, src, 0o600); err != nil {
				t.Fatal(err)
			}
			if msg, err := exec.CommandContext(t.Context(), tool, in, "-o", out).CombinedOutput(); err != nil {
				t.Fatalf("wat2wasm: %v\n%s", err, msg)
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			got, err := wat.Assemble(src)
			if err != nil {
				t.Fatal(err)
			}
			if got = withoutNames(t, got); !bytes.Equal(got, want) {
				at := 0
				for at < min(len(got), len(want)) && got[at] == want[at] {
					at++
				}
				t.Errorf("from %#x on:\ngot  % .32x\nwant % .32x", at, got[at:], want[at:])
			}
		})
	}
}

// withoutNames cuts the name section off, which is the last.
func withoutNames(t *testing.T, module []byte) []byte {
	t.Helper()
	for at := 8; at < len(module); {
		size, n := binary.Uvarint(module[at+1:])
		if n <= 0 {
			t.Fatalf("no section at %d", at)
		}
		if module[at] == 0 {
			return module[:at]
		}
		at += 1 + n + int(size)
	}
	return module
}
