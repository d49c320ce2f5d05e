package config

import (
	"testing"

	"github.com/vanth-io/vanth/etc"
)

// FuzzYAML holds that no file makes reading it panic or hang, and that what
// loads without an error is within the ranges that are promised.
func FuzzYAML(f *testing.F) {
	f.Add(etc.Kuiper())
	f.Add([]byte("basic: &a {basic: *a}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("wasm: {trusted: [~, {a: b}]}"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := newLoader()
		if err := l.yaml("f", b); err != nil || len(l.errs) > 0 {
			return
		}
		c := l.config
		if c.Basic.RestPort < 0 || c.Basic.RestPort > 65535 || c.WASM.MemoryMiB < 1 || c.Limits.Drain <= 0 || c.WASM.Grants == nil {
			t.Errorf("out of range: %+v", c)
		}
	})
}
