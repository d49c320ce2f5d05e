package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unpack extracts into a new folder.
func unpack(t *testing.T, archive []byte, prefix string, l Limits) (*os.Root, []Entry, error) {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	entries, err := Extract(t.Context(), bytes.NewReader(archive), int64(len(archive)), prefix, root, l)
	return root, entries, err
}

// tree lists what is on disk: mode and path, and the content of files.
func tree(t *testing.T, root *os.Root) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			b, err := root.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(b)
		}
		found[path] = info.Mode().String() + " " + content
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func plugin() []byte {
	return archiveOf(
		folder("demo/").mode(0o040500),
		stored("demo/demo.json", "{}").mode(0o100600),
		deflated("demo/bin/run", "#!/bin/sh\n").mode(0o100711),
		stored("demo/etc/sources/x.yaml", "a: 1").mode(0o100666),
		folder("demo/empty/"),
	)
}

func TestExtractForcesModes(t *testing.T) {
	root, entries, err := unpack(t, plugin(), "", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"demo":                    "drwxr-xr-x ",
		"demo/demo.json":          "-rw-r--r-- {}",
		"demo/bin":                "drwxr-xr-x ",
		"demo/bin/run":            "-rwxr-xr-x #!/bin/sh\n",
		"demo/etc":                "drwxr-xr-x ",
		"demo/etc/sources":        "drwxr-xr-x ",
		"demo/etc/sources/x.yaml": "-rw-r--r-- a: 1",
		"demo/empty":              "drwxr-xr-x ",
	}
	if d := cmp.Diff(want, tree(t, root)); d != "" {
		t.Error(d)
	}
	list := []Entry{
		{Name: "demo", Dir: true},
		{Name: "demo/demo.json", Size: 2},
		{Name: "demo/bin/run", Size: 10, Exec: true},
		{Name: "demo/etc/sources/x.yaml", Size: 4},
		{Name: "demo/empty", Dir: true},
	}
	if d := cmp.Diff(list, entries); d != "" {
		t.Error(d)
	}
}

func TestExtractWithoutPrefix(t *testing.T) {
	listed, err := List(bytes.NewReader(plugin()), int64(len(plugin())), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	prefix := Strip(listed)
	if prefix != "demo" {
		t.Fatalf("prefix: %q", prefix)
	}
	root, entries, err := unpack(t, plugin(), prefix, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	found := tree(t, root)
	if len(found) != 7 || found["demo.json"] != "-rw-r--r-- {}" || found["bin/run"] == "" {
		t.Error(found)
	}
	if len(entries) != 4 || entries[0].Name != "demo.json" {
		t.Error(entries)
	}
	_, _, err = unpack(t, archiveOf(stored("demo/a", "x"), stored("demo2/b", "y"), stored("demo", "z").mode(0)), "demo", Limits{})
	if err == nil || !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	_, _, err = unpack(t, archiveOf(stored("demo/a", "x"), stored("demo2/b", "y")), "demo", Limits{})
	if err == nil || err.Error() != `archive refused: "demo2/b": not below the folder "demo"` {
		t.Error(err)
	}
}

func TestStrip(t *testing.T) {
	file := func(name string) Entry { return Entry{Name: name} }
	for _, c := range []struct {
		entries []Entry
		want    string
	}{
		{nil, ""},
		{[]Entry{file("demo")}, ""},
		{[]Entry{{Name: "demo", Dir: true}}, ""},
		{[]Entry{file("demo/a")}, "demo"},
		{[]Entry{file("demo/a"), {Name: "demo", Dir: true}, file("demo/b/c")}, "demo"},
		{[]Entry{file("demo/a"), file("demob")}, ""},
		{[]Entry{file("demo/a"), file("demo2/a")}, ""},
		{[]Entry{file("demo/a"), file("__MACOSX/demo/._a")}, ""},
	} {
		if got := Strip(c.entries); got != c.want {
			t.Errorf("%v: %q, want %q", c.entries, got, c.want)
		}
	}
}

func TestExtractWantsAnEmptyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = Extract(t.Context(), bytes.NewReader(plugin()), int64(len(plugin())), "", root, Limits{})
	if !errors.Is(err, fs.ErrExist) || errors.Is(err, ErrRefused) || len(tree(t, root)) != 1 {
		t.Error(err, tree(t, root))
	}
}

// cancelReader ends the context at its nth read.
type cancelReader struct {
	*bytes.Reader
	cancel context.CancelFunc
	left   int
}

func (r *cancelReader) ReadAt(p []byte, off int64) (int, error) {
	if r.left--; r.left == 0 {
		r.cancel()
	}
	return r.Reader.ReadAt(p, off)
}

func TestExtractEndsWithItsContext(t *testing.T) {
	reads := 1
	for ; ; reads++ {
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := &cancelReader{bytes.NewReader(plugin()), cancel, reads}
		_, err = Extract(ctx, r, r.Size(), "", root, Limits{})
		done := ctx.Err() == nil
		cancel()
		root.Close()
		if done {
			break
		}
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrRefused) {
			t.Fatalf("read %d: %v", reads, err)
		}
	}
	if reads < 10 {
		t.Errorf("%d reads only", reads)
	}
}

// intruder puts a link where a file is about to be written, at the first read of contents.
type intruder struct {
	*bytes.Reader
	link func()
}

func (r *intruder) ReadAt(p []byte, off int64) (int, error) {
	if off == localLen+1 && r.link != nil { // the contents of the first entry, after its name
		r.link()
		r.link = nil
	}
	return r.Reader.ReadAt(p, off)
}

func TestExtractDoesNotFollowWhatAppears(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "stage", "victim")
	if err := os.Mkdir(filepath.Join(dir, "stage"), 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(filepath.Join(dir, "stage"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	linked := false
	r := &intruder{bytes.NewReader(archiveOf(deflated("a", strings.Repeat("x", 3000)), stored("b", "evil"))), func() {
		linked = true
		if err := errors.Join(os.WriteFile(victim, []byte("safe"), 0o644), root.Symlink("victim", "b")); err != nil {
			t.Error(err)
		}
	}}
	_, err = Extract(t.Context(), r, r.Size(), "", root, Limits{})
	if got, _ := os.ReadFile(victim); !linked || !errors.Is(err, fs.ErrExist) || string(got) != "safe" {
		t.Errorf("linked %t, %v, victim %q", linked, err, got)
	}
}

// brokenDisk fails its nth read.
type brokenDisk struct {
	*bytes.Reader
	left int
}

var errDisk = errors.New("disk on fire")

func (r *brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	if r.left--; r.left == 0 {
		return 0, errDisk
	}
	return r.Reader.ReadAt(p, off)
}

// A disk that fails is not the archive's fault and must not be reported as such.
func TestReadErrorsAreNotRefusals(t *testing.T) {
	for n := 1; ; n++ {
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		r := &brokenDisk{bytes.NewReader(plugin()), n}
		_, err = Extract(t.Context(), r, r.Size(), "", root, Limits{})
		root.Close()
		if r.left > 0 {
			break
		}
		if !errors.Is(err, errDisk) || errors.Is(err, ErrRefused) {
			t.Fatalf("read %d: %v", n, err)
		}
	}
}

func TestReadsWhatArchiveZipWrites(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.SetComment("comment")
	want := map[string]string{"dir": "drwxr-xr-x ", "dir/sub": "drwxr-xr-x "}
	if _, err := w.Create("dir/"); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"top.json", "dir/a", "dir/sub/empty"} {
		content := strings.Repeat(name, i*100%300)
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, content)
		want[name] = "-rw-r--r-- " + content
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	root, _, err := unpack(t, b.Bytes(), "", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, tree(t, root)); d != "" {
		t.Error(d)
	}
}

// The files in testdata were written by other tools: Info-ZIP (plain, streamed, zip64), Python, jar.
func TestReadsWhatToolsWrite(t *testing.T) {
	files, err := filepath.Glob("testdata/*.zip")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		root, _, err := unpack(t, b, "", Limits{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		found := tree(t, root)
		if !strings.HasPrefix(found["demo.json"], "-rw-r--r-- {") || !strings.HasPrefix(found["bin/run"], "-rwxr-xr-x #!") && !strings.HasSuffix(file, "jar.zip") {
			t.Errorf("%s: %v", file, found)
		}
	}
}

func TestDefaults(t *testing.T) {
	if got := (Limits{Entries: -1, Depth: 7}).filled(); got.Entries != DefaultLimits().Entries || got.Depth != 7 || got.Ratio != DefaultLimits().Ratio {
		t.Errorf("%+v", got)
	}
}
