package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Bounds of a manifest: the file in bytes, the symbols it names together, the
// arguments of one of them.
const (
	maxManifest = 1 << 20
	maxSymbols  = 1000
	maxArgs     = 64
)

// Manifest is the <name>.json of a bundle. Its first lines are eKuiper's; keys
// that neither knows are ignored, since eKuiper's manifests must load, but
// under "symbols" and "limits", which are ours, they are refused.
type Manifest struct {
	Name     string `json:"name,omitempty"`
	Version  string `json:"version"`
	Language string `json:"language,omitempty"`
	// Executable is a portable's program, relative to the bundle.
	Executable string `json:"executable,omitempty"`
	// VirtualEnvType and Env name the environment of a Python plugin: "conda" and
	// its name, or "venv" and its folder, relative to the bundle.
	VirtualEnvType string `json:"virtualEnvType,omitempty"`
	Env            string `json:"env,omitempty"`
	// Instances is how many processes of a portable run at once; 0 is one.
	Instances int `json:"instances,omitempty"`
	// Engine is accepted for eKuiper's old wasm manifests and ignored.
	Engine    string   `json:"wasmEngine,omitempty"`
	Sources   []string `json:"sources"`
	Functions []string `json:"functions"`
	Sinks     []string `json:"sinks"`
	// Listed tells a list of functions that somebody wrote from the one function
	// that a .so file without a list is taken for.
	Listed bool `json:"-"`

	// ABI is the guest contract's major version; 0 when it is not stated.
	ABI      int                  `json:"abi,omitempty"`
	Symbols  map[string]Signature `json:"symbols,omitempty"`
	Requires []string             `json:"requires,omitempty"`
	HTTP     []string             `json:"http,omitempty"`
	Limits   Limits               `json:"limits,omitzero"`
	// Reset is what becomes of an instance after a call of a function; "" is ResetReuse.
	Reset  Reset           `json:"reset,omitempty"`
	Config json.RawMessage `json:"config,omitempty"`
}

// Reset is what becomes of an instance of a sandboxed plugin after a call of a function. Sources
// and sinks keep theirs while they are open.
type Reset string

// The values of Reset.
const (
	ResetReuse    Reset = "reuse"    // the next call finds what this one left
	ResetSnapshot Reset = "snapshot" // the next call finds what the first instance had when it had started
	ResetFresh    Reset = "fresh"    // the next call has an instance that is started for it
)

// Limits are what a plugin asks for itself. Zero is "no wish"; the operator's
// values are ceilings.
type Limits struct {
	// CallMs is how long one call may take.
	CallMs int `json:"callMs,omitempty"`
	// Fuel is what one call may use, in units of about one instruction, eight
	// for one that goes to memory. Unlike
	// time it does not depend on the machine.
	Fuel int64 `json:"fuel,omitempty"`
	// MemoryMiB is the memory of one instance.
	MemoryMiB int `json:"memoryMiB,omitempty"`
	// StackKiB is the stack of one call, by an estimate of its frames.
	StackKiB int `json:"stackKiB,omitempty"`
	// TableEntries is how long each table may grow.
	TableEntries int `json:"tableEntries,omitempty"`
	// Concurrency is how many instances run at once.
	Concurrency int `json:"concurrency,omitempty"`
	// OutputKiB is what one call may hand to the host: its result, and what it
	// emits, logs, prints and keeps as state.
	OutputKiB int `json:"outputKiB,omitempty"`
	// CPUPercent is what all calls together use of processors, on average, in percent
	// of one core: 250 is two and a half. Calls beyond it wait.
	CPUPercent int `json:"cpuPercent,omitempty"`
}

// maxFuel is the largest number of units that JSON's readers keep exactly: some
// months of a processor.
const maxFuel = 1 << 53

// UnmarshalJSON refuses keys that are not limits, and negative ones.
func (l *Limits) UnmarshalJSON(b []byte) error {
	type plain Limits
	if err := strictJSON(b, (*plain)(l)); err != nil {
		return err
	}
	for _, c := range []struct {
		key        string
		value, max int64
	}{
		{"callMs", int64(l.CallMs), 24 * 3600 * 1000},
		{"fuel", l.Fuel, maxFuel},
		{"memoryMiB", int64(l.MemoryMiB), 4096},
		{"stackKiB", int64(l.StackKiB), 64 << 10},
		{"tableEntries", int64(l.TableEntries), 10_000_000},
		{"concurrency", int64(l.Concurrency), 10_000},
		{"outputKiB", int64(l.OutputKiB), 1 << 20},
		{"cpuPercent", int64(l.CPUPercent), 100_000},
	} {
		if c.value < 0 || c.value > c.max {
			return invalid("limits.%s: found %d, expected 1 to %d, or nothing", c.key, c.value, c.max)
		}
	}
	return nil
}

// ParseManifest reads the manifest of a plugin. The error is ErrInvalid and says
// what to mend; the sentences that eKuiper has are its own.
func ParseManifest(id ID, b []byte) (Manifest, error) {
	var m Manifest
	name := id.Name
	if len(b) > maxManifest {
		return m, invalid("manifest %s.json has %d bytes, at most %d are allowed", name, len(b), maxManifest)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, invalid("manifest %s.json: %v", name, jsonError(b, err))
	}
	if m.Name != "" && m.Name != name {
		return m, invalid("invalid plugin, expect name '%s' but got '%s'", name, m.Name)
	}
	if m.ABI < 0 || len(m.Version) > maxName || strings.ContainsFunc(m.Version, unicode.IsControl) {
		return m, invalid("manifest %s.json: abi %d, version %.200q: expected a number from 0 up, and at most %d printable characters", name, m.ABI, m.Version, maxName)
	}
	switch m.Reset {
	case "", ResetReuse, ResetSnapshot, ResetFresh:
	default:
		return m, invalid("manifest %s.json: reset: found %.64q, expected %q, %q or %q, or nothing", name, m.Reset, ResetReuse, ResetSnapshot, ResetFresh)
	}
	if m.Language == LanguageNative {
		return m, invalid("manifest %s.json: language %q is that of .so files, which have no manifest", name, m.Language)
	}
	if id.Class == ClassPortables {
		if err := m.checkProgram(); err != nil {
			return m, err
		}
	}
	m.Listed = len(m.Functions) > 0
	list := m.List()
	if len(list) > maxSymbols {
		return m, invalid("manifest %s.json: found %d sources, functions and sinks, at most %d are allowed", name, len(list), maxSymbols)
	}
	if len(list) == 0 {
		return m, invalid("invalid plugin, must define at lease one source, sink or function")
	}
	if id.Class == ClassPortables {
		if err := m.checkLanguage(); err != nil {
			return m, err
		}
	}
	seen := make(map[Symbol]bool, len(list))
	for _, s := range list {
		if err := CheckName(s.Name); err != nil {
			return m, invalid("manifest %s.json: %s: %v", name, s.Kind, err)
		}
		if seen[s] {
			return m, invalid("manifest %s.json: %s is listed twice", name, s)
		}
		seen[s] = true
	}
	for _, s := range slices.Sorted(maps.Keys(m.Symbols)) {
		if n := len(m.Symbols[s].Args); n > maxArgs {
			return m, invalid("manifest %s.json: symbols.%.64s has %d arguments, at most %d are allowed", name, s, n, maxArgs)
		}
		if !seen[Symbol{KindFunction, s}] && !seen[Symbol{KindSource, s}] && !seen[Symbol{KindSink, s}] {
			return m, invalid("manifest %s.json: symbols.%s describes what is in none of sources, functions and sinks", name, s)
		}
	}
	return m, nil
}

// List returns the symbols the manifest names: sources, functions, sinks.
func (m *Manifest) List() []Symbol {
	var list []Symbol
	for _, g := range []struct {
		k     Kind
		names []string
	}{{KindSource, m.Sources}, {KindFunction, m.Functions}, {KindSink, m.Sinks}} {
		for _, n := range g.names {
			list = append(list, Symbol{g.k, n})
		}
	}
	return list
}

// strictJSON decodes exactly one value without unknown keys.
func strictJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// jsonError adds the line to a syntax or type error.
func jsonError(b []byte, err error) error {
	offset := int64(-1)
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = s.Offset
	} else if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = t.Offset
	}
	if offset < 0 || offset > int64(len(b)) {
		return err
	}
	return invalid("line %d: %v", 1+bytes.Count(b[:offset], []byte("\n")), err)
}
