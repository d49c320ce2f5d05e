package host_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// TestConfigFollowsNoLink: a link below etc/ is refused by name, wherever it leads
// to, and nothing is written, replaced or removed behind it.
func TestConfigFollowsNoLink(t *testing.T) {
	for name, c := range map[string]struct{ link, to, refusal string }{
		"folder outside":   {"sinks/box", "OUT", "etc/sinks/box is a link"},
		"folder below etc": {"sinks/box", "../mgmt", "etc/sinks/box is a link"},
		"class outside":    {"sinks", "OUT", "etc/sinks is a link"},
		"file outside":     {"sinks/box.json", "OUT/kept", "etc/sinks/box.json is a link"},
		"nowhere":          {"sinks/box", "OUT/none", "etc/sinks/box is a link"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := openNative(t)
			out, etc := t.TempDir(), filepath.Join(b.home, "etc")
			kept := filepath.Join(out, "kept")
			link := filepath.Join(etc, c.link)
			if err := errors.Join(os.MkdirAll(filepath.Join(etc, "mgmt"), 0o755), os.MkdirAll(filepath.Dir(link), 0o755),
				os.WriteFile(kept, []byte("mine"), 0o600),
				os.Symlink(strings.Replace(c.to, "OUT", out, 1), link)); err != nil {
				t.Fatal(err)
			}
			err := b.put(nid(host.ClassSinks, "box"), false, map[string]string{"Box.so": "x", "box.json": "new", "etc/kept": "new"})
			if !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("%v, want %q", err, c.refusal)
			}
			if left, _ := os.ReadDir(out); len(left) != 1 {
				t.Errorf("outside: %v", left)
			}
			if left, _ := os.ReadDir(filepath.Join(etc, "mgmt")); len(left) != 0 {
				t.Errorf("behind the link: %v", left)
			}
			if text, err := os.ReadFile(kept); string(text) != "mine" {
				t.Errorf("%q, %v", text, err)
			}
			if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("the link has gone: %v", err)
			}
			if f := b.files(); len(f) != 0 {
				t.Errorf("files %q", f)
			}
		})
	}
}

// TestRemovalFollowsNoLink: a link that came after the installation keeps what is
// behind it.
func TestRemovalFollowsNoLink(t *testing.T) {
	b, _ := openNative(t)
	box := nid(host.ClassSinks, "box")
	if err := b.put(box, false, map[string]string{"Box.so": "x", "etc/kept": "new", "etc/deep/kept": "new"}); err != nil {
		t.Fatal(err)
	}
	out, own := t.TempDir(), filepath.Join(b.home, "etc", "sinks", "box")
	if err := errors.Join(os.RemoveAll(own), os.Symlink(out, own), os.Mkdir(filepath.Join(out, "deep"), 0o755),
		os.WriteFile(filepath.Join(out, "kept"), []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), box); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(out); len(left) != 2 {
		t.Errorf("outside: %v", left)
	}
}

// TestEtcIsAFolder: a file called etc would clash with the folder that a plugin's
// configuration goes to.
func TestEtcIsAFolder(t *testing.T) {
	b, _ := openNative(t)
	err := b.put(nid(host.ClassSinks, "box"), false, map[string]string{"Box.so": "x", "etc": "x"})
	var e *host.InstallError
	if !errors.As(err, &e) || e.Step != host.StepManifest || !strings.Contains(err.Error(), "found a file called etc at the root, expected a folder") {
		t.Error(err)
	}
	b.wantEtc(map[string]string{})
	if f := b.files(); len(f) != 0 {
		t.Errorf("files %q", f)
	}
}
