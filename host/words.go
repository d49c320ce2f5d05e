package host

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// Kind says what a symbol is. It is independent of the class a plugin was
// installed under and of the runtime that runs it.
type Kind uint8

// The kinds. The zero value is no kind.
const (
	KindSource Kind = iota + 1
	KindFunction
	KindSink
)

var kindNames = [...]string{"none", "source", "function", "sink"}

// String returns the kind's word, in the singular.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Symbol is one thing a plugin exports. A kind and a name are unique in a host.
type Symbol struct {
	Kind Kind
	Name string
}

// String returns "function geohash".
func (s Symbol) String() string { return s.Kind.String() + " " + s.Name }

// Class is the REST collection a plugin was installed under.
type Class string

// The classes, in eKuiper's words.
const (
	ClassSources   Class = "sources"
	ClassFunctions Class = "functions"
	ClassSinks     Class = "sinks"
	ClassPortables Class = "portables"
	ClassWASM      Class = "wasm"
)

// ID names a plugin. Names are unique within a class.
type ID struct {
	Class Class  `json:"class"`
	Name  string `json:"name"`
}

// String returns "wasm/geo".
func (id ID) String() string { return string(id.Class) + "/" + id.Name }

var nameShape = regexp.MustCompile(`^[a-zA-Z0-9_\-]+$`)

// maxName bounds plugin and symbol names so that every one is a file name.
const maxName = 128

// CheckName reports why name cannot name a plugin or a symbol; nil if it can.
// The sentences are eKuiper's, since its clients show them to people. The error
// is [ErrInvalid].
func CheckName(name string) error {
	switch {
	case name == "":
		return invalid("id cannot be empty")
	case strings.TrimSpace(name) != name:
		return invalid("id '%s' contains leading or trailing whitespace", name)
	case !nameShape.MatchString(name):
		return invalid("id '%s' contains invalid characters: only alphanumeric, hyphens and underscores are allowed", name)
	case len(name) > maxName:
		return invalid("id '%.16s...' is %d characters long: at most %d are allowed", name, len(name), maxName)
	}
	return nil
}

// Plugin is what is known of an installed plugin. It is a value: a snapshot
// that does not change under its reader.
type Plugin struct {
	ID       ID
	Manifest Manifest
	// Runtime names the runtime that loaded it, "" when none did.
	Runtime string
	// Dir is the absolute folder of the bundle, "" when it is not known.
	Dir string
	// Source is the URL it came from, "" for an upload or a drop-in.
	Source string
	// SHA256 is the digest of the archive in lower-case hex, "" for a drop-in.
	SHA256 string
	// DropIn is true when the bundle stands in the drop-in folder.
	DropIn bool
	// Grant is what it may take; nil when it does not run, or nothing bounds it.
	Grant *Grant
	// Err says why the plugin does not run, nil when it does.
	Err error
	// Waiting says why another version than the manifest's is still running,
	// until the host is started anew; nil when the manifest's is.
	Waiting error
}

// Bundle is an unpacked archive with what the host gives its module.
type Bundle struct {
	Plugin Plugin
	// Dir is the absolute folder; the runtime reads it and does not write it.
	Dir string
	// State is the plugin's memory that outlives its modules.
	State *State
}

// Open opens a file of the bundle for reading. It must be a regular file, and
// no link may lead out of the bundle.
func (b Bundle) Open(name string) (*os.File, error) {
	root, err := os.OpenRoot(b.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// Opening a named pipe would wait for a writer.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = invalid("%s is not a regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Props are the properties a rule gives to a source or a sink.
type Props map[string]any

// Call says on whose behalf a function runs. A nil *Call is a call from
// outside any rule. A Call is shared by many calls and must not be modified.
type Call struct {
	Rule     string // rule id
	Op       string // operator id within the rule
	Instance int64  // parallel instance of the operator
	Run      int64  // how often the rule was started
	Func     int64  // position of the function within its statement
}

// Scope is the key space of the state that a call sees: state is isolated per
// rule and operator, and calls from outside share one space.
func (c *Call) Scope() string {
	if c == nil || c.Rule == "" {
		return ""
	}
	return c.Rule + "\x00" + c.Op
}
