package wasm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

// What the gate and the meter made of a module lies beside its compiled code, so that a start with a warm cache needs
// neither. The file begins with a line of JSON; behind it stand what the engine is shown, and the bytes of the memory.

// moduleName is that file in a place.
const moduleName = "module"

// preface is its first line.
type preface struct {
	Key     string  `json:"key"` // of the place; another module's file is none
	Shown   int     `json:"shown"`
	Memory  uint64  `json:"memory"`
	Start   bool    `json:"start,omitempty"`
	Globals int     `json:"globals,omitempty"`
	Sealed  string  `json:"sealed,omitempty"`
	Data    []piece `json:"data,omitempty"`
}

// piece is so many bytes of memory at a place of it.
type piece struct {
	At    uint32 `json:"at"`
	Bytes int    `json:"bytes"`
}

// write leaves the file in the folder dir. It is not whole before the folder has its checksums.
func (p *prepared) write(dir, key string) error {
	f := preface{Key: key, Shown: len(p.shown), Memory: p.memory, Start: p.start, Globals: p.globals, Sealed: p.sealed}
	var data []reserve.Segment
	size := len(p.shown)
	if p.data != nil {
		data = p.data.Segments()
	}
	for _, s := range data {
		f.Data = append(f.Data, piece{s.At, len(s.Bytes)})
		size += len(s.Bytes)
	}
	line, err := json.Marshal(f)
	if err != nil {
		return err
	}
	text := make([]byte, 0, len(line)+1+size)
	text = append(append(append(text, line...), '\n'), p.shown...)
	for _, s := range data {
		text = append(text, s.Bytes...)
	}
	return os.WriteFile(filepath.Join(dir, moduleName), text, 0o600)
}

// readPrepared reads what write left for key. Its code is nil. An error means that the file is none of ours.
func readPrepared(dir, key string) (*prepared, error) {
	text, err := os.ReadFile(filepath.Join(dir, moduleName))
	if err != nil {
		return nil, err
	}
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	var f preface
	if err := json.Unmarshal(line, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", moduleName, err)
	}
	if f.Key != key {
		return nil, fmt.Errorf("%s is of %.64q, expected %s", moduleName, f.Key, key)
	}
	errLength := errors.New(moduleName + " has another length than its first line says")
	if f.Shown < 0 || f.Shown > len(rest) {
		return nil, errLength
	}
	p := &prepared{shown: rest[:f.Shown:f.Shown], parts: parts{memory: f.Memory, start: f.Start, globals: f.Globals, sealed: f.Sealed}}
	rest = rest[f.Shown:]
	segments := make([]reserve.Segment, len(f.Data))
	for i, d := range f.Data {
		if d.Bytes < 0 || d.Bytes > len(rest) || uint64(d.At)+uint64(d.Bytes) > f.Memory {
			return nil, errLength
		}
		segments[i] = reserve.Segment{At: d.At, Bytes: rest[:d.Bytes]}
		rest = rest[d.Bytes:]
	}
	if len(rest) > 0 {
		return nil, errLength
	}
	if len(segments) > 0 {
		p.data = reserve.Lay(segments)
	}
	return p, nil
}
