package child_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vanth-io/vanth/portable/internal/child"
)

// The test binary is also the child, and the host to be killed: role says which.
const (
	role = "VANTH_TEST_ROLE"
	mark = "VANTH_TEST_MARK" // finds the processes of one test, and all that they start
)

func TestMain(m *testing.M) {
	if r := os.Getenv(role); r != "" {
		roles()[r]()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func roles() map[string]func() {
	return map[string]func(){
		"family":    func() { asHost(family) },
		"restless":  func() { asHost(restless) },
		"unguarded": func() { asHost(func(s *child.Spawner) { child.DropGuard(s); restless(s) }) },
		"careless":  careless,
		"listen":    listen,
		"stubborn":  func() { signal.Ignore(syscall.SIGTERM, syscall.SIGINT); fmt.Println("ready"); select {} },
		"polite":    polite,
		"flood":     flood,
		"single":    single,
	}
}

// asHost is a host that is killed.
func asHost(do func(*child.Spawner)) {
	do(child.NewSpawner(child.Options{Level: child.Level(os.Getenv("LEVEL"))}))
	fmt.Println("ready")
	select {}
}

// single has its goroutines run on the main thread, as far as they may, and says
// what becomes of its mounts.
func single() {
	runtime.GOMAXPROCS(1)
	before, _ := os.Readlink("/proc/self/ns/mnt")
	for range 10 {
		s := child.NewSpawner(child.Options{})
		p := start(s, child.Spec{Path: "/bin/true"})
		<-p.Done()
		if after, _ := os.Readlink("/proc/self/ns/mnt"); after != before {
			fmt.Println(before, "is now", after)
		}
		if err := s.Close(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("done")
}

// brood has descendants of every kind: in its group, in a session of their own,
// and without a parent.
const brood = `sleep 1012 & setsid sleep 1012 & (setsid sleep 1012 &) ; setsid sh -c 'setsid sleep 1012 & sleep 1012 & wait' & echo up; wait`

func family(s *child.Spawner) {
	for range 2 {
		out := &waiter{want: "up", seen: make(chan struct{})}
		start(s, child.Spec{Path: "/bin/sh", Args: []string{"-c", brood}, Output: out})
		<-out.seen
	}
}

// restless is always within a start.
func restless(s *child.Spawner) {
	for range 2 {
		go func() {
			for {
				p := start(s, child.Spec{Path: "/bin/sleep", Args: []string{"1012"}})
				time.Sleep(time.Millisecond)
				p.Kill()
				<-p.Done()
			}
		}()
	}
}

func start(s *child.Spawner, spec child.Spec) *child.Process {
	spec.Env = []string{mark + "=" + os.Getenv(mark), "PATH=" + os.Getenv("PATH")}
	p, err := s.Start(context.Background(), spec)
	if err != nil {
		panic(err)
	}
	return p
}

// careless is a host that starts its children as anybody would.
func careless() {
	_ = exec.Command("/bin/sh", "-c", brood).Start()
	time.Sleep(100 * time.Millisecond)
	fmt.Println("ready")
	select {}
}

// listen is a plugin with its socket path compiled in.
func listen() {
	l, err := net.Listen("unix", "/tmp/plugin_same.ipc")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready")
	c, err := l.Accept()
	if err == nil {
		fmt.Fprint(c, os.Getenv("NAME"))
		c.Close()
	}
	select {}
}

func polite() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("ready")
	<-c
	fmt.Print("good bye")
	os.Exit(7)
}

func flood() {
	line := bytes.Repeat([]byte("0123456789abcde\n"), 4096)
	for {
		if _, err := os.Stdout.Write(line); err != nil {
			return
		}
	}
}

// waiter is an Output that waits for a text.
type waiter struct {
	want string
	text strings.Builder
	seen chan struct{}
}

func (w *waiter) Write(p []byte) (int, error) {
	had := strings.Contains(w.text.String(), w.want)
	w.text.Write(p)
	if !had && strings.Contains(w.text.String(), w.want) {
		close(w.seen)
	}
	return len(p), nil
}

// alive returns the processes that carry a mark, apart from zombies, which have no
// environment, and from those that have been killed and wait for a processor.
func alive(t testing.TB, m string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		b, err := os.ReadFile(path)
		if pid, _ := strconv.Atoi(strings.Split(path, "/")[2]); err == nil && pid != os.Getpid() && bytes.Contains(b, []byte(mark+"="+m+"\x00")) && !condemned(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func condemned(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, pending, _ := strings.Cut(string(b), "\nShdPnd:\t")
	pending, _, _ = strings.Cut(pending, "\n")
	set, err := strconv.ParseUint(pending, 16, 64)
	return err == nil && set&(1<<(syscall.SIGKILL-1)) != 0
}

// extinct waits until nobody with the mark is alive, and returns who still is.
func extinct(t testing.TB, m string, limit time.Duration) (left []int) {
	for end := time.Now().Add(limit); ; time.Sleep(2 * time.Millisecond) {
		if left = alive(t, m); len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// slaughter ends what a test has left.
func slaughter(t testing.TB, m string) {
	for range 100 {
		left := alive(t, m)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// each runs a test on every level that this machine permits.
func each(t *testing.T, f func(t *testing.T, s *child.Spawner)) {
	for _, level := range []child.Level{child.LevelNamespaces, child.LevelPIDs, child.LevelProcess} {
		t.Run(string(level), func(t *testing.T) {
			s := child.NewSpawner(child.Options{Level: level})
			t.Cleanup(func() {
				if err := s.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
			if s.Level() != level {
				t.Skip("not permitted here: ", s.Reason())
			}
			f(t, s)
		})
	}
}

// run starts a child and returns it with its log.
func run(t *testing.T, s *child.Spawner, spec child.Spec) (*child.Process, *child.Log) {
	t.Helper()
	log, err := child.OpenLog("", child.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	if spec.Output == nil {
		spec.Output = log
	}
	spec.Env = append(spec.Env, "PATH="+os.Getenv("PATH"))
	p, err := s.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return p, log
}

func shell(t *testing.T, s *child.Spawner, script string, env ...string) (*child.Process, *child.Log) {
	t.Helper()
	return run(t, s, child.Spec{Name: t.Name(), Path: "/bin/sh", Args: []string{"-c", script}, Env: env})
}

func self(t *testing.T, s *child.Spawner, r string, spec child.Spec) (*child.Process, *child.Log) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec.Name, spec.Path, spec.Env = r, exe, append(spec.Env, role+"="+r)
	return run(t, s, spec)
}

// said waits for a line.
func said(t *testing.T, log *child.Log, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for line := range log.Follow(ctx, 1000) {
		if strings.HasPrefix(line, want) {
			return
		}
	}
	t.Fatalf("it did not say %q but %q", want, log.Tail(1000))
}

func ended(t *testing.T, p *child.Process) child.Exit {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the process does not end")
	}
	return p.Exit()
}

func python(t *testing.T) string {
	t.Helper()
	if path := "/usr/bin/python3"; exec.Command(path, "-c", "").Run() == nil {
		return path
	}
	t.Skip("no python3")
	return ""
}
