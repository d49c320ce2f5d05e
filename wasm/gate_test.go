package wasm

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// TestGate installs files that would end the engine, or keep it busy, were they
// shown to it: each is refused at once, with the place and the reason.
func TestGate(t *testing.T) {
	const start = "\x00asm\x01\x00\x00\x00"
	rt := newRuntime(t, Options{})
	for _, c := range []struct{ name, code, want string }{
		{"a count without bytes", start + "\x01\x05\xff\xff\xff\xff\x0f", "at byte 10, section type: found 4,294,967,295 types"},
		{"a section beyond the end", start + "\x01\xff\xff\xff\xff\x07", "at byte 9"},
		{"a huge table", start + "\x04\x08\x01\x70\x00\xff\xff\xff\xff\x0f", "table entries"},
		{"a truncated section", start + "\x01\x04\x01", "at byte 9"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, err := rt.Load(context.Background(), bundle(t, "m", []byte(c.code), host.Manifest{Functions: []string{"f"}}))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "m.wasm: at byte ") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: refused after %v", c.name, took)
		}
		if more := after.TotalAlloc - before.TotalAlloc; more > 4<<20 {
			t.Errorf("%s: refused after %d bytes", c.name, more)
		}
	}
}
