package main

import (
	"fmt"
	"slices"
	"strings"
)

// modulePath is the root module; packages below sdk, plugins and bench/peers
// are modules of their own.
const modulePath = "github.com/vanth-io/vanth"

// listed is what `go list -json` says of one package.
type listed struct {
	ImportPath   string
	Name         string
	Dir          string
	Error        *struct{ Err string }
	GoFiles      []string
	CgoFiles     []string
	Imports      []string // of production code
	TestImports  []string
	XTestImports []string
}

// door is a dependency that only some of our packages may import.
type door struct {
	dependency string // an import path, with all below it
	holders    []string
	why        string
}

// doors lists one heavy dependency, one door. bench compares with the bare
// engines and may open all.
func doors() []door {
	return []door{
		{"github.com/tetratelabs/wazero", []string{"wasm"}, "the WASM engine is wasm's"},
		{"go.etcd.io/bbolt", []string{"store"}, "the file format is store's"},
		{"github.com/valyala/fasthttp", []string{"api"}, "a RequestCtx must not leave api"},
		{"github.com/fasthttp", []string{"api"}, "routes are api's"},
		{"github.com/golang-jwt/jwt", []string{"api"}, "tokens are api's"},
		{"plugin", []string{"native"}, "it needs cgo and can end the process"},
		{"github.com/lf-edge", []string{"native"}, "eKuiper's contract is native's"},
		{"aead.dev/minisign", []string{"api"}, "signatures of plugin hosts are api's"},
		{"github.com/eclipse/paho.mqtt.golang", []string{"host/builtin"}, "MQTT is host/builtin's"},
		{"golang.org/x/sys", []string{"portable", "wasm/internal/reserve"}, "shared memory, peers' credentials and pages of memory"},
		{"github.com/Masterminds/semver", []string{"host"}, "versions are host's"},
		{"github.com/spf13", []string{"cmd"}, "the command line is cmd's"},
		{"go.yaml.in/yaml", []string{"cmd"}, "the configuration file is cmd's"},
	}
}

// testDoors lists dependencies that only the tests of some of our packages may
// import.
func testDoors() []door {
	return []door{
		{"go.nanomsg.org/mangos", []string{"portable", "bench"}, "it is the other end of portable's wire, which is our own"},
	}
}

// testOnly lists what production code never imports.
func testOnly() []string {
	return []string{
		modulePath + "/host/hosttest", "testing", "go.uber.org/goleak", "github.com/google/go-cmp",
		"pgregory.net/rapid", "github.com/getkin/kin-openapi", "github.com/rogpeppe/go-internal",
		"github.com/mochi-mqtt/server", "go.nanomsg.org/mangos",
	}
}

// floorOne lists the packages that import host and never each other.
func floorOne() []string {
	return []string{"api", "native", "portable", "wasm", "store", "host/rule", "host/builtin"}
}

// within reports whether path is tree or below it.
func within(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}

// ours returns a package's path within the module; false for other modules.
func ours(path string) (string, bool) {
	if path == modulePath {
		return "", true
	}
	return strings.CutPrefix(path, modulePath+"/")
}

// home returns the part of floor 1 that a package belongs to, "" for none.
func homeOf(rel string) string {
	for _, f := range floorOne() {
		if within(rel, f) {
			return f
		}
	}
	return ""
}

// isStandard reports whether an import is of the standard library: those have
// no dot in their first element.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// brokenFloors returns a sentence for each import that DESIGN.md's floors do
// not allow. It is pure, so that a test can show that it finds each one.
func brokenFloors(packages []listed) []string {
	var broken []string
	for _, p := range packages {
		from, ok := ours(p.ImportPath)
		if !ok {
			from = p.ImportPath
		}
		for _, to := range p.Imports {
			if why := forbidden(from, to); why != "" {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", from, to, why))
			}
		}
		for _, to := range slices.Concat(p.TestImports, p.XTestImports) {
			if why := forbiddenInTest(from, to); why != "" {
				broken = append(broken, fmt.Sprintf("a test of %s imports %s: %s", from, to, why))
			}
		}
	}
	return broken
}

// forbidden says why production code of from may not import to; "" if it may.
func forbidden(from, to string) string {
	if !within(from, "host/hosttest") && slices.ContainsFunc(testOnly(), func(t string) bool { return within(to, t) }) {
		return "only tests may"
	}
	if within(from, "bench") {
		return forbiddenInTest(from, to)
	}
	if why := shut(doors(), from, to); why != "" {
		return why
	}
	rel, isOurs := ours(to)
	if !isOurs {
		return forbiddenOutside(from, to)
	}
	return forbiddenInside(from, rel)
}

// shut says which door keeps from from importing to; "" for none.
func shut(doors []door, from, to string) string {
	for _, d := range doors {
		if within(to, d.dependency) && !slices.ContainsFunc(d.holders, func(h string) bool { return within(from, h) }) {
			return "only " + strings.Join(d.holders, ", ") + " may: " + d.why
		}
	}
	return ""
}

// forbiddenOutside judges imports of other modules and the standard library.
func forbiddenOutside(from, to string) string {
	if isStandard(to) {
		return ""
	}
	switch {
	case within(from, "host") && homeOf(from) == "" && !within(to, "github.com/Masterminds/semver"):
		return "host has the standard library and semver only"
	case from == "etc":
		return "etc has the standard library only"
	}
	return ""
}

// forbiddenInside judges imports of our own packages.
func forbiddenInside(from, to string) string {
	a, b := homeOf(from), homeOf(to)
	switch {
	case (within(to, "cmd") && !within(from, "cmd")) || within(to, "bench"):
		return "nobody imports cmd or bench"
	case within(to, "sdk") || within(to, "plugins"):
		return "sdk and plugins are for plugin authors; the host meets them as bundles"
	case within(from, "cmd"):
		return ""
	case from == "etc" || to == "etc":
		return "etc stands apart: it imports nothing of ours, and cmd alone reads it"
	case a == "" && within(from, "host") && b == "" && within(to, "host"):
		return ""
	case a == "" && within(from, "host"):
		return "host imports nothing of ours"
	case a == "":
		return "this package has no floor: give it one in DESIGN.md and here"
	case a == b, b == "" && within(to, "host"):
		return ""
	}
	return "packages of floor 1 import host and never each other"
}

// forbiddenInTest judges imports of tests, which may reach further.
func forbiddenInTest(from, to string) string {
	rel, ok := ours(to)
	switch {
	case !ok:
		return shut(testDoors(), from, to)
	case (within(rel, "cmd") && !within(from, "cmd")) || (within(rel, "bench") && !within(from, "bench")):
		return "nobody imports cmd or bench"
	case within(from, "host") && homeOf(from) == "" && homeOf(rel) != "":
		return "host is tested with fakes, not with what stands on it"
	}
	return ""
}

// brokenApart judges the modules beside the root module: sdk and plugins.
func brokenApart(packages []listed) []string {
	var broken []string
	for _, p := range packages {
		from, _ := ours(p.ImportPath)
		for _, to := range p.Imports {
			rel, isOurs := ours(to)
			switch {
			case isStandard(to):
			case within(from, "sdk"):
				if isOurs && !within(rel, "sdk") {
					broken = append(broken, fmt.Sprintf("%s imports %s: sdk never imports the host", from, to))
				}
			case isOurs && within(rel, "plugins"), isOurs && within(rel, "sdk/go"), within(to, "github.com/lf-edge/ekuiper/contract"):
			default:
				broken = append(broken, fmt.Sprintf("%s imports %s: plugins import sdk/go or eKuiper's contract only", from, to))
			}
		}
	}
	return broken
}

// brokenTop returns a sentence for each name at the top of the repository that
// DESIGN.md does not list.
func brokenTop(names []string) []string {
	allowed := []string{
		"cmd", "host", "native", "portable", "wasm", "store", "api", "sdk", "plugins", "etc", "bench", "build",
		"go.mod", "go.sum", "Makefile", "README.md", "RATIONALE.md", "CONTRIBUTING.md", "CHANGELOG.md",
		"LICENSE", ".golangci.yml", ".ci", ".git", ".gitignore",
	}
	var broken []string
	for _, n := range names {
		if !slices.Contains(allowed, n) {
			broken = append(broken, n+" stands at the top of the repository: DESIGN.md has no place for it")
		}
	}
	return broken
}
