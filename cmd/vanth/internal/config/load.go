package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Prefix begins the names of environment variables that are configuration:
// KUIPER__SECTION__KEY.
const Prefix = "KUIPER__"

// Sources are where a configuration comes from, the weightiest last.
type Sources struct {
	// Home is the absolute home directory; relative paths are below it.
	Home string
	// File is kuiper.yaml; one that does not exist is an empty one.
	File string
	// Environ is the environment in the form of os.Environ.
	Environ []string
	// Flags are the keys that flags of the command line set.
	Flags []Flag
}

// Flag is a key that a flag sets.
type Flag struct {
	Name  string // of the flag: --listen
	Key   string // basic.restIp
	Value string
}

// Warning is something in a source that has no effect.
type Warning struct {
	Where string // kuiper.yaml:12, environment KUIPER__X
	Key   string // as it was spelled
	Text  string
}

// String returns "kuiper.yaml:12: basic.foo: is not known".
func (w Warning) String() string { return w.Where + ": " + w.Key + ": " + w.Text }

// loader gathers what the sources say.
type loader struct {
	keys     map[string]key    // by name in lower case
	sections map[string]bool   // in lower case
	origin   map[string]string // where a key was last set
	config   Config
	warnings []Warning
	errs     []error
}

// Load reads and checks the configuration. The error joins everything that is
// wrong; the warnings are complete also then.
func Load(s Sources) (Config, []Warning, error) {
	l := newLoader()
	if err := l.file(s.File); err != nil {
		l.errs = append(l.errs, err)
	}
	l.environ(s.Environ)
	for _, f := range s.Flags {
		l.scalar("flag "+f.Name, f.Key, f.Value)
	}
	if len(l.errs) == 0 {
		l.check()
	}
	if err := errors.Join(l.errs...); err != nil {
		return Config{}, l.warnings, err
	}
	l.config.locate(s.Home)
	return l.config, l.warnings, nil
}

func newLoader() *loader {
	l := &loader{
		keys: map[string]key{}, sections: map[string]bool{}, origin: map[string]string{},
		config: Default(),
	}
	for _, k := range keys() {
		name := strings.ToLower(k.name)
		l.keys[name] = k
		for i := range name {
			if name[i] == '.' {
				l.sections[name[:i]] = true
			}
		}
	}
	return l
}

// file reads a YAML file.
func (l *loader) file(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return l.yaml(path, b)
}

func (l *loader) yaml(path string, b []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if doc.Kind == 0 { // empty, or nothing but comments
		return nil
	}
	root := resolve(doc.Content[0])
	switch {
	case root.Kind == yaml.MappingNode:
		l.section(path, "", root)
	case root.ShortTag() != "!!null":
		return fmt.Errorf("%s:%d: found %s, expected sections with keys", path, root.Line, found(root))
	}
	return nil
}

// section goes through the keys of a map. It descends only where keys of ours
// can stand, so aliases cannot lead it in circles.
func (l *loader) section(path, prefix string, n *yaml.Node) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		word, value := n.Content[i], resolve(n.Content[i+1])
		where := fmt.Sprintf("%s:%d", path, word.Line)
		name := prefix + word.Value
		lower := strings.ToLower(name)
		if seen[lower] {
			l.errs = append(l.errs, fmt.Errorf("%s: %s: found a second time, expected once", where, name))
			continue
		}
		seen[lower] = true
		switch {
		case !l.sections[lower]:
			l.set(where, name, value)
		case value.Kind == yaml.MappingNode:
			l.section(path, name+".", value)
		case value.ShortTag() != "!!null":
			l.errs = append(l.errs, fmt.Errorf("%s: %s: found %s, expected a section with keys", where, name, found(value)))
		}
	}
}

// environ reads the variables that are configuration, in the order of names.
func (l *loader) environ(list []string) {
	vars := map[string]string{}
	for _, e := range list {
		name, value, _ := strings.Cut(e, "=")
		if len(name) > len(Prefix) && strings.EqualFold(name[:len(Prefix)], Prefix) {
			vars[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		l.scalar("environment "+name, strings.ReplaceAll(name[len(Prefix):], "__", "."), vars[name])
	}
}

// scalar sets a key from a plain text: lists are YAML, all else is taken as it
// stands.
func (l *loader) scalar(where, name, value string) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
	if k, ok := l.keys[strings.ToLower(name)]; ok && k.list {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(value), &doc); err != nil || doc.Kind == 0 {
			l.errs = append(l.errs, fmt.Errorf("%s: %s: found %q, expected a list such as [state, clock]", where, k.name, value))
			return
		}
		n = resolve(doc.Content[0])
	}
	l.set(where, name, n)
}

// set gives a key its value; no value at all leaves it as it is.
func (l *loader) set(where, name string, n *yaml.Node) {
	k, ok := l.keys[strings.ToLower(name)]
	if !ok {
		l.warnings = append(l.warnings, Warning{where, name, l.unknown(name)})
		return
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	if err := k.set(&l.config, n); err != nil {
		l.errs = append(l.errs, fmt.Errorf("%s: %s: %w", where, k.name, err))
		return
	}
	l.origin[k.name] = where
}

// unknown says of a key that is not ours whether it is eKuiper's.
func (l *loader) unknown(name string) string {
	lower := strings.ToLower(name)
	for _, f := range foreign() {
		if lower == f || strings.HasPrefix(lower, f+".") {
			return "has no effect in this build"
		}
	}
	for _, k := range keys() {
		if last := lower[strings.LastIndexByte(lower, '.')+1:]; strings.HasSuffix(strings.ToLower(k.name), "."+last) {
			return "is not known and has no effect; there is " + k.name
		}
	}
	return "is not known and has no effect"
}
