package host_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a host on a fake runtime and a store in memory.
type bench struct {
	*host.Host
	t     *testing.T
	home  string
	store *hosttest.MemStore
	rt    *hosttest.FakeRuntime
	opts  host.Options
}

func open(t *testing.T, change ...func(*host.Options)) *bench {
	t.Helper()
	b := &bench{t: t, home: t.TempDir(), store: &hosttest.MemStore{}, rt: &hosttest.FakeRuntime{}}
	b.opts = host.Options{Home: b.home, Store: b.store, Runtimes: []host.Runtime{b.rt}, Drain: time.Second}
	for _, c := range change {
		c(&b.opts)
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

func (b *bench) start() {
	b.t.Helper()
	h, err := host.Open(context.Background(), b.opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Host = h
}

func (b *bench) stop() {
	b.t.Helper()
	if err := b.Close(context.Background()); err != nil {
		b.t.Error(err)
	}
	if n := b.rt.Open(); n != 0 {
		b.t.Errorf("%d modules are open after the host closed", n)
	}
}

func (b *bench) restart() { b.t.Helper(); b.stop(); b.start() }

// pack makes an archive of files.
func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// plugin makes the archive of a plugin with functions.
func plugin(t testing.TB, name, version string, functions ...string) []byte {
	m, err := json.Marshal(map[string]any{"version": version, "functions": functions})
	if err != nil {
		t.Fatal(err)
	}
	return pack(t, map[string]string{name + ".json": string(m), name + ".wasm": "x"})
}

func id(name string) host.ID { return host.ID{Class: host.ClassWASM, Name: name} }

func (b *bench) install(name, version string, functions ...string) {
	b.t.Helper()
	if _, err := b.Install(context.Background(), b.request(name, version, functions...)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) request(name, version string, functions ...string) host.Request {
	return host.Request{ID: id(name), Archive: bytes.NewReader(plugin(b.t, name, version, functions...))}
}

func (b *bench) want(function string, want any, args ...any) {
	b.t.Helper()
	got, err := b.Invoke(context.Background(), function, args...)
	if err != nil || got != want {
		b.t.Errorf("%s%v = %v, %v; want %v", function, args, got, err, want)
	}
}

func (b *bench) wantErr(function string, want error) {
	b.t.Helper()
	if _, err := b.Invoke(context.Background(), function); !errors.Is(err, want) {
		b.t.Errorf("%s: %v; want %v", function, err, want)
	}
}

// files lists what stands below data/bundles and data/tmp.
func (b *bench) files() []string {
	list := []string{}
	for _, d := range []string{"bundles", "tmp"} {
		root := filepath.Join(b.home, "data", d)
		_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				rel, _ := filepath.Rel(root, path)
				list = append(list, rel)
			}
			return err
		})
	}
	return list
}

func TestInstallCallRemove(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "echo", "version")
	b.want("echo", "hi", "hi")
	b.want("version", "v1")

	p, err := b.Get(id("kit"))
	if err != nil || p.Manifest.Version != "v1" || p.Runtime != "fake" || p.Err != nil || len(p.SHA256) != 64 {
		t.Errorf("%+v, %v", p, err)
	}
	if list := b.List(host.ClassWASM); len(list) != 1 || list[0].ID != id("kit") {
		t.Errorf("list %v", list)
	}
	if f := b.Functions(); len(f) != 2 || f[0].Name != "echo" || f[0].Usage.Calls != 1 || f[1].Name != "version" {
		t.Errorf("functions %+v", f)
	}
	if err := b.Remove(context.Background(), id("kit")); err != nil {
		t.Fatal(err)
	}
	b.wantErr("echo", host.ErrNotFound)
	if _, err := b.Get(id("kit")); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
	if f := b.files(); len(f) != 0 {
		t.Errorf("files remain: %v", f)
	}
	if err := b.Remove(context.Background(), id("kit")); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
}

func TestSurvivesRestart(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "version", "count")
	b.want("count", int64(1))
	b.restart()
	b.want("version", "v1")
	b.want("count", int64(2))
	if _, err := b.Replace(context.Background(), b.request("kit", "v2", "version", "count")); err != nil {
		t.Fatal(err)
	}
	b.want("version", "v2")
	b.want("count", int64(3))
	b.restart()
	b.want("version", "v2")
	b.want("count", int64(4))
	if err := b.Remove(context.Background(), id("kit")); err != nil {
		t.Fatal(err)
	}
	b.install("kit", "v3", "count")
	b.want("count", int64(1)) // removing takes the state along
}

// TestEveryStepUndone fails each step of an installation and finds nothing of
// it afterwards; failing a replacement leaves the old plugin serving.
func TestEveryStepUndone(t *testing.T) {
	good := func(t *testing.T) []byte { return plugin(t, "kit", "new", "version") }
	cases := []struct {
		name   string
		step   host.Step
		pkg    func(t *testing.T) []byte
		break_ func(b *bench, r *host.Request)
		text   string
	}{
		{"digest", host.StepFetch, good, func(_ *bench, r *host.Request) { r.SHA256 = strings.Repeat("0", 64) }, "sha256"},
		{"too large", host.StepFetch, func(t *testing.T) []byte { return bytes.Repeat([]byte("x"), 70<<10) }, nil, "limits.packageMiB"},
		{"not a zip", host.StepUnpack, func(*testing.T) []byte { return []byte("no zip") }, nil, "zip: not a valid zip file"},
		{"escape", host.StepUnpack, func(t *testing.T) []byte { return pack(t, map[string]string{"../x": ""}) }, nil, ".."},
		{"no manifest", host.StepManifest, func(t *testing.T) []byte { return pack(t, map[string]string{"a/b": "", "kit.wasm": ""}) }, nil, "missing or invalid json file kit.json, found 2 files in total"},
		{"bad manifest", host.StepManifest, func(t *testing.T) []byte { return pack(t, map[string]string{"kit.json": "{\n]"}) }, nil, "line 2"},
		{"name taken", host.StepManifest, func(t *testing.T) []byte { return plugin(t, "kit", "new", "version", "count") }, nil, "function name count already exists"},
		{"script", host.StepManifest, func(t *testing.T) []byte {
			return pack(t, map[string]string{"kit.json": `{"functions":["version"]}`, "kit.wasm": "", "install.sh": "touch x"})
		}, nil, "basic.installScript"},
		{"parameters", host.StepManifest, good, func(_ *bench, r *host.Request) { r.ShellParas = []string{"a"} }, "have shell parameters : [a] but no install.sh file"},
		{"no runtime", host.StepLoad, func(t *testing.T) []byte {
			return pack(t, map[string]string{"kit.json": `{"functions":["version"],"language":"cobol"}`})
		}, nil, "no runtime accepts"},
		{"load", host.StepLoad, good, func(b *bench, _ *host.Request) {
			b.rt.BeforeLoad = func(context.Context, host.Bundle) error { return errors.New("will not load") }
		}, "will not load"},
		{"symbol", host.StepLoad, func(t *testing.T) []byte { return plugin(t, "kit", "new", "version", "nobody") }, nil, "function nobody is in the manifest"},
		{"store", host.StepStore, good, func(b *bench, _ *host.Request) {
			b.store.Fail = func(op string) error {
				if op == "PutPlugin" {
					return errors.New("disk full")
				}
				return nil
			}
		}, "disk full"},
	}
	for _, c := range cases {
		for _, replace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/replace=%t", c.name, replace), func(t *testing.T) {
				b := open(t, func(o *host.Options) { o.Install.MaxPackage = 64 << 10 })
				b.install("other", "v1", "count")
				if replace {
					b.install("kit", "old", "version")
				}
				before, modules := b.files(), b.rt.Open()
				r := host.Request{ID: id("kit"), Archive: bytes.NewReader(c.pkg(t))}
				if c.break_ != nil {
					c.break_(b, &r)
				}
				run := b.Install
				if replace {
					run = b.Replace
				}
				_, err := run(context.Background(), r)
				ie, ok := errors.AsType[*host.InstallError](err)
				if !ok || ie.Step != c.step || !strings.Contains(err.Error(), c.text) {
					t.Errorf("error %q, want step %s and %q", err, c.step, c.text)
				}
				if after := b.files(); !slices.Equal(before, after) {
					t.Errorf("files %v became %v", before, after)
				}
				if n := b.rt.Open(); n != modules {
					t.Errorf("%d modules became %d", modules, n)
				}
				b.rt.BeforeLoad, b.store.Fail = nil, nil
				if replace {
					b.want("version", "old")
				} else {
					b.wantErr("version", host.ErrNotFound)
				}
				// Names that were reserved are free again.
				b.install("third", "v1", "echo")
				b.restart()
				if replace {
					b.want("version", "old")
				}
			})
		}
	}
}

func TestInstallFromURLs(t *testing.T) {
	b := open(t, func(o *host.Options) { o.Install.PrivateNet = true })
	zipped := plugin(t, "kit", "v1", "echo")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(zipped) }))
	defer srv.Close()
	p, err := b.Install(context.Background(), host.Request{ID: id("kit"), URL: srv.URL + "/kit.zip"})
	if err != nil || p.Source != srv.URL+"/kit.zip" {
		t.Fatal(p, err)
	}
	uploads := filepath.Join(b.home, "data", "uploads")
	file := filepath.Join(uploads, "kit2.zip")
	if err := errors.Join(os.MkdirAll(uploads, 0o755), os.WriteFile(file, plugin(t, "kit2", "v1", "version"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Install(context.Background(), host.Request{ID: id("kit2"), URL: "file://" + file}); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"", "ftp://x/a.zip", "http://x/a.tar"} {
		_, err := b.Install(context.Background(), host.Request{ID: id("kit3"), URL: url})
		if !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), "invalid uri "+url) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestPrivateNetIsRefused(t *testing.T) {
	b := open(t)
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, err := b.Install(context.Background(), host.Request{ID: id("kit"), URL: srv.URL + "/kit.zip"})
	if err == nil || !strings.Contains(err.Error(), "is in internal network") || !strings.Contains(err.Error(), "basic.enablePrivateNet") {
		t.Error(err)
	}
}

func TestNamesAndDuplicates(t *testing.T) {
	b := open(t)
	for _, name := range []string{"", " a", "a/b", "..", "a.b", strings.Repeat("x", 200)} {
		if _, err := b.Install(context.Background(), host.Request{ID: id(name), Archive: strings.NewReader("")}); !errors.Is(err, host.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	b.install("kit", "v1", "version")
	if _, err := b.Install(context.Background(), b.request("kit", "v2", "version")); !errors.Is(err, host.ErrExists) || !strings.Contains(err.Error(), "invalid name kit: duplicate") {
		t.Error(err)
	}
	if _, err := b.Replace(context.Background(), b.request("nobody", "v2", "echo")); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
	if _, err := b.Install(context.Background(), host.Request{ID: host.ID{Class: "cobol", Name: "x"}, Archive: strings.NewReader("")}); !errors.Is(err, host.ErrUnsupported) {
		t.Error(err)
	}
}

func TestEnclosingFolderIsAccepted(t *testing.T) {
	b := open(t)
	z := pack(t, map[string]string{"kit-1.0/kit.json": `{"version":"v1","functions":["version"]}`, "kit-1.0/kit.wasm": ""})
	if _, err := b.Install(context.Background(), host.Request{ID: id("kit"), Archive: bytes.NewReader(z)}); err != nil {
		t.Fatal(err)
	}
	b.want("version", "v1")
}

func TestScripts(t *testing.T) {
	z := func(script string) *bytes.Reader {
		return bytes.NewReader(pack(t, map[string]string{"kit.json": `{"version":"v1","functions":["version"]}`, "kit.wasm": "", "install.sh": script}))
	}
	t.Run("empty ones pass", func(t *testing.T) {
		b := open(t)
		if _, err := b.Install(context.Background(), host.Request{ID: id("kit"), Archive: z("#!/bin/sh\n\n  # nothing\n")}); err != nil {
			t.Error(err)
		}
	})
	allowed := func(o *host.Options) { o.Install.Scripts, o.Install.ScriptTimeout = true, 300*time.Millisecond }
	t.Run("run in place with arguments", func(t *testing.T) {
		b := open(t, allowed)
		if _, err := b.Install(context.Background(), host.Request{ID: id("kit"), Archive: z("echo $1-$2 >made"), ShellParas: []string{"a", "b"}}); err != nil {
			t.Fatal(err)
		}
		p, _ := b.Get(id("kit"))
		if got, err := os.ReadFile(filepath.Join(p.Dir, "made")); err != nil || string(got) != "a-b\n" {
			t.Errorf("%q, %v", got, err)
		}
	})
	for name, c := range map[string][2]string{
		"failure":        {"echo going; echo wrong >&2; exit 3", "exit status 3; output: \"going\\nwrong\""},
		"time":           {"echo slow; sleep 60", "ended by force"},
		"service left":   {"sleep 60 & echo x; exit 1", "exit status 1"},
		"unknown binary": {"no-such-binary-here", "exit status 127; output"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, allowed)
			_, err := b.Install(context.Background(), host.Request{ID: id("kit"), Archive: z(c[0])})
			if err == nil || !strings.Contains(err.Error(), c[1]) {
				t.Errorf("%v, want %q", err, c[1])
			}
			if f := b.files(); len(f) != 0 {
				t.Errorf("files remain: %v", f)
			}
		})
	}
}

func TestDropIns(t *testing.T) {
	b := open(t)
	b.stop()
	drop := func(name, file, content string) {
		dir := filepath.Join(b.home, "plugins", "wasm", name)
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	drop("kit", "kit.json", `{"version":"dropped","functions":["version","count"]}`)
	drop("kit", "kit.wasm", "")
	drop("bad", "bad.json", "{")
	drop("a b", "x", "")
	drop(".hidden", "x", "")
	b.start()
	b.want("version", "dropped")
	b.want("count", int64(1))
	list := b.List(host.ClassWASM)
	var names []string
	for _, p := range list {
		names = append(names, fmt.Sprintf("%s %t", p.ID.Name, p.Err == nil))
	}
	if want := []string{"a b false", "bad false", "kit true"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	b.restart()
	b.want("count", int64(2))
	if _, err := b.Replace(context.Background(), b.request("kit", "installed", "version", "count")); err != nil {
		t.Fatal(err)
	}
	b.want("version", "installed")
	b.want("count", int64(3))
	b.restart()
	b.want("version", "installed")
	for _, name := range []string{"kit", "bad", "a b"} {
		if err := b.Remove(context.Background(), id(name)); err != nil {
			t.Error(err)
		}
	}
	b.restart()
	if list := b.List(host.ClassWASM); len(list) != 0 {
		t.Errorf("list %v", list)
	}
}

// TestBrokenAtBoot: a plugin that cannot load is listed with its reason, keeps
// its names, stops nobody, and may be installed anew.
func TestBrokenAtBoot(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "version")
	b.install("other", "v1", "echo")
	b.stop()
	b.rt.BeforeLoad = func(_ context.Context, bundle host.Bundle) error {
		if bundle.Plugin.ID.Name == "kit" {
			return errors.New("wrong moon")
		}
		return nil
	}
	b.start()
	b.want("echo", "x", "x")
	p, err := b.Get(id("kit"))
	if err != nil || p.Err == nil || !strings.Contains(p.Err.Error(), "wrong moon") {
		t.Errorf("%+v %v", p, err)
	}
	b.wantErr("version", host.ErrUnavailable)
	b.rt.BeforeLoad = nil
	if _, err := b.Install(context.Background(), b.request("third", "v1", "version")); !errors.Is(err, host.ErrExists) {
		t.Errorf("its name was given away: %v", err)
	}
	b.install("kit", "v2", "version")
	b.want("version", "v2")
}

func TestDamagedRecord(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "version")
	b.install("other", "v1", "echo")
	before := b.files()
	b.stop()
	if err := b.store.DamagePlugin(id("kit")); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.want("echo", "x", "x")
	if p, err := b.Get(id("kit")); err != nil || !errors.Is(p.Err, host.ErrDamaged) {
		t.Errorf("%+v %v", p, err)
	}
	if after := b.files(); !slices.Equal(before, after) {
		t.Errorf("files of a damaged record were swept: %v became %v", before, after)
	}
	b.install("kit", "v2", "version")
	b.restart()
	b.want("version", "v2")
}

func TestBootSweeps(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "version")
	before := b.files()
	b.stop()
	for _, f := range []string{"data/bundles/wasm/kit/7/x", "data/bundles/wasm/gone/1/x", "data/tmp/stage-1/x", "data/tmp/package-1.zip"} {
		path := filepath.Join(b.home, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	b.start()
	b.want("version", "v1")
	if after := b.files(); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}

func TestHandleFollows(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "version")
	f, err := b.Function("version")
	if err != nil {
		t.Fatal(err)
	}
	pin, err := f.Pin()
	if err != nil {
		t.Fatal(err)
	}
	defer pin.Close()
	exec := func() (any, error) {
		v, err := f.Exec(context.Background(), nil, nil)
		pv, perr := pin.Exec(context.Background(), nil, nil)
		if pv != v || (perr == nil) != (err == nil) || perr != nil && perr.Error() != err.Error() {
			t.Errorf("the pin: %v, %v; the handle: %v, %v", pv, perr, v, err)
		}
		return v, err
	}
	for _, v := range []string{"v2", "v3"} {
		if _, err := b.Replace(context.Background(), b.request("kit", v, "version")); err != nil {
			t.Fatal(err)
		}
		if got, err := exec(); err != nil || got != v {
			t.Errorf("%v, %v; want %s", got, err, v)
		}
	}
	if err := b.Remove(context.Background(), id("kit")); err != nil {
		t.Fatal(err)
	}
	if _, err := exec(); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("after removal: %v", err)
	}
	b.install("another", "v4", "version")
	if got, err := exec(); err != nil || got != "v4" {
		t.Errorf("after another plugin brought the name: %v, %v", got, err)
	}
	if err := f.ExecScalar(context.Background(), nil, make([]uint64, 1)); !errors.Is(err, host.ErrUnsupported) {
		t.Error(err)
	}
	b.stop()
	if _, err := exec(); !errors.Is(err, host.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	b.start()
}

// TestUpdateUnderLoad replaces a plugin 1,000 times while callers call: no call
// fails, and none runs on a version that was not published.
func TestUpdateUnderLoad(t *testing.T) {
	b := open(t)
	b.install("kit", "0", "version")
	var done atomic.Bool
	var calls atomic.Int64
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			f, err := b.Function("version")
			if err != nil {
				t.Error(err)
				return
			}
			exec := f.Exec
			if i%2 == 0 {
				pin, err := f.Pin()
				if err != nil {
					t.Error(err)
					return
				}
				defer pin.Close()
				exec = pin.Exec
			}
			for last := 0; !done.Load(); calls.Add(1) {
				v, err := exec(context.Background(), nil, nil)
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if _, err := fmt.Sscan(v.(string), &n); err != nil || n < last {
					t.Errorf("version %v after %d: %v", v, last, err)
					return
				}
				last = n
				runtime.Gosched() // the installer needs one of the cores too
			}
		})
	}
	for i := range 1000 {
		if _, err := b.Replace(context.Background(), b.request("kit", fmt.Sprint(i+1), "version")); err != nil {
			t.Fatal(err)
		}
	}
	done.Store(true)
	wg.Wait()
	if n := b.rt.Open(); n != 1 {
		t.Errorf("%d modules are open", n)
	}
	t.Logf("%d calls during 1,000 updates", calls.Load())
}

// TestConcurrentOperations runs operations on few names at once; afterwards the
// host says of each plugin what a new host on the same home says.
func TestConcurrentOperations(t *testing.T) {
	b := open(t)
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 60 {
				name := fmt.Sprintf("kit%d", (w+i)%3)
				fn := []string{"echo", "version", "count"}[(w+i)%3]
				var err error
				switch i % 3 {
				case 0:
					_, err = b.Install(context.Background(), b.request(name, "v1", fn))
				case 1:
					_, err = b.Replace(context.Background(), b.request(name, "v2", fn))
				case 2:
					err = b.Remove(context.Background(), id(name))
				}
				if err != nil && !errors.Is(err, host.ErrExists) && !errors.Is(err, host.ErrNotFound) && !errors.Is(err, host.ErrInUse) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	describe := func() (s []string) {
		for _, p := range b.List(host.ClassWASM) {
			s = append(s, fmt.Sprint(p.ID, p.Manifest.Version, p.Manifest.Functions, p.Err))
		}
		return s
	}
	before, files := describe(), b.files()
	b.restart()
	if after := describe(); !slices.Equal(before, after) {
		t.Errorf("%q became %q", before, after)
	}
	if after := b.files(); !slices.Equal(files, after) {
		t.Errorf("leftovers: %q became %q", files, after)
	}
}

func TestCloseEndsCalls(t *testing.T) {
	b := open(t)
	began := make(chan struct{})
	b.rt.Funcs = map[string]hosttest.FakeFunc{"hold": func(ctx context.Context, _ host.Bundle, _ *host.Call, _ []any) (any, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	b.install("kit", "v1", "hold")
	done := make(chan error)
	go func() {
		_, err := b.Invoke(context.Background(), "hold")
		done <- err
	}()
	<-began
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	if err := <-done; !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("call: %v", err)
	}
	if _, err := b.Install(context.Background(), b.request("x", "v1", "echo")); !errors.Is(err, host.ErrClosed) {
		t.Errorf("install after close: %v", err)
	}
	b.start()
}

func TestNearestNames(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "echo", "version")
	for name, want := range map[string]string{"ecko": "nearest: echo", "Version": "nearest: version", "zzzzzz": "zzzzzz: not found"} {
		_, err := b.Function(name)
		if !errors.Is(err, host.ErrNotFound) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestStateIsKept: what a checkpoint saved survives a host that never closed.
func TestStateIsKept(t *testing.T) {
	b := open(t, func(o *host.Options) { o.Checkpoint = 5 * time.Millisecond })
	b.install("kit", "v1", "count")
	for i := range 10 {
		b.want("count", int64(i+1))
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		st, err := host.NewState(b.store, id("kit"))
		if err != nil {
			t.Fatal(err)
		}
		if st.Counter("", "n") == 10 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the store has %d", st.Counter("", "n"))
		}
		time.Sleep(time.Millisecond)
	}
}

func TestOpenGivesUp(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "version")
	b.stop()
	ctx, cancel := context.WithCancel(context.Background())
	b.rt.BeforeLoad = func(context.Context, host.Bundle) error { cancel(); return ctx.Err() }
	if h, err := host.Open(ctx, b.opts); h != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", h, err)
	}
	b.rt.BeforeLoad = nil
	b.start()
	b.want("version", "v1")
}

// TestCloseGivesUpInstallations: an installation that hangs does not keep the
// host from closing, and leaves nothing.
func TestCloseGivesUpInstallations(t *testing.T) {
	b := open(t)
	loading := make(chan struct{})
	b.rt.BeforeLoad = func(ctx context.Context, _ host.Bundle) error {
		close(loading)
		<-ctx.Done()
		return ctx.Err()
	}
	done := make(chan error)
	go func() {
		_, err := b.Install(context.Background(), b.request("kit", "v1", "version"))
		done <- err
	}()
	<-loading
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("installed after all")
	}
	if f := b.files(); len(f) != 0 {
		t.Errorf("files remain: %v", f)
	}
}

// TestDropInsOnAnotherVolume: a drop-in folder need not stand on the volume of
// the home.
func TestDropInsOnAnotherVolume(t *testing.T) {
	volume, err := os.MkdirTemp("/dev/shm", "vanth-test-*")
	if err != nil {
		t.Skip("SKIPPED TestDropInsOnAnotherVolume: no second volume: ", err)
	}
	defer os.RemoveAll(volume)
	b := open(t)
	b.stop()
	dir := filepath.Join(volume, "wasm", "kit")
	if err := errors.Join(os.RemoveAll(filepath.Join(b.home, "plugins")), os.Symlink(volume, filepath.Join(b.home, "plugins")),
		os.MkdirAll(dir, 0o755), os.MkdirAll(filepath.Join(volume, "wasm", ".gone-x"), 0o755),
		os.WriteFile(filepath.Join(dir, "kit.json"), []byte(`{"version":"dropped","functions":["version"]}`), 0o644),
		os.WriteFile(filepath.Join(dir, "kit.wasm"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.want("version", "dropped")
	if err := b.Remove(context.Background(), id("kit")); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Join(volume, "wasm")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
