package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// soRuntime is a fake for .so files. Like Go, it loads one build of a plugin in
// its life.
type soRuntime struct {
	*hosttest.FakeRuntime
	mu     sync.Mutex
	opened map[string]string
}

func (*soRuntime) Name() string { return "so" }

func (*soRuntime) Accepts(b host.Bundle) bool {
	return b.Plugin.Manifest.Language == host.LanguageNative
}

func (r *soRuntime) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	code, err := os.ReadFile(filepath.Join(b.Dir, b.Plugin.Manifest.Executable))
	if err != nil {
		return nil, err
	}
	if string(code) == "broken" {
		return nil, host.Errorf(host.ErrInvalid, "broken file")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, ok := r.opened[b.Plugin.ID.Name]; ok && was != string(code) {
		return nil, host.Errorf(host.ErrRestart, "another build is loaded")
	}
	r.opened[b.Plugin.ID.Name] = string(code)
	m, err := r.FakeRuntime.Load(ctx, b)
	return anySymbols{m, b}, err
}

// anySymbols exports whatever the manifest names.
type anySymbols struct {
	host.Module
	b host.Bundle
}

func (m anySymbols) Symbols() []host.Symbol { return m.b.Plugin.Manifest.List() }

// openNative opens a host for .so files; restart gives it a new process.
func openNative(t *testing.T) (b *bench, restart func()) {
	rt := &soRuntime{FakeRuntime: &hosttest.FakeRuntime{}, opened: map[string]string{}}
	b = open(t, func(o *host.Options) { o.Runtimes = append([]host.Runtime{rt}, o.Runtimes...) })
	return b, func() {
		t.Helper()
		b.stop()
		clear(rt.opened)
		b.start()
	}
}

func nid(c host.Class, name string) host.ID { return host.ID{Class: c, Name: name} }

func (b *bench) put(id host.ID, replace bool, files map[string]string, functions ...string) error {
	r := host.Request{ID: id, Archive: bytes.NewReader(pack(b.t, files)), Functions: functions}
	run := b.Install
	if replace {
		run = b.Replace
	}
	_, err := run(context.Background(), r)
	return err
}

// etc lists the files below etc/ with their contents.
func (b *bench) etc() map[string]string {
	all := map[string]string{}
	root := filepath.Join(b.home, "etc")
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(root, path)
			content, _ := os.ReadFile(path)
			all[rel] = string(content)
		}
		return err
	})
	return all
}

func (b *bench) wantEtc(want map[string]string) {
	b.t.Helper()
	if got := b.etc(); fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("etc: %v, want %v", got, want)
	}
}

func TestNativeNamesAndVersions(t *testing.T) {
	b, _ := openNative(t)
	fns := host.ClassFunctions
	if err := b.put(nid(fns, "version"), false, map[string]string{
		"version@1.10.0@x.so": "b", "version.so.so": "c", "Other@9.so": "d", "lib.so.1": "e", "sub/Version.so": "f",
	}); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Get(nid(fns, "version")); err != nil || p.Manifest.Version != "1.10.0" || p.Manifest.Executable != "version@1.10.0@x.so" || p.Runtime != "so" {
		t.Errorf("%+v, %v", p, err)
	}
	b.want("version", "1.10.0")
	for name, files := range map[string]map[string]string{
		"expected Nothing.so or Nothing@VERSION.so":                             {"Other.so": "x"},
		"zipFiles: [nothing.so.so], yamlFileChecked:false, soFileChecked:false": {"nothing.so.so": "x"},
		"zipFiles: [nothing.source.so], ":                                       {"nothing.source.so": "x"},
		"expected one .so file of the plugin":                                   {"Nothing@1.so": "x", "nothing.so": "x"},
		"zipFiles: []":                                                          {},
		"broken file":                                                           {"Nothing.so": "broken"},
		"holds functions only":                                                  {"nothing.wasm": "", "nothing.json": `{"functions":["echo"],"sinks":["s"]}`},
		"id 'a b' contains":                                                     {"nothing.wasm": "", "nothing.json": `{"functions":["a b"]}`},
	} {
		if err := b.put(nid(fns, "nothing"), false, files); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v, want %q", files, err, name)
		}
	}
	// What a package holds is named up to a bound.
	many := map[string]string{}
	for i := range 150 {
		many[fmt.Sprintf("f%03d", i)] = ""
	}
	if err := b.put(nid(fns, "nothing"), false, many); err == nil || !strings.Contains(err.Error(), " and 50 more], ") {
		t.Error(err)
	}
	// A bundle of another runtime whose symbols are of the class's kind.
	if err := b.put(nid(fns, "guest"), false, map[string]string{"guest.wasm": "", "guest.json": `{"functions":["echo"]}`}); err != nil {
		t.Error(err)
	}
	b.want("echo", "x", "x")
	// An enclosing folder is left out here too.
	if err := b.put(nid(host.ClassSinks, "box"), false, map[string]string{"top/Box.so": "x"}); err != nil {
		t.Error(err)
	}
}

func TestNativeDropIns(t *testing.T) {
	b, restart := openNative(t)
	folder := filepath.Join(b.home, "plugins", "functions")
	for file, content := range map[string]string{"Version@v1.so": "a", "version@v2.so": "b", "Count.so": "c", "Bad.so": "broken", "readme.md": ""} {
		if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, file), []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	restart()
	b.want("version", "v2")
	b.want("count", int64(1))
	var got []string
	for _, p := range b.List(host.ClassFunctions) {
		got = append(got, fmt.Sprint(p.ID.Name, " ", p.Err))
	}
	if want := []string{"bad broken file", "count <nil>", "version <nil>"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// A list of functions outlives the host, also that of a drop-in.
	if err := b.Register(context.Background(), nid(host.ClassFunctions, "version"), []string{"version", "echo"}); err != nil {
		t.Fatal(err)
	}
	b.want("echo", "x", "x")
	restart()
	b.want("echo", "y", "y")
	if err := b.Remove(context.Background(), nid(host.ClassFunctions, "version")); err != nil {
		t.Fatal(err)
	}
	restart()
	b.wantErr("version", host.ErrNotFound)
	b.wantErr("echo", host.ErrNotFound)
	if left, _ := filepath.Glob(filepath.Join(folder, "*")); len(left) != 3 {
		t.Errorf("left: %q", left)
	}
}

func TestRegister(t *testing.T) {
	b, restart := openNative(t)
	kit := nid(host.ClassFunctions, "kit")
	if err := b.put(kit, false, map[string]string{"Kit@v1.so": "x"}, "version", "echo"); err != nil {
		t.Fatal(err)
	}
	b.install("guest", "v1", "count")
	for _, c := range []struct {
		id   host.ID
		list []string
		want error
	}{
		{nid(host.ClassFunctions, "nobody"), []string{"a"}, host.ErrNotFound},
		{kit, nil, host.ErrInvalid},
		{kit, []string{"a", "a"}, host.ErrInvalid},
		{kit, []string{"a/b"}, host.ErrInvalid},
		{kit, []string{"fail", "count"}, host.ErrExists},
		{id("guest"), []string{"a"}, host.ErrUnsupported},
	} {
		if err := b.Register(context.Background(), c.id, c.list); !errors.Is(err, c.want) {
			t.Errorf("%v %q: %v, want %v", c.id, c.list, err, c.want)
		}
	}
	b.want("echo", "x", "x") // the list before still holds
	if err := b.Register(context.Background(), kit, []string{"echo", "fail"}); err != nil {
		t.Fatal(err)
	}
	b.wantErr("version", host.ErrNotFound)
	restart()
	b.want("echo", "x", "x")
	b.wantErr("version", host.ErrNotFound)
	b.install("third", "v1", "version") // a name that was given up is free
}

// TestNativeUpdateWaits: an update that only a new process can run is installed,
// and the old version serves until then.
func TestNativeUpdateWaits(t *testing.T) {
	b, restart := openNative(t)
	kit := nid(host.ClassFunctions, "version")
	if err := b.put(kit, false, map[string]string{"Version@v1.so": "one"}); err != nil {
		t.Fatal(err)
	}
	if err := b.put(kit, true, map[string]string{"Version@v2.so": "two"}); err != nil {
		t.Fatal(err)
	}
	b.want("version", "v1")
	p, _ := b.Get(kit)
	if p.Manifest.Version != "v2" || !errors.Is(p.Waiting, host.ErrRestart) || p.Err != nil {
		t.Errorf("%+v", p)
	}
	if err := b.put(kit, true, map[string]string{"Version@v3.so": "broken"}); err == nil {
		t.Error("a broken update was taken")
	}
	b.want("version", "v1")
	restart()
	b.want("version", "v2")
	if p, _ := b.Get(kit); p.Waiting != nil {
		t.Error(p.Waiting)
	}
	// Removed and installed anew in one process: nothing serves until the next.
	if err := b.Remove(context.Background(), kit); err != nil {
		t.Fatal(err)
	}
	if err := b.put(kit, false, map[string]string{"Version@v3.so": "three"}); err != nil {
		t.Fatal(err)
	}
	b.wantErr("version", host.ErrUnavailable)
	restart()
	b.want("version", "v3")
	if f := b.files(); len(f) != 1 {
		t.Errorf("files %q", f)
	}
}

func TestNativeConfigFiles(t *testing.T) {
	b, restart := openNative(t)
	src := nid(host.ClassSources, "random")
	if err := b.put(src, false, map[string]string{"Random.so": "x"}); err == nil || !strings.Contains(err.Error(), "invalid zip file: expectFiles: 3") || !strings.Contains(err.Error(), "yamlFileChecked:false, soFileChecked:true") {
		t.Errorf("no yaml: %v", err)
	}
	v1 := map[string]string{"Random@v1.so": "x", "random.yaml": "v1", "random.json": "v1", "etc/deep/er/a.conf": "v1", "lib/x": ""}
	if err := b.put(src, false, v1); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"sources/random.yaml": "v1", "sources/random.json": "v1", "sources/random/deep/er/a.conf": "v1"}
	b.wantEtc(all)

	// An operator's edits stay; a failed update puts everything back.
	edited := filepath.Join(b.home, "etc", "sources", "random.yaml")
	if err := os.WriteFile(edited, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	all["sources/random.yaml"] = "mine"
	v2 := map[string]string{"Random@v2.so": "broken", "random.yaml": "v2", "random.json": "v2", "etc/b.conf": "v2"}
	if err := b.put(src, true, v2); err == nil {
		t.Error("a broken update was taken")
	}
	b.wantEtc(all)
	v2["Random@v2.so"] = "x"
	if err := b.put(src, true, v2); err != nil {
		t.Fatal(err)
	}
	all["sources/random.json"], all["sources/random/b.conf"] = "v2", "v2"
	b.wantEtc(all)
	restart()
	b.wantEtc(all)

	// Removal takes what was brought, and that alone.
	if err := os.WriteFile(filepath.Join(b.home, "etc", "sources", "other.yaml"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	b.wantEtc(map[string]string{"sources/other.yaml": "other"})

	// A yaml that was there before is enough, and is not the plugin's.
	if err := os.WriteFile(edited, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.put(src, false, map[string]string{"Random.so": "x"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	b.wantEtc(map[string]string{"sources/other.yaml": "other", "sources/random.yaml": "before"})
}

// TestConfigJournal: an installation that was cut off between its configuration
// files and its commit is undone at the next start; one that was cut off after
// it stands.
func TestConfigJournal(t *testing.T) {
	for _, committed := range []bool{false, true} {
		b, restart := openNative(t)
		sink := nid(host.ClassSinks, "box")
		if err := b.put(sink, false, map[string]string{"Box@v1.so": "x", "box.json": "new", "etc/a": "new"}); err != nil {
			t.Fatal(err)
		}
		b.stop()
		bundle := "77"
		if committed {
			bundle = "1"
		}
		dir := filepath.Join(b.home, "data", "tmp", "config-1")
		if err := errors.Join(os.MkdirAll(dir, 0o755),
			os.WriteFile(filepath.Join(dir, "0"), []byte("old"), 0o644),
			os.WriteFile(filepath.Join(dir, "journal.json"), []byte(`{"id":{"class":"sinks","name":"box"},"bundle":"`+bundle+`","files":[
			  {"from":"box.json","to":"sinks/box.json","was":true},{"from":"etc/a","to":"sinks/box/a"}]}`), 0o644)); err != nil {
			t.Fatal(err)
		}
		b.start()
		want := map[string]string{"sinks/box.json": "old"}
		if committed {
			want = map[string]string{"sinks/box.json": "new", "sinks/box/a": "new"}
		}
		b.wantEtc(want)
		if left, _ := filepath.Glob(filepath.Join(b.home, "data", "tmp", "*")); len(left) != 0 {
			t.Errorf("left: %q", left)
		}
		restart()
		b.wantEtc(want)
	}
}

// TestInstallOverDropInTouchesNoOther: .so files lie in a folder together, and
// installing over one leaves the others.
func TestInstallOverDropInTouchesNoOther(t *testing.T) {
	b, restart := openNative(t)
	folder := filepath.Join(b.home, "plugins", "functions")
	for file, content := range map[string]string{"Version@v1.so": "old", "version@v2.so": "old", "Echo.so": "x", "notes.txt": ""} {
		if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, file), []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	restart()
	if err := b.put(nid(host.ClassFunctions, "version"), true, map[string]string{"Version@v3.so": "old"}); err != nil {
		t.Fatal(err)
	}
	b.want("version", "v3")
	left, _ := filepath.Glob(filepath.Join(folder, "*"))
	if len(left) != 2 {
		t.Errorf("left: %q", left)
	}
	restart()
	b.want("version", "v3")
	b.want("echo", "x", "x")
}

func TestNativeNamesInCapitals(t *testing.T) {
	b, restart := openNative(t)
	if err := b.put(nid(host.ClassFunctions, "Echo"), false, map[string]string{"Echo@v1.so": "x"}, "echo"); err != nil {
		t.Fatal(err)
	}
	restart()
	b.want("echo", "x", "x")
	if err := b.put(nid(host.ClassFunctions, "echo2"), false, map[string]string{"Echo.so": "x"}); err == nil {
		t.Error("another plugin's file was taken")
	}
}

// TestRemovalIsFinished: a removal that was cut off after its commit takes its
// configuration files at the next start; one that was not committed leaves them.
func TestRemovalIsFinished(t *testing.T) {
	b, _ := openNative(t)
	if err := b.put(nid(host.ClassSinks, "box"), false, map[string]string{"Box@v1.so": "x", "box.json": "new"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"box", "gone"} {
		dir := filepath.Join(b.home, "data", "tmp", "config-"+name)
		file := "sinks/" + name + ".json"
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(b.home, "etc", file), []byte("new"), 0o644),
			os.WriteFile(filepath.Join(dir, "journal.json"), []byte(`{"id":{"class":"sinks","name":"`+name+`"},"remove":true,"files":[{"to":"`+file+`"}]}`), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	b.restart()
	b.wantEtc(map[string]string{"sinks/box.json": "new"})
	if err := b.Remove(context.Background(), nid(host.ClassSinks, "box")); err != nil {
		t.Fatal(err)
	}
	b.wantEtc(map[string]string{})
	if f := b.files(); len(f) != 0 {
		t.Errorf("files %q", f)
	}
}

// TestWaitingKeepsItsNames: what still runs under an update that waits keeps its
// names, and a neighbour's deletion takes nobody else's.
func TestWaitingKeepsItsNames(t *testing.T) {
	b, restart := openNative(t)
	foo, bar := nid(host.ClassFunctions, "foo"), nid(host.ClassFunctions, "bar")
	if err := b.put(foo, false, map[string]string{"Foo@v1.so": "one"}, "version"); err != nil {
		t.Fatal(err)
	}
	if err := b.put(foo, true, map[string]string{"Foo@v2.so": "two"}, "echo"); err != nil {
		t.Fatal(err)
	}
	if err := b.put(bar, false, map[string]string{"Bar.so": "x"}, "version"); !errors.Is(err, host.ErrExists) {
		t.Errorf("a name that is in use was given away: %v", err)
	}
	b.want("version", "v1")
	// The list of a plugin that waits can be set, and holds after the restart.
	if err := b.Register(context.Background(), foo, []string{"count"}); err != nil {
		t.Error(err)
	}
	if err := b.put(foo, false, map[string]string{"Foo@v2.so": "two"}); !errors.Is(err, host.ErrExists) {
		t.Errorf("installed twice: %v", err)
	}
	restart()
	b.want("count", int64(1))
	b.wantErr("version", host.ErrNotFound)
	if err := b.put(bar, false, map[string]string{"Bar.so": "x"}, "version"); err != nil {
		t.Error(err)
	}
}

// TestConfigIsNeverLost: an installation that fails, for whatever stands where its
// files go, leaves what was there, with its mode.
func TestConfigIsNeverLost(t *testing.T) {
	b, _ := openNative(t)
	etc := filepath.Join(b.home, "etc", "sinks", "box")
	if err := errors.Join(os.MkdirAll(filepath.Join(etc, "a"), 0o755), os.WriteFile(filepath.Join(etc, "b"), []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"Box.so": "x", "etc/a": "new", "etc/b": "new", "etc/c": "new"}
	if err := b.put(nid(host.ClassSinks, "box"), false, files); err == nil || !strings.Contains(err.Error(), "brings the file etc/sinks/box/a") {
		t.Error(err)
	}
	b.wantEtc(map[string]string{"sinks/box/b": "mine"})
	delete(files, "etc/a")
	files["Box.so"] = "broken"
	if err := b.put(nid(host.ClassSinks, "box"), false, files); err == nil {
		t.Error("a broken file was taken")
	}
	b.wantEtc(map[string]string{"sinks/box/b": "mine"})
	if info, err := os.Stat(filepath.Join(etc, "b")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if f := b.files(); len(f) != 0 {
		t.Errorf("files %q", f)
	}
}

// TestFolderAndFileOfOneName are one plugin, and one module.
func TestFolderAndFileOfOneName(t *testing.T) {
	b, restart := openNative(t)
	folder := filepath.Join(b.home, "plugins", "functions")
	if err := errors.Join(os.MkdirAll(filepath.Join(folder, "version"), 0o755),
		os.WriteFile(filepath.Join(folder, "Version@v1.so"), []byte("file"), 0o644),
		os.WriteFile(filepath.Join(folder, "version", "Version@v2.so"), []byte("folder"), 0o644)); err != nil {
		t.Fatal(err)
	}
	restart()
	b.want("version", "v2")
	if list := b.List(host.ClassFunctions); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	b.stop() // counts the modules that are left open
	b.start()
}
