package child

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// EnvMark is the variable that a child of LevelProcess finds in its environment
// besides Spec.Env: its value tells the descendants of one child from all others.
const EnvMark = "VANTH_CHILD"

// system is what the thread has made of itself. Only the thread calls setup and
// fork.
type system struct {
	level  Level
	reason error
	guard  string // see prepare
	tmp    string // what is covered: /tmp without links
}

// boundary is what this platform needs to know for a fork.
type boundary struct {
	env  []string
	mark string   // the last of env, on LevelProcess
	keep []string // below system.tmp, relative to it
}

func mainThread() bool { return unix.Gettid() == unix.Getpid() }

// setup finds the best level from the given one down, by trying.
func (s *system) setup(best Level) {
	s.level = best
	if s.level == LevelNamespaces {
		if err := s.unshare(); err != nil {
			s.level, s.reason = LevelPIDs, err
		}
	}
	if s.level != LevelProcess {
		if err := s.try(""); err != nil {
			s.level, s.reason = LevelProcess, errors.Join(s.reason, fmt.Errorf("a PID namespace: %w", err))
		}
	}
	if s.level == LevelProcess {
		return
	}
	// A /proc of another PID namespace, or one that is closed to us, would make all
	// starts fail.
	self := strconv.Itoa(os.Getpid())
	guard := filepath.Join("/proc", self, "root")
	if link, err := os.Readlink("/proc/self"); err == nil && link == self && s.try(guard) == nil {
		s.guard = guard
	}
}

// unshare gives the thread mounts of its own, which follow the host's but not the
// other way round, and covers /tmp once.
func (s *system) unshare() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("a mount namespace: own mounts: %w", err)
	}
	tmp, err := filepath.EvalSymlinks("/tmp")
	if err != nil {
		return fmt.Errorf("a private /tmp: %w", err)
	}
	s.tmp = tmp
	if err := unix.Mount(tmp, tmp, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("a private /tmp: %w", err)
	}
	return s.uncover()
}

// try makes the fork of a program that is not there: the error is of the fork, or
// of the program.
func (s *system) try(root string) error {
	proc, err := os.StartProcess(root+"/vanth-no-such-program", []string{""}, &os.ProcAttr{Env: []string{}, Sys: s.attributes(nil)})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	if err == nil {
		_ = proc.Kill()
		_, _ = proc.Wait()
		return syscall.EEXIST
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func (s *system) attributes(pidfd *int) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, PidFD: pidfd}
	switch s.level {
	case LevelNamespaces:
		a.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	case LevelPIDs:
		a.Cloneflags = syscall.CLONE_NEWPID
	}
	return a
}

// prepare is called by any goroutine.
//
// A new child asks for its parent-death signal, and then has to know that its
// parent has not died just before. Go compares the parent's process id, which
// tells nothing in a new PID namespace. So the child executes its program by way
// of the host's entry in /proc, which is gone when the host is: it then ends for
// want of a program. The kernel would tell scripts that way as their name, so we
// start their interpreters, as it does.
func (s *system) prepare(l *launch) error {
	l.env = append([]string{}, l.spec.Env...) // nil would be the host's
	if s.level == LevelProcess {
		l.mark = EnvMark + "=" + rand.Text()
		l.env = append(l.env, l.mark)
	}
	if s.guard != "" {
		if err := interpret(l); err != nil {
			return err
		}
		if filepath.IsAbs(l.argv0) {
			l.argv0 = s.guard + l.argv0
		}
	}
	if l.spec.Tmp == "" {
		return nil
	}
	return s.prepareTmp(l)
}

// interpret replaces a script by its interpreter. What cannot be read, and what
// is no script, is left to the kernel.
func interpret(l *launch) error {
	for range 5 { // as many as the kernel allows
		head, err := readHead(l.argv0)
		if err != nil {
			return nil //nolint:nilerr // the kernel says why
		}
		interpreter, arg, ok := shebang(head)
		if !ok {
			return nil
		}
		if err := executable(l.argv0); err != nil {
			return explain(l.spec.Path, err)
		}
		if _, err := os.Stat(interpreter); filepath.IsAbs(interpreter) && errors.Is(err, syscall.ENOENT) {
			return explain(l.spec.Path, syscall.ENOENT)
		}
		argv := []string{interpreter}
		if arg != "" {
			argv = append(argv, arg)
		}
		l.argv = slices.Concat(argv, []string{l.argv0}, l.argv[1:])
		if l.argv0 = interpreter; !filepath.IsAbs(interpreter) {
			return nil
		}
	}
	return explain(l.spec.Path, syscall.ELOOP)
}

// executable says of a script what the kernel would.
func executable(path string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS); err != nil {
		return err
	}
	var mount unix.Statfs_t
	if unix.Statfs(path, &mount) == nil && mount.Flags&unix.ST_NOEXEC != 0 {
		return syscall.EACCES
	}
	return nil
}

// prepareTmp makes the folders in the private /tmp over which those of the real
// one are bound that the child must see.
func (s *system) prepareTmp(l *launch) error {
	root, err := os.OpenRoot(l.spec.Tmp)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, dir := range append([]string{l.spec.Dir, filepath.Dir(l.spec.Path)}, l.spec.Keep...) {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return err
		}
		for _, path := range []string{filepath.Clean(dir), real} {
			below := s.below(path)
			if below == "" || slices.Contains(l.keep, below) {
				continue
			}
			if err := root.MkdirAll(below, 0o700); err != nil {
				return err
			}
			l.keep = append(l.keep, below)
		}
	}
	return nil
}

// below returns where in /tmp a path is, "" if it is not there.
func (s *system) below(path string) string {
	for _, tmp := range []string{"/tmp", s.tmp} {
		if rel, ok := strings.CutPrefix(path, tmp+"/"); ok {
			return rel
		}
	}
	return ""
}

// fork returns the child, which has executed its program, and a pidfd of it, -1
// on a kernel without.
func (s *system) fork(l *launch) (proc *os.Process, pidfd int, err error) {
	if l.spec.Tmp != "" {
		if err = s.cover(l); err != nil {
			return nil, -1, err
		}
		defer func() { err = errors.Join(err, s.uncover()) }()
	}
	// What the host itself was started with, or a C library has opened, is not for
	// children. Kernels before 5.11 cannot do it; the rest is Go's, and closed.
	_ = unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	pidfd = -1
	proc, err = os.StartProcess(l.argv0, l.argv, &os.ProcAttr{
		Dir: l.spec.Dir, Env: l.env, Files: l.files, Sys: s.attributes(&pidfd),
	})
	if err != nil {
		return nil, -1, err
	}
	if err = limit(proc.Pid, l.spec.Limits); err != nil {
		_ = proc.Kill()
		_, _ = proc.Wait()
		if pidfd >= 0 {
			shut(pidfd)
		}
		return nil, -1, err
	}
	return proc, pidfd, nil
}

// cover binds the private /tmp, and in it what the child must see of the real
// one, in the namespace that the child then copies. The private one is the
// plugin's, so no link in it is followed.
func (s *system) cover(l *launch) (err error) {
	var sources []int
	defer func() {
		for _, fd := range sources {
			shut(fd)
		}
	}()
	for _, below := range l.keep {
		fd, err := unix.Open(filepath.Join(s.tmp, below), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: filepath.Join(s.tmp, below), Err: err}
		}
		sources = append(sources, fd)
	}
	if err := unix.Mount(l.spec.Tmp, s.tmp, "", unix.MS_BIND, ""); err != nil {
		return &fs.PathError{Op: "bind", Path: l.spec.Tmp, Err: err}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.uncover())
		}
	}()
	tmp, err := unix.Open(s.tmp, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: s.tmp, Err: err}
	}
	defer shut(tmp)
	for i, below := range l.keep {
		if err := bindBelow(sources[i], tmp, below); err != nil {
			return &fs.PathError{Op: "bind", Path: filepath.Join(s.tmp, below), Err: err}
		}
	}
	return nil
}

func bindBelow(source, tmp int, below string) error {
	target, err := unix.Openat2(tmp, below, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return err
	}
	defer shut(target)
	const fd = "/proc/thread-self/fd/"
	return unix.Mount(fd+strconv.Itoa(source), fd+strconv.Itoa(target), "", unix.MS_BIND, "")
}

// uncover takes away what lies over /tmp, with all that is below it.
func (s *system) uncover() error {
	if err := unix.Unmount(s.tmp, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "unmount", Path: s.tmp, Err: err}
	}
	return nil
}

func limit(pid int, l Limits) error {
	for resource, value := range map[int]uint64{unix.RLIMIT_AS: l.AddressSpace, unix.RLIMIT_NOFILE: l.OpenFiles} {
		if value == 0 {
			continue
		}
		err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: value, Max: value}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
			return os.NewSyscallError("prlimit", err)
		}
	}
	return nil
}
