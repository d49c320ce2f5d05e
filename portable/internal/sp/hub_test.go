package sp

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSocketFile(t *testing.T) {
	noLeak(t)
	path := sock(t)
	h := NewHub(Options{})
	c := newCaller(t, h, path)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Fatal(info.Mode(), err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Caller(Claim{Path: path}, CallerEvents{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestSocketFileOfSomeoneElseStays(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
}

func TestStaleSocketFileIsReplaced(t *testing.T) {
	path := sock(t)
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	c := newCaller(t, newHub(t, Options{}), path)
	dialReq(t, path, 0x80000001)
	up(t, c, 1)
}

func TestLiveSocketIsLeftAlone(t *testing.T) {
	path := sock(t)
	other := play(t, "listen", path)
	h := newHub(t, Options{})
	if _, err := h.Caller(Claim{Path: path}, CallerEvents{}); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	// One that goes away while we try is waited for.
	time.AfterFunc(bindPause, func() { _ = other.Process.Kill() })
	c := newCaller(t, h, path)
	dialReq(t, path, 0x80000001)
	up(t, c, 1)
}

func TestPathThatCannotBe(t *testing.T) {
	h := newHub(t, Options{})
	file := sock(t)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		file:                            fs.ErrExist,
		filepath.Join(file, "x"):        nil,
		filepath.Dir(file) + "/no/such": fs.ErrNotExist,
		"relative":                      fs.ErrInvalid,
	} {
		if _, err := h.Caller(Claim{Path: path}, CallerEvents{}); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestLongPaths(t *testing.T) {
	noLeak(t)
	dir := filepath.Join(filepath.Dir(sock(t)), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s.ipc", strings.Repeat("n", 200) + ".ipc"} {
		path := filepath.Join(dir, name)
		c := newCaller(t, newHub(t, Options{}), path)
		p := dialReq(t, path, 0x80000001)
		up(t, c, 1)
		if list, _ := os.ReadDir(dir); len(list) != 1 {
			t.Errorf("files: %v", list)
		}
		if err := newHub(t, Options{}).join(&endpoint{claim: Claim{Path: path}}); !errors.Is(err, ErrInUse) {
			t.Error(err)
		}
		p.Close()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if list, _ := os.ReadDir(dir); len(list) != 0 {
			t.Errorf("files: %v", list)
		}
	}
}

// Two processes of one plugin dial the same path; each claim gets its own one. Nobody gets a stranger.
func TestClaimsByProcess(t *testing.T) {
	path := sock(t)
	h := newHub(t, Options{})
	type end struct {
		*Caller
		pid chan int
		up  chan Peer
	}
	claim := func() *end {
		e := &end{pid: make(chan int, 1), up: make(chan Peer, 4)}
		var err error
		e.Caller, err = h.Caller(Claim{Path: path, Owns: func(p Peer) bool {
			pid := <-e.pid
			e.pid <- pid
			return p.PID == pid
		}}, CallerEvents{Up: func(p Peer) { e.up <- p }})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	one, two := claim(), claim()
	a := play(t, "req", path)
	b := play(t, "raw", path)
	one.pid <- a.Process.Pid
	two.pid <- b.Process.Pid
	if p := <-one.up; p.PID != a.Process.Pid {
		t.Error(p)
	}
	if p := <-two.up; p.PID != b.Process.Pid {
		t.Error(p)
	}
	for _, e := range []*end{one, two, one} {
		wantAnswer(t, goCall(e.Caller, soon(t), "mine"), "mine")
	}
	dial(t, path).gone() // we are neither

	// An older claim goes: the file stays for the other.
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, goCall(two.Caller, soon(t), "still"), "still")
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	<-two.pid
	two.pid <- os.Getpid()
	dialReq(t, path, 0x80000001)
	up(t, two.Caller, 2)
}

func TestNewestClaimIsAskedFirst(t *testing.T) {
	path := sock(t)
	h := newHub(t, Options{})
	old := newCaller(t, h, path)
	dialReq(t, path, 0x80000001)
	up(t, old, 1)
	young := newCaller(t, h, path)
	dialReq(t, path, 0x80000001)
	up(t, young, 1)
	if err := young.Close(); err != nil {
		t.Fatal(err)
	}
	dialReq(t, path, 0x80000001)
	up(t, old, 2)
}

func TestTooManyConnections(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{MaxConns: 2}), path)
	one := dialReq(t, path, 0x80000001)
	dialReq(t, path, 0x80000001)
	up(t, c, 2)
	dial(t, path).gone()
	one.Close()
	up(t, c, 1)
	dialReq(t, path, 0x80000001)
	up(t, c, 2)
}

func TestThousandOpenedAndClosed(t *testing.T) {
	noLeak(t)
	path := sock(t)
	h := newHub(t, Options{})
	for range 1000 {
		c := newCaller(t, h, path)
		p := dialReq(t, path, 0x80000001)
		got := goCall(c, soon(t), "q")
		p.hear(request(0x80000001, "q"))
		p.say(request(0x80000002, "a"))
		wantAnswer(t, got, "a")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		p.Close()
	}
}

// Claims of one path come and go at the same time; whoever has one can be reached.
func TestClaimsRace(t *testing.T) {
	noLeak(t)
	path := sock(t)
	h := newHub(t, Options{})
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 100 {
				c, err := h.Caller(Claim{Path: path}, CallerEvents{})
				if err != nil {
					t.Error(err)
					return
				}
				if nc, err := net.Dial("unix", path); err != nil {
					t.Error(err)
				} else {
					nc.Close()
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for range 4 {
		<-done
	}
}
