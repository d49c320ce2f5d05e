package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An unpacker writes an archive into the folder stage.
type unpacker func(archive []byte, stage string) error

func ours(archive []byte, stage string) error {
	root, err := os.OpenRoot(stage)
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = Extract(context.Background(), bytes.NewReader(archive), int64(len(archive)), "", root, testLimits())
	if err != nil && !errors.Is(err, ErrRefused) {
		return fmt.Errorf("not a refusal: %w", err)
	}
	return err
}

// memoryDir is a temporary folder in memory where there is one: thousands of synced files take
// minutes on a disk. The tests of Extract itself use the disk.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "archive")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// sandbox is a folder with a stage to unpack into and a canary beside it.
type sandbox struct{ dir, stage, before string }

func newSandbox(dir string) (*sandbox, error) {
	s := &sandbox{dir: dir, stage: filepath.Join(dir, "stage")}
	for _, sub := range []string{"stage", "canary"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "canary", "alive"), []byte("tweet"), 0o644); err != nil {
		return nil, err
	}
	s.before = s.outside()
	return s, nil
}

// outside describes all that is not in the stage.
func (s *sandbox) outside() string {
	var b strings.Builder
	filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == s.stage {
			return errors.Join(err, fs.SkipDir)
		}
		content, _ := os.ReadFile(path)
		fmt.Fprintln(&b, path, d.Type(), string(content))
		return nil
	})
	return b.String()
}

// complaint compares the sandbox with what it was, and looks for anything that is not a plain file
// or folder in the stage.
func (s *sandbox) complaint() string {
	if s.outside() != s.before {
		return "changed something outside the stage"
	}
	strange := ""
	filepath.WalkDir(s.stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			strange = fmt.Sprintf("left %s (%v)", d.Name(), d.Type())
		}
		return nil
	})
	return strange
}

// audit gives all samples to an unpacker and returns what it did wrong, by sample.
func audit(dir string, unpack unpacker) (complaints map[string]string, total int, err error) {
	complaints = map[string]string{}
	for _, f := range corpus() {
		for _, s := range append(f.bad, f.good...) {
			total++
			id := f.name + ": " + s.name
			box, err := newSandbox(filepath.Join(dir, fmt.Sprint(total)))
			if err != nil {
				return nil, total, err
			}
			got := unpack(s.zip, box.stage)
			switch c := box.complaint(); {
			case c != "":
				complaints[id] = c
			case s.want == "" && got != nil:
				complaints[id] = "refused: " + got.Error()
			case s.want != "" && got == nil:
				complaints[id] = "accepted; want: " + s.want
			case s.want != "" && !strings.Contains(got.Error(), s.want):
				complaints[id] = "want: " + s.want + "; got: " + got.Error()
			}
		}
	}
	return complaints, total, nil
}

func TestCorpus(t *testing.T) {
	complaints, total, err := audit(memoryDir(t), ours)
	if err != nil {
		t.Fatal(err)
	}
	for id, c := range complaints {
		t.Errorf("%s: %s", id, c)
	}
	for _, f := range corpus() {
		if len(f.bad) == 0 || len(f.good) == 0 {
			t.Errorf("%s: wants bad and good samples", f.name)
		}
	}
	t.Logf("%d archives", total)
}

// The refusal of headers must come from List already, with nothing written.
func TestListRefusesBeforeExtract(t *testing.T) {
	for _, f := range corpus() {
		for _, s := range f.bad {
			_, err := List(bytes.NewReader(s.zip), int64(len(s.zip)), testLimits())
			if f.name == contents().name {
				if err != nil {
					t.Errorf("%s: %s: %v", f.name, s.name, err)
				}
				continue
			}
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), s.want) {
				t.Errorf("%s: %s: %v", f.name, s.name, err)
			}
			if strings.HasPrefix(s.want, notZip) != errors.Is(err, zip.ErrFormat) && strings.HasPrefix(s.want, notZip) {
				t.Errorf("%s: %s: not zip.ErrFormat: %v", f.name, s.name, err)
			}
		}
	}
}

// naive is the unpacker that tutorials show: it must fail the audit, else the audit is worth nothing.
func naive(archive []byte, stage string) error {
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return err
	}
	var failed error
	for _, f := range r.File {
		failed = errors.Join(failed, naiveEntry(f, stage))
	}
	return failed
}

func naiveEntry(f *zip.File, stage string) error {
	path := filepath.Join(stage, f.Name)
	if !strings.HasPrefix(path, filepath.Dir(stage)+"/") { // even the bad example stays in its sandbox
		return errors.New("path leaves the sandbox")
	}
	if f.FileInfo().IsDir() {
		return os.MkdirAll(path, 0o755)
	}
	src, err := f.Open()
	if err != nil {
		return err
	}
	defer src.Close()
	content, err := io.ReadAll(io.LimitReader(src, 8<<20))
	if err != nil {
		return err
	}
	if f.Mode()&fs.ModeSymlink != 0 {
		return os.Symlink(string(content), path)
	}
	os.MkdirAll(filepath.Dir(path), 0o755)
	return os.WriteFile(path, content, 0o644)
}

func TestAuditCatchesNaiveUnpacker(t *testing.T) {
	complaints, _, err := audit(memoryDir(t), naive)
	if err != nil {
		t.Fatal(err)
	}
	const changed, accepted = "changed something outside", "accepted"
	for id, want := range map[string]string{
		`traversal: ../canary/evil "../canary/evil": path component ".."`: changed,
		`traversal: a/../../canary/evil path component ".."`:              changed,
		"types and modes: link and write through it":                      changed,
		"types and modes: suid setuid, setgid or sticky bit":              accepted,
		`collisions: a and a`:                          accepted,
		"collisions: a and A":                          accepted,
		`names: a. dot or space at the end`:            accepted,
		"device names: con.txt device name on Windows": accepted,
		"bombs: ratio":                                 accepted,
		"overlaps: quoted headers":                     accepted,
		"overlaps: same entry twice":                   accepted,
		"headers: local name":                          accepted,
		"contents: bytes after deflate":                accepted,
		"contents: zero checksum":                      accepted,
		"end of directory: two directories":            "",
		"end of directory: hidden end record":          "",
		"methods: masked":                              accepted,
		"split archives: disk":                         accepted,
		"zip64: contradiction":                         accepted,
		"names: second name":                           accepted,
		"counts: entries":                              accepted,
	} {
		if got := complaints[id]; got == "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: want complaint %q, got %q", id, want, got)
		}
	}
}
