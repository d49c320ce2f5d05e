package child_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vanth-io/vanth/portable/internal/child"
)

// The host's /proc in a PID namespace is no trouble to Python's process pools.
func TestPython(t *testing.T) {
	path := python(t)
	each(t, func(t *testing.T, s *child.Spawner) {
		code := "import multiprocessing, subprocess, sys, os\n" +
			"print(multiprocessing.Pool(2).map(abs, [-1, -2]), flush=True)\n" +
			"print(subprocess.check_output(['echo', 'sub']).decode().strip(), os.path.realpath(sys.executable) == os.path.realpath('/proc/self/exe'))"
		p, log := run(t, s, child.Spec{Path: path, Args: []string{"-c", code}})
		if e := ended(t, p); e.Code != 0 || !slices.Equal(log.Tail(9), []string{"[1, 2]", "sub True"}) {
			t.Errorf("%+v: %q", e, log.Tail(9))
		}
	})
}

// elfWith returns a program with another loader or for another machine.
func elfWith(t *testing.T, change func([]byte) []byte) []byte {
	t.Helper()
	b, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	return change(bytes.Clone(b))
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain", 0o644, []byte("#!/bin/sh\n"))
	noelf := file("noelf", 0o644, elfWith(t, func(b []byte) []byte { return b }))
	orphan := file("orphan", 0o755, []byte("#!/no/such/python -u\n"))
	loop := file("loop", 0o755, []byte("#!"+filepath.Join(dir, "loop")+"\n"))
	empty := file("empty", 0o755, nil)
	loader := file("musl", 0o755, elfWith(t, func(b []byte) []byte {
		return bytes.Replace(b, []byte("/ld-"), []byte("/no-"), 1)
	}))
	foreign := file("foreign", 0o755, elfWith(t, func(b []byte) []byte { b[18], b[19] = 0xf3, 0; return b }))
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o755); err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	each(t, func(t *testing.T, s *child.Spawner) {
		for name, c := range map[string]struct {
			spec child.Spec
			want string
			is   error
		}{
			"script": {child.Spec{Path: plain}, "fork/exec " + plain + ": permission denied", os.ErrPermission},
			"binary": {child.Spec{Path: noelf}, "fork/exec " + noelf + ": permission denied", os.ErrPermission},
			"missing": {
				child.Spec{Path: dir + "/none"},
				"fork/exec " + dir + "/none: no such file or directory", os.ErrNotExist,
			},
			"interpreter": {
				child.Spec{Path: orphan},
				"fork/exec " + orphan + ": no such file or directory: its interpreter /no/such/python is missing", os.ErrNotExist,
			},
			"interpreter of itself": {child.Spec{Path: loop}, "fork/exec " + loop + ": too many levels of symbolic links", syscall.ELOOP},
			"loader":                {child.Spec{Path: loader}, "it was built for another C library", os.ErrNotExist},
			"machine":               {child.Spec{Path: foreign}, "fork/exec " + foreign + ": exec format error: it was built for RISCV", syscall.ENOEXEC},
			"empty":                 {child.Spec{Path: empty}, "fork/exec " + empty + ": exec format error: it is neither", syscall.ENOEXEC},
			"pipe":                  {child.Spec{Path: fifo}, "fork/exec " + fifo + ": permission denied", os.ErrPermission},
			"folder":                {child.Spec{Path: dir}, "fork/exec " + dir + ": permission denied", os.ErrPermission},
			"relative":              {child.Spec{Path: "true"}, "absolute", nil},
			"no dir":                {child.Spec{Path: "/bin/true", Dir: "/none"}, "chdir /none: no such file or directory", os.ErrNotExist},
			"file as dir":           {child.Spec{Path: "/bin/true", Dir: plain}, "chdir " + plain + ": not a directory", syscall.ENOTDIR},
			"nil file":              {child.Spec{Path: "/bin/true", Files: []*os.File{null, nil}}, "nil", nil},
		} {
			if c.is == syscall.ELOOP && s.Level() == child.LevelProcess {
				continue // the kernel loops in its own way
			}
			c.spec.Output = io.Discard
			_, err := s.Start(t.Context(), c.spec)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%s: %v, not %s", name, err, c.want)
			}
		}
		if s.Level().PrivateTmp() {
			_, err := s.Start(t.Context(), child.Spec{Path: "/bin/true", Tmp: dir + "/none"})
			if !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
		} else if _, err := s.Start(t.Context(), child.Spec{Path: "/bin/true", Tmp: dir}); !errors.Is(err, child.ErrNoTmp) {
			t.Error(err)
		}
		if err := exec.Command("/bin/true").Run(); err != nil {
			t.Error(err)
		}
	})
}

// Scripts get what the kernel gives them.
func TestScript(t *testing.T) {
	dir := t.TempDir()
	show := filepath.Join(dir, "show")
	nested := filepath.Join(dir, "nested")
	indirect := filepath.Join(dir, "indirect")
	for path, text := range map[string]string{
		show:     "#!/bin/sh\nfor a in \"$0\" \"$@\"; do echo \"<$a>\"; done\n",
		nested:   "#! \t" + show + "  one  argument\t \nnot read\n",
		indirect: "#!/usr/bin/env sh\nfor a in \"$0\" \"$@\"; do echo \"[$a]\"; done",
	} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	each(t, func(t *testing.T, s *child.Spawner) {
		for _, path := range []string{show, nested, indirect} {
			want, err := exec.Command(path, "x", "", "y z").Output()
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			p, _ := run(t, s, child.Spec{Path: path, Args: []string{"x", "", "y z"}, Output: &got})
			if e := ended(t, p); e.Code != 0 || got.String() != string(want) {
				t.Errorf("%s: %+v %s, not %s", path, e, got.String(), want)
			}
		}
	})
}

// What a child finds: its environment and no other, its folder, no input, the
// files, and a session of its own.
func TestSurroundings(t *testing.T) {
	t.Setenv("VANTH_SECRET", "no")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	each(t, func(t *testing.T, s *child.Spawner) {
		var out bytes.Buffer
		p, err := s.Start(t.Context(), child.Spec{
			Path: "/bin/sh", Dir: dir, Env: []string{"A=b c"}, Files: []*os.File{w}, Output: &out,
			Args: []string{"-c", `/usr/bin/env | /bin/grep -v -e ^PWD -e ^_ -e ^SHLVL -e ^OLDPWD; pwd; cat; echo three >&3; ls /proc/self/fd | wc -l; readlink /proc/self/exe; exec /bin/cat /proc/self/stat`},
		})
		if err != nil {
			t.Fatal(err)
		}
		if e := ended(t, p); e.Code != 0 {
			t.Errorf("%+v: %s", e, out.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, child.EnvMark+"=") })
		if (i >= 0) != (s.Level() == child.LevelProcess) {
			t.Errorf("mark: %q", lines)
		}
		if i >= 0 {
			lines = slices.Delete(lines, i, i+1)
		}
		if len(lines) != 5 {
			t.Fatalf("%q", lines)
		}
		stat := lines[4]
		lines = lines[:4]
		// 0 to 3, and the folder that ls reads.
		if want := []string{"A=b c", dir, "5", ""}; !slices.Equal(lines[:3], want[:3]) {
			t.Errorf("%q, not %q", lines, want)
		}
		if strings.HasPrefix(lines[3], "/proc") {
			t.Errorf("programs are seen as %s", lines[3])
		}
		if f := strings.Fields(stat); f[4] != f[0] || f[5] != f[0] || f[0] != strconv.Itoa(p.PID()) {
			t.Errorf("no session of its own: %s", stat)
		}
		b := make([]byte, 6)
		if n, err := io.ReadFull(r, b); string(b[:n]) != "three\n" {
			t.Errorf("%q %v", b[:n], err)
		}
	})
	w.Close()
}

func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		p, log := run(t, s, child.Spec{
			Path: "/bin/sh", Args: []string{"-c", "sleep 0.05; ulimit -n; ulimit -v"},
			Limits: child.Limits{OpenFiles: 77, AddressSpace: 512 << 20},
		})
		ended(t, p)
		if got := log.Tail(9); !slices.Equal(got, []string{"77", "524288"}) {
			t.Errorf("%q", got)
		}
	})
}
