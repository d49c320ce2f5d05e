package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	good, bad, out := filepath.Join(dir, "good.wat"), filepath.Join(dir, "bad.wat"), filepath.Join(dir, "out.wasm")
	for name, text := range map[string]string{good: "(module)", bad: "(module\n  (fun))"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name   string
		args   []string
		code   int
		stderr string
		writes bool
	}{
		{"no arguments", nil, 2, "usage: assemble IN.wat OUT.wasm\n", false},
		{"absent", []string{filepath.Join(dir, "absent.wat"), out}, 1, "no such file", false},
		{"bad", []string{bad, out}, 1, bad + `:2:3: found "(fun", expected a module field`, false},
		{"no folder for the output", []string{good, filepath.Join(dir, "absent", "out.wasm")}, 1, "no such file", false},
		{"good", []string{good, out}, 0, "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stderr strings.Builder
			if code := run(tc.args, &stderr); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if !strings.Contains(stderr.String(), tc.stderr) || tc.stderr == "" && stderr.Len() > 0 {
				t.Errorf("stderr %q, want %q", stderr.String(), tc.stderr)
			}
			binary, err := os.ReadFile(out)
			if tc.writes != (err == nil) || tc.writes && string(binary) != "\x00asm\x01\x00\x00\x00" {
				t.Errorf("output %q, %v; written: want %v", binary, err, tc.writes)
			}
		})
	}
}
