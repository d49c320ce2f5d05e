package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/spawn"
)

// A probe is a child process, the same binary, that opens a file first, looks for
// its symbols and makes its functions. What kills it does not kill us; what it
// survived is opened here. It is also the only look at an update that waits for a
// restart. Sources and sinks are not made: eKuiper makes functions whenever a rule
// is planned, and those where one starts.

// probeMark begins what a probe says when it is done: a line with what is wrong
// with the symbols, quoted, "" for nothing. A file whose initialisers end the
// process in good order does not come to it; what they print stands before it.
const probeMark = "\nvanth-probe: "

// answerBytes holds what is said of the symbols of the longest manifest.
const answerBytes = 1 << 20

// Probe is the whole of the child: it reads from its standard input what to look
// for, opens the file and says what came of it. It ends when its standard input
// does, that is, with its parent. It returns the exit code.
func Probe(path string, stdin io.Reader, stdout, stderr io.Writer) int {
	if !opens {
		return refused(stderr)
	}
	return try(path, stdin, stdout, stderr, openPlugin)
}

// refused is the end of a child of a build that opens no plugins.
func refused(stderr io.Writer) int {
	fmt.Fprintln(stderr, canOpen())
	return 1
}

func try(path string, stdin io.Reader, stdout, stderr io.Writer, open opener) int {
	var man host.Manifest
	if err := json.NewDecoder(stdin).Decode(&man); err != nil {
		fmt.Fprintln(stderr, "what to look for:", err)
		return 1
	}
	go spawn.EndWith(stdin)
	find, err := open(path)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	g, err := newGuest(host.Bundle{}, guestOptions{})
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	wrong, s := "", symbols{guest: g, find: find}
	if err := errors.Join(s.check(man), s.construct(man)); err != nil {
		wrong = err.Error()
	}
	_, _ = fmt.Fprintf(stdout, "%s%q\n", probeMark, wrong)
	return 0
}

// looks is what a probe is told of a manifest: what check reads of it.
func looks(m host.Manifest) ([]byte, error) {
	return json.Marshal(host.Manifest{
		Executable: m.Executable,
		Functions:  m.Functions, Sources: m.Sources, Sinks: m.Sinks,
	})
}

// probe has a child open the file and look for what the manifest names, unless
// it is known what comes of that.
func (r *Runtime) probe(ctx context.Context, file placed, m host.Manifest) error {
	if r.opts.Probe == nil {
		return nil
	}
	task, err := looks(m)
	if err != nil {
		return err
	}
	memo := r.memo(file.digest, task)
	passed, reason := r.recall(file.digest, task)
	if passed {
		return nil
	}
	if reason != "" {
		return host.Errorf(host.ErrInvalid, "%s is %s: %s", filepath.Base(file.path), r.inQuarantine(memo), reason)
	}
	err = r.runProbe(ctx, file.path, task)
	switch {
	case err == nil:
		r.remember(passedName, memo, "")
		return nil
	case ctx.Err() != nil, errors.Is(err, host.ErrInvalid):
		return err
	}
	// An error that the loader returned may be mended outside the file, by a
	// library that was missing; a file that ended its loader, or held it for all
	// the time it had, is not tried again: that would delay each start. A kill or
	// a lack of memory is the machine's doing and not the file's.
	e, ok := errors.AsType[*exec.ExitError](err)
	if errors.Is(err, errLeft) || errors.Is(err, errHangs) || ok && e.ExitCode() != 1 && !killedByOthers(e) {
		r.remember(quarantineName, memo, err.Error())
		if _, kept := r.recall(file.digest, task); kept != "" {
			err = fmt.Errorf("%w; it is %s", err, r.inQuarantine(memo))
		}
	}
	return host.Errorf(host.ErrInvalid, "cannot open %s: tried in a child process: %v", file.path, err)
}

// runProbe starts the child and waits for it.
func (r *Runtime) runProbe(ctx context.Context, path string, task []byte) error {
	limited, cancel := context.WithTimeout(ctx, r.opts.ProbeTimeout)
	defer cancel()
	cmd := spawn.Command(limited, r.opts.Probe, path)
	out, errOut := spawn.Tail{Limit: answerBytes}, spawn.Head{Limit: 1 << 10}
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.Env = loaderEnv() // initialisers see nothing else of ours
	err := spawn.Run(cmd, task)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // what it started held its output
		return symbolsOf(out.String())
	case limited.Err() != nil:
		return fmt.Errorf("%w within %v", errHangs, r.opts.ProbeTimeout)
	}
	if said := errOut.String(); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// symbolsOf reads what a probe said: nil, ErrInvalid with what is wrong with the
// symbols, or errLeft.
func symbolsOf(said string) error {
	said = "\n" + said
	at := strings.LastIndex(said, probeMark)
	if at < 0 {
		return errLeft
	}
	line, _, _ := strings.Cut(said[at+len(probeMark):], "\n")
	wrong, err := strconv.Unquote(line)
	switch {
	case err != nil:
		return errLeft
	case wrong != "":
		return host.Errorf(host.ErrInvalid, "%s", wrong)
	}
	return nil
}

// The ends of a child that are its file's doing, beside a crash.
var (
	errLeft  = errors.New("its initialisers or constructors ended the process")
	errHangs = errors.New("its initialisers or constructors did not return")
)

// killedByOthers reports an end by SIGKILL, which no file brings about.
func killedByOthers(e *exec.ExitError) bool {
	status, ok := e.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// loaderEnv is what the dynamic loader reads of the environment that the host was
// started with: without it a child would refuse a file whose C libraries the host
// finds there.
func loaderEnv() []string { return spawn.Inherit("LD_LIBRARY_PATH", "LD_PRELOAD") }
