package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/cmd/vanth/internal/config"
)

var profilesLine = regexp.MustCompile(`msg="serving profiles" address=([^" \n]+)`)

// TestE2EProfiles: the tool that reads profiles reads ours, and finds in them what
// the server does.
func TestE2EProfiles(t *testing.T) {
	home := t.TempDir()
	p := startServe(t, home, "--pprof", "localhost:0")
	m := profilesLine.FindStringSubmatch(p.log.String())
	if m == nil {
		t.Fatalf("no address of profiles:\n%s", p.log)
	}
	c := newPeer(p.address)
	defer c.close()
	if status, body, err := c.do("POST", "/plugins/wasm?name=prof", versioned(t, "prof", 1)); err != nil || status != http.StatusCreated {
		t.Fatal(status, body, err)
	}
	done := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		c := newPeer(p.address)
		defer c.close()
		for {
			select {
			case <-done:
				return
			default:
			}
			if got, err := c.call("prof"); err != nil || got != 1 {
				t.Errorf("a call while profiles are taken: %d, %v", got, err)
				return
			}
		}
	})
	tool := func(profile string, args ...string) string {
		cmd := exec.Command("go", append(append([]string{"tool", "pprof", "-top"}, args...), m[1]+profile)...)
		cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", profile, err, out)
		}
		return string(out)
	}
	for _, c := range []struct {
		profile, want string
		args          []string
	}{
		{"profile?seconds=1", "fasthttp.(*Server).serveConn", []string{"-cum"}},
		{"goroutine", "main.serve", []string{"-cum"}},
		{"heap?gc=1", "Type: inuse_space", nil},
		{"allocs", "Type: alloc_space", nil},
	} {
		if out := tool(c.profile, c.args...); !strings.Contains(out, c.want) {
			t.Errorf("%s: no %q in\n%s", c.profile, c.want, out)
		}
	}
	close(done)
	load.Wait()
	if status, body := get(t, m[1]+"trace?seconds=1"); status != http.StatusOK || !strings.HasPrefix(body, "go 1.") {
		t.Errorf("trace: %d %.40q", status, body)
	}

	// A profile that is under way does not hold up a stop.
	began := time.Now()
	cut := make(chan error, 1)
	go func() {
		r, err := http.Get(m[1] + "profile?seconds=60")
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
		cut <- err
	}()
	time.Sleep(300 * time.Millisecond) // until it is being taken
	if status, body := get(t, m[1]+"profile?seconds=1"); status != http.StatusConflict || !strings.Contains(body, "already in use") {
		t.Errorf("a second profile: %d %s", status, body)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t); code != exitOK || time.Since(began) > 8*time.Second {
		t.Errorf("exit code %d after %v\n%s", code, time.Since(began), p.log)
	}
	if err := <-cut; err != nil {
		t.Errorf("what was taken until the stop: %v", err)
	}
}

// TestE2EProfilesAreOff: without being asked for, nothing of it is there.
func TestE2EProfilesAreOff(t *testing.T) {
	p := startServe(t, t.TempDir())
	if strings.Contains(p.log.String(), "profiles") {
		t.Errorf("profiles are served:\n%s", p.log)
	}
	if status, _ := get(t, p.address+"/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("the API answers %d at %s", status, profilesPath)
	}
}

// TestE2EProfilesElsewhere: an address that other machines reach is refused before
// anything is opened.
func TestE2EProfilesElsewhere(t *testing.T) {
	for _, c := range []struct{ address, want string }{
		{"0.0.0.0:0", `flag --pprof: basic.pprofIp: found "0.0.0.0", which other machines may reach`},
		{"[::]:0", `basic.pprofIp: found "::"`},
		{"example.org:0", `basic.pprofIp: found "example.org"`},
		{"127.0.0.1", `--pprof: found "127.0.0.1", expected host:port`},
		{"127.0.0.1:http", `basic.pprofPort: found text "http", expected a whole number`},
	} {
		p := launch(t, "serve", "--home", t.TempDir(), "--listen", "127.0.0.1:0", "--pprof", c.address)
		if code := p.wait(t); code != exitUsage || !strings.Contains(p.log.String(), c.want) {
			t.Errorf("%s: exit code %d\n%s", c.address, code, p.log)
		}
	}
}

// TestProfilesOfLoopbackOnly is the second look: the listener itself.
func TestProfilesOfLoopbackOnly(t *testing.T) {
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	log := slog.New(slog.DiscardHandler)
	if p, err := openProfiles(t.Context(), config.Basic{PprofIP: "0.0.0.0"}, log); err == nil || !strings.Contains(err.Error(), "expected an address of loopback") {
		if err == nil {
			p.close(context.Background())
		}
		t.Errorf("all addresses: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	if _, err := openProfiles(t.Context(), config.Basic{PprofIP: "127.0.0.1", PprofPort: port}, log); err == nil || !strings.Contains(err.Error(), "basic.pprof: false") {
		t.Errorf("a port that is taken: %v", err)
	}
}

func TestProfileRequests(t *testing.T) {
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	p, err := openProfiles(t.Context(), config.Basic{PprofIP: "127.0.0.1"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close(context.Background())
	base := "http://" + p.listener.Addr().String()
	for _, c := range []struct {
		name, method, path, host, site string
		status                         int
		want                           string
	}{
		{"list", "GET", "/debug/pprof/", "", "", 200, "goroutine?debug=1 ("},
		{"list without a slash", "GET", "/debug/pprof", "", "", 200, "profile?seconds=30"},
		{"as text", "GET", "/debug/pprof/goroutine?debug=1", "", "", 200, "goroutine profile: total"},
		{"by a name of this machine", "GET", "/debug/pprof/", "LocalHost:6060", "", 200, "heap"},
		{"by version 6", "GET", "/debug/pprof/", "[::1]:6060", "", 200, "heap"},
		{"by a bare address", "GET", "/debug/pprof/", "127.0.0.1", "", 200, "heap"},
		{"typed into a browser", "GET", "/debug/pprof/", "", "none", 200, "heap"},
		{"by another name", "GET", "/debug/pprof/", "evil.example:6060", "", 403, "profiles are for this machine"},
		{"by another address", "GET", "/debug/pprof/heap", "192.0.2.1", "", 403, "profiles are for this machine"},
		{"for a page of another site", "GET", "/debug/pprof/profile?seconds=1", "", "cross-site", 403, "profiles are for this machine"},
		{"no such profile", "GET", "/debug/pprof/heat", "", "", 404, `found no profile "heat"`},
		{"elsewhere", "GET", "/", "", "", 404, ""},
		{"not asked for", "POST", "/debug/pprof/heap", "", "", 405, "found POST, expected GET"},
		{"no number", "GET", "/debug/pprof/profile?seconds=x", "", "", 400, `seconds: found "x", expected a whole number from 1 to 600`},
		{"for ever", "GET", "/debug/pprof/trace?seconds=601", "", "", 400, `seconds: found "601"`},
	} {
		req, err := http.NewRequest(c.method, base+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		if c.site != "" {
			req.Header.Set("Sec-Fetch-Site", c.site)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: got %d %.200s, want %d with %q", c.name, r.StatusCode, body, c.status, c.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
