package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// foreign is a machine that this one can play.
type foreign struct {
	name        string
	env         []string // for the go command
	magic       string   // of its programs, for the kernel
	interpreted bool     // the engine has no compiler for it
}

func foreigners() []foreign {
	// Class, byte order and version of ELF; an executable; the machine.
	const bits32, bits64 = `\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00`, `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00`
	return []foreign{
		{"arm", []string{"GOARCH=arm", "GOARM=7"}, bits32 + `\x28\x00`, true},
		{"aarch64", []string{"GOARCH=arm64"}, bits64 + `\xb7\x00`, false},
	}
}

// TestForeign runs the builds for ARM, with 32 and 64 bits, in qemu: a plugin each by
// hand and from a compiler are installed, called, found again by the next start,
// updated and deleted. How fast that is says nothing. It is on demand: make arm.
func TestForeign(t *testing.T) {
	if os.Getenv("VANTH_QEMU") == "" {
		t.Skip("the builds for ARM are run by: make arm")
	}
	for _, f := range foreigners() {
		t.Run(f.name, func(t *testing.T) {
			program := filepath.Join(built, "vanth-"+f.name)
			cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-tags=nethttpomithttp2", "-o", program, ".")
			cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), f.env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			around := f.runner(t, program)
			t.Setenv("KUIPER__WASM__COMPILETIME", "10m") // an emulated processor is slow
			t.Setenv("KUIPER__WASM__CALLTIMEOUT", "1m")
			t.Setenv("KUIPER__WASM__STARTTIMEOUT", "2m")
			f.live(t, around, program)
		})
	}
}

// runner finds what stands before the program in a command line to run it, and skips
// the test where nothing does. The host starts itself again, so it is not enough to
// start it in qemu: the kernel must know what to do with its file. It is told so in
// namespaces of the test's own; the machine stays as it is.
func (f foreign) runner(t *testing.T, program string) []string {
	t.Helper()
	if out, err := exec.Command(program, "version").CombinedOutput(); err == nil {
		t.Logf("this machine runs it: %s", out)
		return nil
	}
	qemu, err := exec.LookPath("qemu-" + f.name + "-static")
	if err != nil {
		qemu, err = exec.LookPath("qemu-" + f.name)
	}
	if err != nil {
		t.Skipf("%s: no qemu-%s-static and no qemu-%s: install qemu-user-static", f.name, f.name, f.name)
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skipf("%s: no unshare: install util-linux", f.name)
	}
	const mask = `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
	rule := fmt.Sprintf(":vanth:M::%s:%s:%s:F", f.magic, mask, qemu)
	script := `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && printf %s '` + rule + `' >/proc/sys/fs/binfmt_misc/register && exec "$@"`
	around := []string{unshare, "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script, "sh"}
	out, err := exec.Command(around[0], append(around[1:len(around):len(around)], program, "version")...).CombinedOutput()
	if err != nil {
		t.Skipf("%s: the kernel cannot be told to run its programs in %s (%v: %s): it must be Linux 6.7, with user namespaces, or have that rule for all", f.name, qemu, err, out)
	}
	t.Logf("%s runs it: %s", qemu, out)
	return around
}

// live is the life of a host and its plugins.
func (f foreign) live(t *testing.T, around []string, program string) {
	home := t.TempDir()
	start := func() (*process, *peer) {
		all := append(around[:len(around):len(around)], program, "serve", "--home", home, "--listen", "127.0.0.1:0")
		p := launchBinary(t, all[0], all[1:]...)
		p.address = p.log.address(t, p.ended)
		c := newPeer(p.address)
		c.http.Timeout = 5 * time.Minute
		t.Cleanup(c.close)
		return p, c
	}
	change := func(c *peer, status int, method, path, archive string) {
		t.Helper()
		var body []byte
		if archive != "" {
			var err error
			if body, err = os.ReadFile(filepath.Join("..", "..", "build", "plugins", archive+".zip")); err != nil {
				t.Fatalf("%v: run make guests", err)
			}
		}
		began := time.Now()
		if got, text, err := c.do(method, "/plugins/wasm"+path, body); err != nil || got != status {
			t.Fatalf("%s %s: %d %s %v", method, path, got, text, err)
		}
		t.Logf("%s %s took %v", method, path, time.Since(began).Round(time.Millisecond))
	}
	works := func(c *peer) {
		t.Helper()
		for _, call := range []struct{ function, args, want string }{
			{"fib", "[20]", `200 {"result":10946}`},
			{"fib", "[-1]", `200 {"result":1}`},
			{"geohash", "[52.52,13.405,9]", `200 {"result":"u33dc0cpp"}`},
			{"geohash", "[100,0,9]", `500 `},
			{"distance", "[52.52,13.405,48.8566,2.3522]", `200 {"result":8774`},
		} {
			if got := c.result(t, call.function, call.args); !strings.HasPrefix(got, call.want) {
				t.Errorf("%s%s: %s, want %s", call.function, call.args, got, call.want)
			}
		}
		if status, body, err := c.do("POST", "/functions/fib/batch", []byte("[1]\n[10]\n[15]\n")); err != nil || body != "{\"result\":1}\n{\"result\":89}\n{\"result\":987}\n" {
			t.Errorf("batch: %d %q %v", status, body, err)
		}
	}

	p, c := start()
	change(c, http.StatusCreated, "POST", "?name=fibonacci", "fibonacci")
	change(c, http.StatusCreated, "POST", "?name=geo", "geo")
	works(c)
	if marks, _ := filepath.Glob(filepath.Join(home, "data", "cache", "wasm", "*", "interpreted")); (len(marks) == 2) != f.interpreted {
		t.Errorf("%d modules are interpreted, want all: %t", len(marks), f.interpreted)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended

	p, c = start()
	works(c)
	change(c, http.StatusOK, "PUT", "/geo", "geo")
	works(c)
	change(c, http.StatusOK, "DELETE", "/geo", "")
	if got := c.result(t, "geohash", "[1,2,3]"); !strings.HasPrefix(got, "404 ") {
		t.Errorf("a function of a plugin that is deleted: %s", got)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t); code != exitOK || strings.Contains(p.log.String(), "level=ERROR") {
		t.Errorf("exit code %d\n%s", code, p.log)
	}
}
