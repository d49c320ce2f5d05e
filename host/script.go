package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/host/spawn"
)

// scriptName is the script a bundle may bring, in eKuiper's layout.
const scriptName = "install.sh"

// scriptOutput bounds how much of a script's output an error carries, in bytes.
const scriptOutput = 4 << 10

// hasScript reports whether dir has an install script with anything to run:
// an empty or comment-only one counts as none.
func hasScript(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, scriptName))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if l := strings.TrimSpace(lines.Text()); l != "" && l[0] != '#' {
			return true, nil
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return true, nil
	}
	return false, lines.Err()
}

// runScript runs the install script in its folder until ctx ends; then the
// script and what it started are killed. Its last output is in the error.
func runScript(ctx context.Context, dir string, args []string) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{filepath.Join(dir, scriptName)}, args...)...)
	cmd.Dir = dir
	out := &spawn.Tail{Limit: scriptOutput}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a service it started may hold the pipe
	err := cmd.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	if ctx.Err() != nil && !cmd.ProcessState.Exited() {
		err = fmt.Errorf("ended by force: %w", context.Cause(ctx))
	}
	return fmt.Errorf("%w; output: %q", err, out.String())
}
