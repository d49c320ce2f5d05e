package portable_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// program is the test binary outside of /tmp, where plugins with a /tmp of their
// own see it too. It is also the plugin under test: see player.
var program string

// playIn names the folder of a role for a program that is not in it.
const playIn = "VANTH_PLAY"

func TestMain(m *testing.M) {
	dir := os.Getenv(playIn)
	if dir == "" {
		dir = filepath.Dir(os.Args[0])
	}
	if r, err := readRole(dir); err == nil {
		play(r)
		return
	}
	// Plugins have the race detector too if this has, and it makes an exit last a
	// second.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	stage, err := os.MkdirTemp("/var/tmp", "vanth-portable-")
	if err == nil {
		program = filepath.Join(stage, "plugin")
		err = copyProgram(program)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(stage); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if code == 0 {
		left, err := living()
		if len(left) > 0 {
			err = fmt.Errorf("processes are left: %v", left)
		}
		if err = errors.Join(err, goleak.Find()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func copyProgram(to string) error {
	from, err := os.Executable()
	if err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// scale is how often a check is made: short under -short, else what the
// environment says, else normal.
func scale(env string, short, normal int) int {
	if n, err := strconv.Atoi(os.Getenv(env)); err == nil {
		return n
	}
	if testing.Short() {
		return short
	}
	return normal
}

// children lists the processes that this one has started and that live.
func children(t testing.TB) []int {
	t.Helper()
	pids, err := living()
	if err != nil {
		t.Skip(err)
	}
	return pids
}

func living() (pids []int, _ error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return nil, err
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		s := string(b)
		fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// openFiles counts the descriptors of this process.
func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	return len(list)
}
