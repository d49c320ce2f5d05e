package portable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable/internal/child"
	"github.com/vanth-io/vanth/portable/internal/sp"
)

// process is one child with its link, from its start to its end.
type process struct {
	m      *module
	child  program
	link   link
	tmp    string        // what it sees as /tmp, by the host's path
	forked chan struct{} // closed when child is set, or will never be
	useful atomic.Bool   // it answered a call, sent a row, took a message
	since  time.Time
	dead   map[string]error // functions that did not start; constant once it serves
}

// program is a process of the system, which the host has started, or found.
type program interface {
	PID() int
	Owns(pid int) bool
	Done() <-chan struct{}
	Exit() child.Exit
	Usage() (child.Usage, error)
	Stop(ctx context.Context, grace time.Duration) error
	Kill()
}

// argument is what eKuiper gives every plugin; its SDKs parse it.
const argument = `{"sendTimeout":1000}`

// command returns the program of a plugin and its arguments, the argv of the
// contract's 4.3, and whether the process can be offered the lane.
func (m *module) command() (path string, args []string, offer bool, err error) {
	exe := filepath.Join(m.dir, m.manifest.Executable)
	python := m.rt.opts.Python
	switch {
	case m.manifest.Language != host.LanguagePython:
		return exe, []string{argument}, true, nil
	case m.manifest.VirtualEnvType == "conda":
		// conda closes descriptors, so the lane cannot be offered.
		conda, err := exec.LookPath("conda")
		return conda, []string{"run", "-n", m.manifest.Env, python, exe, argument}, false, err
	case m.manifest.VirtualEnvType == "venv":
		env := m.manifest.Env
		if !filepath.IsAbs(env) {
			env = filepath.Join(m.dir, env)
		}
		python = filepath.Join(env, "bin", "python")
	}
	path, err = exec.LookPath(python)
	return path, []string{"-u", exe, argument}, true, err
}

// startProcess runs steps 1 of the package's list. After an error nothing of
// it is left.
func (s *slot) startProcess(ctx context.Context) (_ *process, err error) {
	m := s.m
	if m.rt.opts.Outside {
		return s.await(ctx)
	}
	p := &process{m: m, tmp: "/tmp", forked: make(chan struct{})}
	defer func() {
		if err != nil {
			p.discard()
		}
	}()
	spec := child.Spec{Name: m.id.String(), Dir: filepath.Dir(filepath.Join(m.dir, m.manifest.Executable)), Keep: []string{m.dir}, Output: m.out}
	if m.engine.private {
		if err = s.makeTmp(); err != nil {
			return nil, err
		}
		p.tmp, spec.Tmp = s.tmp, s.tmp
	}
	var offer bool
	if spec.Path, spec.Args, offer, err = m.command(); err != nil {
		return nil, host.Errorf(host.ErrInvalid, "%v", err)
	}
	spec.Env = m.rt.opts.environment(os.Environ())

	w, err := newWire(p) // listens before the process starts: SDKs dial once
	if err != nil {
		return nil, err
	}
	p.link = w
	var l *lane
	if offer && !m.rt.opts.EKuiperOnly {
		var files []*os.File
		if l, files, err = newLane(p); err != nil {
			return nil, err
		}
		defer func() {
			for _, f := range files {
				f.Close()
			}
		}()
		spec.Files = files
		for i, f := range files {
			spec.Env = append(spec.Env, f.Name()+"="+strconv.Itoa(3+i))
		}
	}
	p.since = time.Now()
	started, err := m.engine.spawner.Start(ctx, spec)
	if err == nil {
		p.child = started
	}
	close(p.forked)
	if err != nil {
		if l != nil {
			l.close()
		}
		return nil, host.Errorf(host.ErrInvalid, "plugin executable %s stops with error %v", filepath.Join(m.dir, m.manifest.Executable), err)
	}
	return p, p.handshake(ctx, w, l)
}

// handshake waits for what the process says first, which decides how to talk.
func (p *process) handshake(ctx context.Context, w *wire, l *lane) error {
	ctx, cancel := context.WithTimeout(ctx, p.m.rt.opts.InitTimeout)
	defer cancel()
	var hello chan error
	if l != nil {
		hello = l.hello
	}
	var err error
	for {
		select {
		case err = <-hello:
			if err == nil {
				p.link = l
				w.close()
				return nil
			}
			if !errors.Is(err, errLaneUnused) {
				l.close()
				return p.m.exitError("the handshake failed: "+err.Error(), p)
			}
			hello = nil // its end of the stream is gone; it may still dial
			continue
		case <-w.up:
			if l != nil {
				l.close()
			}
			return nil
		case <-p.child.Done():
			err = p.m.exitError("ended before its handshake: "+p.child.Exit().Text, p)
		case <-ctx.Done():
			if err = ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
				err = p.m.exitError("control handshake error: receive time out", p)
			}
		}
		if l != nil {
			l.close()
		}
		return err
	}
}

// exitError says why a plugin does not run, with what it printed last.
func (m *module) exitError(what string, _ *process) error {
	text := fmt.Sprintf("plugin %s %s", filepath.Join(m.dir, m.manifest.Executable), what)
	if said := m.out.Last(outputTail); said != "" {
		text += ": it printed: " + said
	}
	return host.Errorf(host.ErrInvalid, "%s", text)
}

// outputTail is how much of what a plugin printed goes into an error, in bytes.
const outputTail = 2 << 10

// owns tells whether a peer of a socket is this process, or one it started. The
// child may be faster than the fork that made it.
func (p *process) owns(peer sp.Peer) bool {
	<-p.forked
	return p.child != nil && p.child.Owns(peer.PID)
}

// ended is how the process ended, "" while it has not.
func (p *process) ended() string {
	if p == nil {
		return ""
	}
	return p.child.Exit().Text
}

// stop ends the process in good order within the grace, and then by force.
func (p *process) stop(ctx context.Context) {
	p.link.bye()
	if err := p.child.Stop(ctx, p.m.rt.opts.Grace); err != nil {
		p.m.log.Warn("a process does not end", "err", err)
	}
}

// discard frees everything of a process, which is killed if it is alive.
func (p *process) discard() {
	if p.child != nil {
		p.child.Kill()
		<-p.child.Done()
	}
	if p.link != nil {
		p.link.close()
	}
}
