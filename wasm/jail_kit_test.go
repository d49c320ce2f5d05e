package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/husk"
)

// TestCompileChild is no test: it is the child of the other tests, which run this
// binary with it, a way to behave, a log and a folder. The log gets a line for each
// run: the process and its environment.
func TestCompileChild(t *testing.T) {
	if flag.NArg() != 3 {
		return
	}
	if f, err := os.OpenFile(flag.Arg(1), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(f, os.Getpid(), strings.Join(os.Environ(), " "))
		f.Close()
	}
	switch flag.Arg(0) {
	case "crashes":
		panic("no code today")
	case "dozes":
		time.Sleep(time.Hour)
	case "leaves nothing":
		os.Exit(exitDone)
	}
	code := Compile(flag.Arg(2), os.Stdin, os.Stderr)
	if file, ok := strings.CutPrefix(flag.Arg(0), "blocks "); ok { // a folder where the host will write a file
		_ = os.Mkdir(filepath.Join(flag.Arg(2), file), 0o700)
	}
	os.Exit(code)
}

// jailKit is a runtime whose compiler is this test binary.
type jailKit struct {
	*Runtime
	t   testing.TB
	log string
}

// newJailKit starts a runtime. The children behave as they are told: "" is well.
func newJailKit(t testing.TB, behave string, o Options) *jailKit {
	t.Helper()
	k := &jailKit{t: t, log: filepath.Join(t.TempDir(), "log")}
	o.Compiler = []string{childBinary(t), "-test.run=^TestCompileChild$", "--", behave, k.log}
	k.Runtime = newRuntime(t, o)
	return k
}

// childBinary is a binary of these tests without the race detector, whose memory is
// no measure.
func childBinary(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if raced && runtime.GOOS == "linux" {
		path, err = unraced()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// unraced is built once. Its file is open, and is gone when this process is.
var unraced = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "wasm-test-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "wasm.test")
	if out, err := exec.Command("go", "test", "-c", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), err
})

// runs returns the lines of the children that ran.
func (k *jailKit) runs() []string {
	b, _ := os.ReadFile(k.log)
	return slices.Collect(strings.Lines(string(b)))
}

// child waits for the first child and returns its process.
func (k *jailKit) child() int {
	k.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if runs := k.runs(); len(runs) > 0 {
			pid, _, _ := strings.Cut(runs[0], " ")
			n, err := strconv.Atoi(pid)
			if err != nil {
				k.t.Fatal(err)
			}
			return n
		}
	}
	k.t.Fatal("no child ran")
	return 0
}

// make compiles code beyond the gate, which would refuse these.
func (k *jailKit) make(code []byte) error {
	k.t.Helper()
	if _, err := gate.Walk(code, gate.Caps{Work: math.MaxInt / 10_000, Memory: math.MaxInt / 10_000, Declared: math.MaxInt}); err != nil {
		k.t.Fatal("beyond the other caps:", err)
	}
	return k.beyond(k.t.Context(), code)
}

// beyond compiles code that no gate has seen.
func (k *jailKit) beyond(ctx context.Context, code []byte) error {
	sum := sha256.Sum256(code)
	e, _, err := k.compile(ctx, "m.wasm", grant{memory: 16}, hex.EncodeToString(sum[:]), func() (*prepared, error) {
		return unread(code, k.interpreter()), nil
	})
	if err == nil {
		e.close()
	}
	return err
}

// unread is code as it is, prepared.
func unread(code []byte, interpreted bool) *prepared {
	p := &prepared{code: code, shown: code}
	if h, err := husk.Of(code); err == nil && !interpreted {
		p.shown, p.husked = h, true
	}
	return p
}

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// sized is the length of parts and the parts.
func sized(parts ...[]byte) []byte {
	all := slices.Concat(parts...)
	return slices.Concat(leb(len(all)), all)
}

// program is a module with a memory and n functions of no parameters and the same
// body: so many locals of type i32, and code without its end.
func program(n, locals int, code []byte) []byte {
	body := sized([]byte{1}, leb(locals), []byte{0x7f}, code, []byte{0x0b})
	section := func(id byte, parts ...[]byte) []byte { return slices.Concat([]byte{id}, sized(parts...)) }
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{1, 0x60, 0, 0}), section(3, leb(n), make([]byte, n)), section(5, []byte{1, 0, 1}),
		section(10, leb(n), slices.Repeat(body, n)))
}

// The bombs: each is inside all caps of the gate but those of its estimate.
func ifs(n int) []byte {
	return program(1, 1, slices.Repeat([]byte{0x20, 0, 0x04, 0x40, 0x0b}, n))
}

func manyLocals(n int) []byte { return program(n, 50_000, nil) }

func fills(n int) []byte {
	return program(1, 1, slices.Repeat([]byte{0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0}, n))
}

// emptyFolder reports what is in a folder that should be empty.
func emptyFolder(dir string) error {
	list, err := os.ReadDir(dir)
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("%d entries, such as %s", len(list), list[0].Name())
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
