//go:build cgo && (linux || darwin || freebsd)

package native

import (
	"encoding/gob"
	"io"
)

// gobEncode writes a value of a plugin that frames cannot hold.
func gobEncode(w io.Writer, v any) error { return gob.NewEncoder(w).Encode(v) }

// gobDecode reads one.
func gobDecode(r io.Reader, into any) error { return gob.NewDecoder(r).Decode(into) }

// gobName has gob know a type by its usual name; it panics where a plugin named it before.
func gobName(v any) { gob.Register(v) }
