package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository returns the top of the checkout.
func repository(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

// list runs go list in dir and merges what it says with and without cgo. A
// package whose imports do not resolve is judged all the same: the build says
// so better than this test.
func list(t *testing.T, dir string) []listed {
	t.Helper()
	byPath := map[string]listed{}
	for _, cgo := range []string{"0", "1"} {
		cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,Error,GoFiles,CgoFiles,Imports,TestImports,XTestImports", "./...")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list in %s: %v\n%s", dir, err, stderr.Bytes())
		}
		d := json.NewDecoder(bytes.NewReader(out))
		for {
			var p listed
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if p.Error != nil {
				t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
			}
			q := byPath[p.ImportPath]
			for _, m := range []struct{ to, from *[]string }{
				{&p.Imports, &q.Imports},
				{&p.TestImports, &q.TestImports},
				{&p.XTestImports, &q.XTestImports},
				{&p.GoFiles, &q.GoFiles},
				{&p.CgoFiles, &q.CgoFiles},
			} {
				*m.to = append(*m.to, *m.from...)
				slices.Sort(*m.to)
				*m.to = slices.Compact(*m.to)
			}
			byPath[p.ImportPath] = p
		}
	}
	packages := slices.Collect(maps.Values(byPath))
	slices.SortFunc(packages, func(a, b listed) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	return packages
}

func TestFloors(t *testing.T) {
	top := repository(t)
	packages := list(t, top)
	if len(packages) < 5 {
		t.Fatalf("go list found %d packages: the test looks at nothing", len(packages))
	}
	for _, b := range brokenFloors(packages) {
		t.Error(b)
	}
	for _, p := range packages {
		from, _ := ours(p.ImportPath)
		for _, to := range slices.Concat(p.TestImports, p.XTestImports) {
			if rel, isOurs := ours(to); isOurs && !within(rel, from) && rel != "host" && !within(rel, "host/hosttest") {
				t.Logf("tests only: %s -> %s", from, rel)
			}
		}
	}
}

// TestFloorsApart looks at the modules beside the root module.
func TestFloorsApart(t *testing.T) {
	top := repository(t)
	found := 0
	for _, m := range []string{"sdk/go", "plugins"} {
		dir := filepath.Join(top, filepath.FromSlash(m))
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			t.Logf("%s is no Go module yet", m)
			continue
		}
		found++
		for _, b := range brokenApart(list(t, dir)) {
			t.Error(b)
		}
	}
	if found == 0 {
		t.Error("neither sdk/go nor plugins is a module: the test looks at nothing")
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(repository(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, b := range brokenTop(names) {
		t.Error(b)
	}
}

// TestFloorsCanFail feeds a broken graph for every rule, and a sound import
// beside each one.
func TestFloorsCanFail(t *testing.T) {
	const m = modulePath + "/"
	cases := []struct {
		name     string
		from, to string
		sound    bool // as a production import
		test     bool // allowed in a test
		want     string
	}{
		{name: "host imports floor 1", from: "host", to: m + "wasm", want: "host imports nothing of ours"},
		{name: "host imports a library", from: "host", to: "github.com/google/uuid", want: "standard library and semver", test: true},
		{name: "part of host imports a library", from: "host/internal/fetch", to: "github.com/x/y", want: "standard library and semver", test: true},
		{name: "host imports rules", from: "host", to: m + "host/rule", want: "host imports nothing of ours"},
		{name: "host imports its parts", from: "host", to: m + "host/internal/archive", sound: true, test: true},
		{name: "host imports semver", from: "host", to: "github.com/Masterminds/semver/v3", sound: true, test: true},
		{name: "frame imports std", from: "host/frame", to: "encoding/binary", sound: true, test: true},
		{name: "floor 1 sideways", from: "api", to: m + "store", want: "never each other", test: true},
		{name: "floor 1 sideways below", from: "wasm/internal/gate", to: m + "store", want: "never each other", test: true},
		{name: "rules import builtin", from: "host/rule", to: m + "host/builtin", want: "never each other", test: true},
		{name: "floor 1 imports host", from: "wasm", to: m + "host/frame", sound: true, test: true},
		{name: "floor 1 imports itself", from: "wasm", to: m + "wasm/internal/gate", sound: true, test: true},
		{name: "wazero outside", from: "api", to: "github.com/tetratelabs/wazero/api", want: "only wasm may", test: true},
		{name: "wazero inside", from: "wasm/internal/meter", to: "github.com/tetratelabs/wazero", sound: true, test: true},
		{name: "wazero in bench", from: "bench", to: "github.com/tetratelabs/wazero", sound: true, test: true},
		{name: "bbolt outside", from: "cmd/vanth", to: "go.etcd.io/bbolt", want: "only store may", test: true},
		{name: "bbolt inside", from: "store", to: "go.etcd.io/bbolt/errors", sound: true, test: true},
		{name: "fasthttp outside", from: "cmd/vanth", to: "github.com/valyala/fasthttp", want: "only api may", test: true},
		{name: "router outside", from: "host", to: "github.com/fasthttp/router", want: "only api may", test: true},
		{name: "jwt outside", from: "cmd/vanth", to: "github.com/golang-jwt/jwt/v5", want: "only api may", test: true},
		{name: "plugin outside", from: "wasm", to: "plugin", want: "only native may", test: true},
		{name: "contract outside", from: "wasm", to: "github.com/lf-edge/ekuiper/contract/v2/api", want: "only native may", test: true},
		{name: "mangos outside", from: "api", to: "go.nanomsg.org/mangos/v3", want: "only tests may"},
		{name: "mangos inside", from: "portable/internal/sp", to: "go.nanomsg.org/mangos/v3/protocol/req", want: "only tests may", test: true},
		{name: "minisign outside", from: "cmd/vanth", to: "aead.dev/minisign", want: "only api may", test: true},
		{name: "minisign inside", from: "api", to: "aead.dev/minisign", sound: true, test: true},
		{name: "x/sys outside", from: "wasm", to: "golang.org/x/sys/unix", want: "only portable, wasm/internal/reserve may", test: true},
		{name: "x/sys inside", from: "portable/internal/child", to: "golang.org/x/sys/unix", sound: true, test: true},
		{name: "MQTT outside", from: "api", to: "github.com/eclipse/paho.mqtt.golang/packets", want: "only host/builtin may", test: true},
		{name: "semver outside", from: "api", to: "github.com/Masterminds/semver/v3", want: "only host may", test: true},
		{name: "cobra outside", from: "api", to: "github.com/spf13/cobra", want: "only cmd may", test: true},
		{name: "yaml outside", from: "store", to: "go.yaml.in/yaml/v3", want: "only cmd may", test: true},
		{name: "cmd imported", from: "api", to: m + "cmd/vanth/internal/config", want: "nobody imports cmd"},
		{name: "bench imported", from: "cmd/vanth", to: m + "bench", want: "nobody imports cmd or bench"},
		{name: "bench imports cmd", from: "bench", to: m + "cmd/vanth", want: "nobody imports cmd"},
		{name: "cmd imports itself", from: "cmd/vanth", to: m + "cmd/vanth/internal/config", sound: true, test: true},
		{name: "cmd imports etc", from: "cmd/vanth/internal/config", to: m + "etc", sound: true, test: true},
		{name: "api imports etc", from: "api", to: m + "etc", want: "etc stands apart", test: true},
		{name: "etc imports host", from: "etc", to: m + "host", want: "etc stands apart", test: true},
		{name: "etc imports a library", from: "etc", to: "github.com/x/y", want: "standard library only", test: true},
		{name: "host imports sdk", from: "host", to: m + "sdk/go", want: "for plugin authors", test: true},
		{name: "homeless package", from: "telemetry", to: m + "host", want: "has no floor", test: true},
		{name: "hosttest in production", from: "store", to: m + "host/hosttest", want: "only tests may", test: true},
		{name: "testing in production", from: "api", to: "testing", want: "only tests may", test: true},
		{name: "goleak in production", from: "wasm", to: "go.uber.org/goleak", want: "only tests may", test: true},
		{name: "hosttest is for tests", from: "host/hosttest", to: "testing", sound: true, test: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := brokenFloors([]listed{{ImportPath: m + c.from, Imports: []string{c.to}}})
			switch {
			case c.sound && len(got) != 0:
				t.Errorf("production import: got %q, want it allowed", got)
			case !c.sound && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("production import: got %q, want one with %q", got, c.want)
			}
			if got := brokenFloors([]listed{{ImportPath: m + c.from, XTestImports: []string{c.to}}}); (len(got) == 0) != c.test {
				t.Errorf("test import: got %q, want allowed %t", got, c.test)
			}
		})
	}
}

func TestFloorsApartCanFail(t *testing.T) {
	const m = modulePath + "/"
	for _, c := range []struct {
		from, to string
		sound    bool
	}{
		{"sdk/go", m + "host", false},
		{"sdk/go/internal/x", m + "host/frame", false},
		{"sdk/go", "encoding/json", true},
		{"sdk/go", m + "sdk/go/internal/x", true},
		{"plugins/wasm/geo", m + "host", false},
		{"plugins/wasm/geo", "github.com/x/y", false},
		{"plugins/wasm/geo", m + "sdk/go", true},
		{"plugins/functions/echo", "github.com/lf-edge/ekuiper/contract/v2/api", true},
	} {
		if got := brokenApart([]listed{{ImportPath: m + c.from, Imports: []string{c.to}}}); (len(got) == 0) != c.sound {
			t.Errorf("%s -> %s: got %q, want allowed %t", c.from, c.to, got, c.sound)
		}
	}
	if got := brokenTop([]string{"host", "misc"}); len(got) != 1 || !strings.HasPrefix(got[0], "misc ") {
		t.Errorf("top level: got %q", got)
	}
}
