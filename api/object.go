package api

import (
	_ "embed"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/vanth-io/vanth/host"
)

// openAPIDocument describes what routes lists.
//
//go:embed openapi.yaml
var openAPIDocument []byte

// appendWASM appends a wasm plugin: eKuiper's keys in eKuiper's order, then
// ours. A list that the manifest does not have is null, as in eKuiper.
func appendWASM(dst []byte, p *host.Plugin) []byte {
	file := ""
	if p.Dir != "" {
		file = filepath.Join(p.Dir, p.ID.Name+".wasm")
	}
	dst = append(dst, '{')
	dst = appendField(dst, "name", p.ID.Name)
	dst = appendField(dst, "version", p.Manifest.Version)
	dst = appendField(dst, "wasmFile", file)
	if p.Manifest.Engine != "" {
		dst = appendField(dst, "wasmEngine", p.Manifest.Engine)
	}
	dst = appendNames(dst, "functions", p.Manifest.Functions)
	if len(p.Manifest.Sources) > 0 {
		dst = appendNames(dst, "sources", p.Manifest.Sources)
	}
	if len(p.Manifest.Sinks) > 0 {
		dst = appendNames(dst, "sinks", p.Manifest.Sinks)
	}
	dst = appendState(dst, p)
	if p.Grant != nil {
		dst = appendGrant(appendKey(dst, "grant"), p.Grant)
	}
	return append(dst, '}')
}

// appendGrant appends what a plugin may take, in the words of its manifest.
func appendGrant(dst []byte, g *host.Grant) []byte {
	l := &g.Limits
	dst = append(dst, '{')
	for _, f := range [...]struct {
		key   string
		value int64
	}{
		{"callMs", int64(l.CallMs)},
		{"fuel", l.Fuel},
		{"memoryMiB", int64(l.MemoryMiB)},
		{"stackKiB", int64(l.StackKiB)},
		{"tableEntries", int64(l.TableEntries)},
		{"concurrency", int64(l.Concurrency)},
		{"outputKiB", int64(l.OutputKiB)},
		{"cpuPercent", int64(l.CPUPercent)},
	} {
		dst = strconv.AppendInt(appendKey(dst, f.key), f.value, 10)
	}
	caps := g.Capabilities
	if caps == nil {
		caps = []string{}
	}
	return append(appendNames(dst, "capabilities", caps), '}')
}

// appendState appends what we tell of a plugin of any class.
func appendState(dst []byte, p *host.Plugin) []byte {
	dst = appendField(dst, "status", status(p.Err))
	for _, f := range [...]struct{ key, value string }{
		{"errMsg", message(p.Err)},
		{"runtime", p.Runtime},
		{"sha256", p.SHA256},
		{"source", redact(p.Source)},
	} {
		if f.value != "" {
			dst = appendField(dst, f.key, f.value)
		}
	}
	if p.DropIn {
		dst = append(dst, `,"dropIn":true`...)
	}
	return dst
}

func status(err error) string {
	if err != nil {
		return "error"
	}
	return "running"
}

func message(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// redact hides the password that a URL may carry.
func redact(source string) string {
	u, err := url.Parse(source)
	if err != nil || u.User == nil {
		return source
	}
	return u.Redacted()
}

// appendField appends a member of an object, with a comma unless it is the
// first.
func appendField(dst []byte, key, value string) []byte {
	return appendString(appendKey(dst, key), value)
}

func appendKey(dst []byte, key string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(appendString(dst, key), ':')
}

func appendNames(dst []byte, key string, names []string) []byte {
	dst = appendKey(dst, key)
	if names == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i, n := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, n)
	}
	return append(dst, ']')
}
