package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/host"
)

// A probe is a child process, the same binary, that opens a file first. What
// kills it does not kill us; what it survived is opened here.

// probeOK is what a probe prints when it is done: a file whose initialisers end
// the process in good order did not pass.
const probeOK = "vanth-probe: opened\n"

// Probe is the whole of the child: it opens the file and says so. It ends when
// its standard input does, that is, with its parent. It returns the exit code.
func Probe(path string, stdin io.Reader, stdout, stderr io.Writer) int {
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		os.Exit(1)
	}()
	if _, err := openPlugin(path); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	_, _ = fmt.Fprint(stdout, probeOK)
	return 0
}

// probe has a child open the file, unless it is known what comes of that.
func (r *Runtime) probe(ctx context.Context, path, digest string) error {
	if r.opts.Probe == nil {
		return nil
	}
	passed, reason := r.recall(digest)
	if passed {
		return nil
	}
	if reason != "" {
		return host.Errorf(host.ErrInvalid, "%s is in quarantine until it is replaced by another: %s", filepath.Base(path), reason)
	}
	err := r.runProbe(ctx, path)
	switch {
	case err == nil:
		r.remember(digest, passedName, "")
		return nil
	case ctx.Err() != nil:
		return err
	}
	// An error that the loader returned may be mended outside the file, by a
	// library that was missing; a file that ended its loader is not tried again.
	// What the machine did, a kill or a lack of memory or time, is not the file's
	// doing either.
	if e, ok := errors.AsType[*exec.ExitError](err); errors.Is(err, errLeft) || ok && e.ExitCode() != 1 && !killedByOthers(e) {
		r.remember(digest, quarantineName, err.Error())
	}
	return host.Errorf(host.ErrInvalid, "cannot open %s: tried in a child process: %v", path, err)
}

// runProbe starts the child and waits for it.
func (r *Runtime) runProbe(ctx context.Context, path string) error {
	limited, cancel := context.WithTimeout(ctx, r.opts.ProbeTimeout)
	defer cancel()
	cmd := exec.CommandContext(limited, r.opts.Probe[0], append(r.opts.Probe[1:len(r.opts.Probe):len(r.opts.Probe)], path)...)
	var out, errOut limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.Env = []string{} // initialisers see nothing of ours
	cmd.WaitDelay = time.Second
	dieWithParent(cmd)
	stdin, err := cmd.StdinPipe() // open for as long as we live
	if err != nil {
		return err
	}
	defer stdin.Close()

	// A parent-death signal belongs to the thread that forked, which must stay.
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- cmd.Run()
	}()
	err = <-done
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("it did not open within %v", r.opts.ProbeTimeout)
	case err == nil && out.String() != probeOK:
		return errLeft
	case err == nil:
		return nil
	}
	said := strings.TrimSpace(errOut.String())
	if said == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, said)
}

// errLeft: the child ended in good order before it had opened the file.
var errLeft = errors.New("its initialisers ended the process")

// killedByOthers reports an end by SIGKILL, which no file brings about.
func killedByOthers(e *exec.ExitError) bool {
	status, ok := e.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// limitedBuffer keeps the first bytes written to it: a dying Go process says
// why at once, and then much more.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	const limit = 1 << 10
	b.Buffer.Write(p[:min(len(p), max(0, limit-b.Len()))])
	return len(p), nil
}

// What is remembered of files, by digest, in folders of StateDir.
const (
	passedName     = "passed"
	quarantineName = "quarantine"
)

// recall tells what a probe of this file came to: it passed, or why not.
func (r *Runtime) recall(digest string) (passed bool, reason string) {
	if r.opts.StateDir == "" {
		return false, ""
	}
	if b, err := os.ReadFile(filepath.Join(r.opts.StateDir, quarantineName, r.memo(digest))); err == nil {
		return false, string(b)
	}
	_, err := os.Stat(filepath.Join(r.opts.StateDir, passedName, r.memo(digest)))
	return err == nil, ""
}

// remember keeps it. What cannot be kept is found out again.
func (r *Runtime) remember(digest, folder, text string) {
	if r.opts.StateDir == "" {
		return
	}
	dir := filepath.Join(r.opts.StateDir, folder)
	if err := os.MkdirAll(dir, 0o700); err == nil {
		_ = os.WriteFile(filepath.Join(dir, r.memo(digest)), []byte(text), 0o600)
	}
}

// memo names a file's digest in this very host: another build of it may come to
// another result.
func (r *Runtime) memo(digest string) string {
	self, err := r.self()
	if err != nil || self.Build == nil {
		return digest
	}
	return digest + "-" + self.Build.GoVersion + "-" + self.Build.Main.Version + fmt.Sprintf("-%d", self.Size)
}
