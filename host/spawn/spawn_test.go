package spawn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host/spawn"
)

// childWord makes this binary a child of the tests.
const childWord = "spawn-child"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == childWord {
		os.Exit(child(os.Args[2]))
	}
	os.Exit(m.Run())
}

// child is what a child does.
func child(role string) int {
	switch role {
	case "tells": // what it was told, what it sees, and whether its standard input stays open
		var line string
		_, _ = fmt.Scanln(&line)
		open := make(chan string)
		go func() {
			_, err := os.Stdin.Read(make([]byte, 1))
			open <- fmt.Sprint(err)
		}()
		select {
		case err := <-open:
			line = "standard input ended: " + err
		case <-time.After(50 * time.Millisecond):
		}
		fmt.Println(line, os.Environ())
		return 3
	case "leaves", "forks": // something behind, or stays with it
		cmd := exec.Command("/bin/sleep", "1000")
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(cmd.Process.Pid)
		if role == "forks" {
			fmt.Println(cmd.Wait())
		}
	case "deaf":
		time.Sleep(time.Hour)
	case "listens":
		spawn.EndWith(os.Stdin)
	default: // a host with such a child
		cmd := own(context.Background(), strings.TrimPrefix(role, "host of "))
		if cmd.Args[2] == "listens" {
			cmd.SysProcAttr = nil // no kernel kills it
		}
		if _, err := spawn.Start(cmd, func(error) {}); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(cmd.Process.Pid)
		time.Sleep(time.Hour)
	}
	return 0
}

func own(ctx context.Context, role string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return spawn.Command(ctx, []string{self, childWord}, role)
}

// TestRun: a child gets its input and the environment that it is given, and how it
// ended is told.
func TestRun(t *testing.T) {
	t.Setenv("SPAWN_SEEN", "x")
	t.Setenv("SPAWN_SECRET", "x")
	for _, c := range []struct {
		env  []string
		want string
	}{
		{nil, "onetwo []"},
		{spawn.Inherit("SPAWN_NONE"), "onetwo []"},
		{append(spawn.Inherit("SPAWN_NONE", "SPAWN_SEEN"), "A=B"), "onetwo [SPAWN_SEEN=x A=B]"},
	} {
		cmd := own(t.Context(), "tells")
		cmd.Env = append(cmd.Env, c.env...)
		said := spawn.Tail{Limit: 1000}
		cmd.Stdout = &said
		err := spawn.Run(cmd, []byte("one"), []byte("two\n"))
		if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != 3 || said.String() != c.want {
			t.Errorf("%v, %q, want %q", err, said.String(), c.want)
		}
	}
	cmd := spawn.Command(t.Context(), []string{"/none/such"}, "x")
	if err := spawn.Run(cmd); !errors.Is(err, fs.ErrNotExist) || cmd.ProcessState != nil {
		t.Errorf("no such program: %v", err)
	}
	// It does not read: the input is more than a pipe holds.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := spawn.Run(own(ctx, "deaf"), make([]byte, 1<<20)); err == nil || ctx.Err() == nil {
		t.Errorf("a deaf child: %v", err)
	}
}

// TestRunLeavesNothing: what a child started ends with it, whether it ends itself or
// its context does.
func TestRunLeavesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no process groups here")
	}
	for _, role := range []string{"leaves", "forks"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		said := heard{Head: spawn.Head{Limit: 1000}, then: func() {}}
		if role == "forks" {
			said.then = cancel
		}
		cmd := own(ctx, role)
		cmd.Stdout = &said
		began := time.Now()
		err := spawn.Run(cmd)
		if (err == nil) != (role == "leaves") || time.Since(began) > 10*time.Second || said.String() == "" {
			t.Errorf("%s: %v after %v, %q", role, err, time.Since(began), said.String())
		}
		gone(t, said.String())
	}
}

// heard does something when the child has said something.
type heard struct {
	spawn.Head
	then func()
}

func (h *heard) Write(p []byte) (int, error) {
	h.then()
	return h.Head.Write(p)
}

// TestDiesWithHost: a child ends when its parent is killed, whether it reads or not.
func TestDiesWithHost(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc to look for it, and nobody tells the deaf")
	}
	for _, role := range []string{"listens", "deaf"} {
		host := own(t.Context(), "host of "+role)
		host.Stdin, host.SysProcAttr = nil, nil
		out, err := host.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := host.Start(); err != nil {
			t.Fatal(err)
		}
		var pid string
		if _, err := fmt.Fscanln(out, &pid); err != nil {
			t.Fatal(err)
		}
		_ = host.Process.Kill()
		_ = host.Wait()
		gone(t, pid)
	}
}

// gone waits for the end of a process; whose parent it is now may not look.
func gone(t *testing.T, pid string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is alive: %s", stat)
		}
	}
}

// TestSaid: the first or the last bytes are kept, however they come.
func TestSaid(t *testing.T) {
	for _, parts := range [][]string{{" abcdefgh\n"}, {" ab", "", "cde", "fgh\n"}, {" ", "a", "b", "c", "d", "e", "f", "g", "h", "\n"}} {
		head, tail := spawn.Head{Limit: 4}, spawn.Tail{Limit: 4}
		for _, p := range parts {
			for _, w := range []interface{ Write([]byte) (int, error) }{&head, &tail} {
				if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
					t.Errorf("%q: %d, %v", p, n, err)
				}
			}
		}
		if head.String() != "abc" || tail.String() != "fgh" {
			t.Errorf("%q: %q, %q", parts, head.String(), tail.String())
		}
	}
}
