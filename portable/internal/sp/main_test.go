package sp

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/ipc"
)

// The test binary is also the plugin: with SP_ROLE set it plays that role at the socket SP_SOCKET until stdin ends.
func TestMain(m *testing.M) {
	role, path := os.Getenv("SP_ROLE"), os.Getenv("SP_SOCKET")
	if role == "" {
		os.Exit(m.Run())
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	switch role {
	case "req": // a plugin's function loop over mangos: answers what it gets
		s, err := req.NewSocket()
		fatal(err)
		fatal(s.Dial("ipc://" + path))
		echo(s)
	case "raw": // the same over a bare socket
		c, err := net.Dial("unix", path)
		fatal(err)
		rawEcho(c)
	case "pingpong": // the floor: no protocol at all
		c, err := net.Dial("unix", path)
		fatal(err)
		_, err = io.Copy(c, c)
		fatal(err)
	case "listen": // a living socket of another process
		_, err := net.Listen("unix", path)
		fatal(err)
		fmt.Println("listening")
		select {}
	}
	os.Exit(0)
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv("SP_ROLE"), err)
		os.Exit(1)
	}
}

func echo(s mangos.Socket) {
	fatal(s.Send([]byte("handshake")))
	for {
		b, err := s.Recv()
		fatal(err)
		fatal(s.Send(b))
	}
}

func rawEcho(c net.Conn) {
	r := bufio.NewReader(c)
	_, _ = c.Write(hello(protoReq))
	_, err := io.ReadFull(r, make([]byte, 8))
	fatal(err)
	id := uint32(0x80000001)
	_, _ = c.Write(request(id, "handshake"))
	for buf := make([]byte, 1<<20); ; {
		_, err := io.ReadFull(r, buf[:headLen+idLen])
		fatal(err)
		n := headLen + int(binary.BigEndian.Uint64(buf[1:]))
		_, err = io.ReadFull(r, buf[headLen+idLen:n])
		fatal(err)
		id++
		binary.BigEndian.PutUint32(buf[headLen:], id)
		_, err = c.Write(buf[:n])
		fatal(err)
	}
}

// play starts a child in a role; it ends with the test.
func play(t testing.TB, role, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "SP_ROLE="+role, "SP_SOCKET="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out io.ReadCloser
	if role == "listen" {
		if out, err = cmd.StdoutPipe(); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if out != nil {
		_, _ = bufio.NewReader(out).ReadString('\n')
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func hello(proto byte) []byte { return []byte{0, 'S', 'P', 0, 0, proto, 0, 0} }

func message(body string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{1}, uint64(len(body))), body...)
}

func request(id uint32, body string) []byte {
	return message(string(binary.BigEndian.AppendUint32(nil, id)) + body)
}

// sock is a path for a socket of this test.
func sock(t testing.TB) string {
	dir, err := os.MkdirTemp("/tmp", "sp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s.ipc")
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for what another goroutine is about to do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// noLeak checks at the end of the test that its goroutines and files are gone.
func noLeak(t *testing.T) {
	runtime.GC()
	goroutines, files := runtime.NumGoroutine(), openFiles()
	t.Cleanup(func() {
		eventually(t, fmt.Sprintf("back to %d goroutines, %d files", goroutines, files), func() bool {
			return runtime.NumGoroutine() <= goroutines && openFiles() <= files
		})
	})
}

func openFiles() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

func newHub(t testing.TB, o Options) *Hub {
	h := NewHub(o)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func newCaller(t testing.TB, h *Hub, path string) *Caller {
	t.Helper()
	c, err := h.Caller(Claim{Path: path}, CallerEvents{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
