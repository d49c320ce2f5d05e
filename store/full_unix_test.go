//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// TestDiskFull runs in a child, since the limit is the process's.
func TestDiskFull(t *testing.T) {
	cmd, lines := child(t, "full", filepath.Join(t.TempDir(), "vanth.db"))
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := cmd.Wait(); err != nil || len(said) != 1 || said[0] != "ok" {
		t.Errorf("%v: %s", err, strings.Join(said, "\n"))
	}
}

// childFull writes until the file may not grow, which must fail and harm
// nothing, and on when it may again.
func childFull(path string) {
	signal.Ignore(syscall.SIGXFSZ) // then it is an error of the write
	s, err := Open(path)
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	check(err)
	id := wasmID("a")
	check(s.PutPlugin(sample("a", 1)))
	limit := func(n uint64) {
		var l syscall.Rlimit
		check(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l))
		l.Cur = n
		if n == 0 {
			l.Cur = l.Max
		}
		check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l))
	}
	limit(96 << 10) // the file doubles: 64 KiB fit, 128 do not
	saved, failed := 0, 0
	var last error
	for n := 0; n < 40; n++ {
		if err := s.SaveState(id, []host.StateChange{value(fmt.Sprint(n), make([]byte, 3000))}); err != nil {
			failed, last = failed+1, err
			if errors.Is(err, host.ErrDamaged) || !strings.Contains(err.Error(), path) {
				check(fmt.Errorf("disk full: %w", err))
			}
			continue
		}
		if failed == 0 {
			saved++
		}
	}
	if failed == 0 || saved == 0 {
		check(fmt.Errorf("%d failed, %d saved: want both: %v", failed, saved, last))
	}
	got, errs := dump(s, id)
	check(errors.Join(errs...))
	limit(0)
	check(s.PutPlugin(sample("b", 1)))
	check(s.DeletePlugin(wasmID("b")))
	again, errs := dump(s, id)
	check(errors.Join(errs...))
	check(s.Close())
	s, err = Open(path)
	check(err)
	reopened, errs := dump(s, id)
	check(errors.Join(errs...))
	if n := strings.Count(got, "Key:"); n < saved || again != got || reopened != got {
		check(fmt.Errorf("%d values of %d and more that were saved", n, saved))
	}
	check(s.Close())
	fmt.Println("ok")
}
