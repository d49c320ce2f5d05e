//go:build unix

package builtin_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
)

// TestFileSinkDiskFull runs in a child, since the limit is the process's.
func TestFileSinkDiskFull(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	os.Mkdir(filepath.Join(home, "data"), 0o700)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "VANTH_FULL_DISK="+home)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "ok\n") {
		t.Errorf("%v: %s", err, out)
	}
}

// childFull writes until the files may not grow, which must leave whole rows, and
// on when they may again.
func childFull(home string) {
	signal.Ignore(syscall.SIGXFSZ) // then it is an error of the write
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	var full, free syscall.Rlimit
	check(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &free))
	full = free
	full.Cur = 10_500
	ctx := context.Background()
	m := builtin.New(builtin.Options{Home: home})
	row := host.Message{Value: map[string]any{"a": strings.Repeat("x", 1000)}}
	for _, kind := range []string{"lines", "json", "csv"} {
		out, err := m.Sink("file", nil, host.Props{"path": kind, "fileType": kind})
		check(err)
		check(out.Open(ctx))
		failed := 0
		for i := range 20 {
			switch i {
			case 0:
				check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full))
			case 15:
				check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &free))
			}
			if err := out.Write(ctx, row); err != nil {
				if failed++; !errors.Is(err, host.ErrUnavailable) || !strings.Contains(err.Error(), filepath.Join(home, "data", kind)) {
					check(fmt.Errorf("%s: row %d: %w", kind, i, err))
				}
			}
		}
		check(out.Close(ctx))
		in, err := m.Source("file", nil, host.Props{"datasource": kind, "fileType": kind})
		check(err)
		check(in.Open(ctx))
		rows := 0
		for ; ; rows++ {
			got, err := in.Next(ctx)
			if err != nil {
				break
			}
			if b, ok := got.Value.([]byte); ok && len(b) != 1008 {
				check(fmt.Errorf("%s: row %d has %d bytes", kind, rows, len(b)))
			}
		}
		if failed == 0 || rows != 20-failed {
			check(fmt.Errorf("%s: found %d rows, %d writes failed", kind, rows, failed))
		}
	}
	check(m.Close(ctx))
	fmt.Println("ok")
}
