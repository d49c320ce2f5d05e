//go:build unix

package vanth

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/sdk/go/api"
	"github.com/vanth-io/vanth/sdk/go/internal/ring"
)

// The test binary, started with this in its environment, is the plugin of servedForTest.
const childEnv = "VANTH_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		servedForTest()
	}
	os.Exit(m.Run())
}

// child is the other end of a test: a real process.
type child struct {
	*exec.Cmd
	stderr *lockedText
	exited chan struct{}
}

type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startChild(t testing.TB, files []*os.File, env ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(self, `{"sendTimeout":1000}`), stderr: new(lockedText), exited: make(chan struct{})}
	c.Env = append(append(os.Environ(), childEnv+"=1"), env...)
	c.Stderr = c.stderr
	c.ExtraFiles = files
	c.WaitDelay = 5 * time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = c.Cmd.Wait()
		close(c.exited)
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-c.exited
		if t.Failed() {
			t.Logf("the plugin said:\n%s", c.stderr)
		}
	})
	return c
}

// status waits for the end of the process.
func (c *child) status(t testing.TB) int {
	t.Helper()
	select {
	case <-c.exited:
		return c.ProcessState.ExitCode()
	case <-time.After(20 * time.Second):
		t.Fatal("the plugin does not exit")
		return 0
	}
}

// host is a small host of the fast lane.
type host struct {
	testing.TB
	*child
	socket socket
	ring   *ring.Ring
	shared *os.File // what ring is mapped from
	reader *frameReader
	out    *sender
	hello  map[string]any
	last   uint32

	state map[string]any
	extra []frame // frames that were not waited for
}

type frame struct {
	head
	value any
}

// bare starts the plugin with a lane and says nothing.
func bare(t testing.TB, ringSize int, env ...string) *host {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fds[0])
	theirs := os.NewFile(uintptr(fds[1]), "lane")
	files := []*os.File{theirs}
	env = append(env, "VANTH_LANE=3")
	h := &host{TB: t, socket: socket(fds[0]), state: map[string]any{}}
	if ringSize > 0 {
		f := ringFile(t, ringSize)
		files = append(files, f)
		h.shared = f
		env = append(env, "VANTH_RING=4")
		if h.ring, err = ring.Map(int(f.Fd()), true); err != nil {
			t.Skip(err)
		}
	}
	h.child = startChild(t, files, env...)
	if h.ring != nil {
		go func() {
			<-h.exited
			h.ring.End()
		}()
	}
	_ = theirs.Close()
	h.reader, h.out = newFrameReader(h.socket), newSender(h.socket)
	t.Cleanup(func() { h.hangUp() })
	return h
}

func (h *host) hangUp() {
	if h.socket >= 0 {
		_ = syscall.Shutdown(int(h.socket), syscall.SHUT_RDWR)
		_ = syscall.Close(int(h.socket))
		h.socket = -1
	}
}

// ringFile makes a file with two halves, each with a buffer of size bytes.
func ringFile(t testing.TB, size int) *os.File {
	t.Helper()
	dir := t.TempDir()
	if _, err := os.Stat("/dev/shm"); err == nil {
		dir = "/dev/shm"
	}
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("vanth-test-%d-%d", os.Getpid(), time.Now().UnixNano())), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(f.Name())
	if err := f.Truncate(int64(2 * (4096 + size))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// connect starts the plugin and shakes hands.
func connect(t testing.TB, ringSize int, env ...string) *host {
	t.Helper()
	h := bare(t, ringSize, env...)
	f := h.next()
	if f.op != opHello {
		t.Fatalf("it began with op %d", f.op)
	}
	h.hello = f.value.(map[string]any)
	if h.hello["ring"] != (ringSize > 0) {
		t.Fatalf("hello says ring: %v", h.hello["ring"])
	}
	h.send(head{op: opWelcome}, map[string]any{"lane": 1, "host": "test", "ring": ringSize > 0})
	if ringSize > 0 {
		h.reader, h.out = newFrameReader(h.ring), newSender(h.ring)
	}
	return h
}

func (h *host) send(x head, v any) {
	h.Helper()
	f := append([]byte(nil), noHead[:]...)
	if v != none {
		f = must(Append(f, v))
	}
	if err := h.out.send(sealed(f, x), false); err != nil {
		h.Fatal(err)
	}
}

var none = errors.New("no payload")

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// read is the next frame, or the error that ends the stream.
func (h *host) read() (f frame, err error) {
	for {
		x, payload, ok, err := h.reader.next()
		if err != nil {
			return f, err
		}
		if !ok {
			if err := h.reader.fill(); err != nil {
				return f, err
			}
			continue
		}
		f.head = x
		if len(payload) > 0 {
			if f.value, err = Value(payload); err != nil {
				return f, fmt.Errorf("op %d: %x: %w", x.op, payload, err)
			}
		}
		if x.flags&flagError != 0 {
			if _, ok := f.value.(*Error); !ok {
				return f, fmt.Errorf("op %d: flagged as an error: %v", x.op, f.value)
			}
		}
		return f, nil
	}
}

// next is the next frame that is no question about state; those are answered.
func (h *host) next() frame {
	h.Helper()
	for {
		f, err := h.read()
		if err != nil {
			h.Fatalf("%v; the plugin said: %s", err, h.stderr)
		}
		if f.op < opGet || f.op > opCount {
			return f
		}
		h.keep(f)
	}
}

// keep answers a question about state as a host does.
func (h *host) keep(f frame) {
	args := f.value.([]any)
	key := fmt.Sprint(f.context, "/", args[0])
	var v any
	switch f.op {
	case opGet:
		v = h.state[key]
	case opPut:
		if args[1] == "refuse" {
			h.send(head{op: opValue, id: f.id, flags: flagError}, &Error{Msg: "denied", Class: Fatal})
			return
		}
		h.state[key] = args[1]
	case opDelete:
		delete(h.state, key)
	case opAdd:
		n, _ := h.state["#"+key].(int64)
		h.state["#"+key] = n + args[1].(int64)
		v = n + args[1].(int64)
	case opCount:
		n, _ := h.state["#"+key].(int64)
		v = n
	}
	h.send(head{op: opValue, id: f.id}, v)
}

// await is the next frame of that op and id or handle; others are kept for later.
func (h *host) await(op uint8, number uint32) frame {
	h.Helper()
	is := func(f frame) bool { return f.op == op && (f.id == number || f.id == 0 && f.context == number) }
	for i, f := range h.extra {
		if is(f) {
			h.extra = append(h.extra[:i], h.extra[i+1:]...)
			return f
		}
	}
	for {
		f := h.next()
		if is(f) {
			return f
		}
		h.extra = append(h.extra, f)
	}
}

func (h *host) id() uint32 { h.last++; return h.last }

func (h *host) index(kind, name string) uint16 {
	h.Helper()
	for i, n := range h.hello[kind].([]any) {
		if n == name {
			return uint16(i)
		}
	}
	h.Fatalf("no %s %s", kind, name)
	return 0
}

// request sends and waits for the result.
func (h *host) request(x head, v any) (any, error) {
	h.Helper()
	x.id = h.id()
	h.send(x, v)
	f := h.await(opResult, x.id)
	if e, ok := f.value.(*Error); ok && f.flags&flagError != 0 {
		return nil, e
	}
	return f.value, nil
}

func (h *host) callIn(context uint32, name string, args ...any) (any, error) {
	h.Helper()
	if args == nil {
		args = []any{}
	}
	return h.request(head{op: opCall, symbol: h.index("functions", name), context: context}, args)
}

var _ api.Source = (*testSource)(nil)
