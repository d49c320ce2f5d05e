package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// SDK is what an author must use, outside the host's repository, to build a
// plugin that the host opens.
type SDK struct {
	Go       string   // "go1.26.8"
	Env      []string // KEY=value: the toolchain, cgo, the machine
	Flags    []string // of go build
	Contract string   // path@version, always required
	Modules  []string // path@version of the host's others: needed by who imports them
}

// NewSDK reads it off the host.
func NewSDK(h *Host) SDK {
	s := SDK{Flags: []string{"-buildmode=plugin"}}
	if h.Build == nil {
		return s
	}
	s.Go = release(h.Build.GoVersion)
	s.Env = []string{"GOTOOLCHAIN=" + s.Go, "CGO_ENABLED=1"}
	for _, b := range h.Build.Settings {
		switch {
		case b.Key == "-trimpath", b.Key == "-race", b.Key == "-msan", b.Key == "-asan":
			s.Flags = append(s.Flags, b.Key)
		case b.Key == "-gcflags", b.Key == "-tags":
			s.Flags = append(s.Flags, quoted(b.Key+"="+b.Value))
		case strings.HasPrefix(b.Key, "GO") && b.Value != "":
			s.Env = append(s.Env, quoted(b.Key+"="+b.Value))
		}
	}
	for _, m := range h.Build.Deps {
		line := m.Path + "@" + m.Version
		if m.Path == Contract {
			s.Contract = line
			continue
		}
		s.Modules = append(s.Modules, line)
	}
	slices.SortFunc(s.Modules, func(a, b string) int { return cmp.Compare(a, b) })
	return s
}

// quoted protects a word with spaces from the shell.
func quoted(s string) string {
	if strings.ContainsAny(s, " \t\"'$`\\;&|<>()*?") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// Command is the go build line, without environment.
func (s SDK) Command() string {
	return "go build " + strings.Join(s.Flags, " ")
}

// String writes lines for a shell.
func (s SDK) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "export %s\n", strings.Join(s.Env, " "))
	if s.Contract != "" {
		fmt.Fprintf(&b, "go get %s\n", s.Contract)
	}
	if len(s.Modules) > 0 {
		b.WriteString("# only those that the plugin imports, directly or not:\n")
		for _, m := range s.Modules {
			fmt.Fprintf(&b, "#   go get %s\n", m)
		}
	}
	fmt.Fprintf(&b, "%s -o NAME.so .\n", s.Command())
	return b.String()
}

// command is the host's go build line for one sentence.
func command(h *Host) string { return NewSDK(h).Command() }
