package child

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The bounds of a search for descendants that are still being started.
const (
	sweepFor   = 2 * time.Second
	sweepEvery = 2 * time.Millisecond
	maxParents = 256 // that owns goes up
)

// tree is a child with its descendants. With a PID namespace the kernel keeps
// them together.
type tree struct {
	root  int
	pidfd *os.File // polled; nil on a kernel without
	ns    uint64   // inode of its PID namespace, or
	mark  string   // what its environment has, on LevelProcess
	born  uint64   // see stat
}

func (t *tree) plant(root, pidfd int, l *launch) {
	t.root, t.mark = root, l.mark
	if pidfd >= 0 {
		_ = unix.SetNonblock(pidfd, true) // then Go polls it
		t.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	}
	if t.mark == "" {
		t.ns = pidNamespace(root)
	}
	st, _ := readStat(root)
	t.born = st.born
}

// owns is right as long as the root has not been waited for: then neither its pid
// nor its namespace's inode can be another's.
func (t *tree) owns(pid int) bool {
	if t.ns != 0 && pidNamespace(pid) == t.ns {
		return true
	}
	for at, i := pid, 0; at > 1 && i < maxParents; i++ {
		st, ok := readStat(at)
		if !ok || st.born < t.born {
			break
		}
		if st.parent == t.root || t.mark != "" && st.session == t.root {
			return true
		}
		at = st.parent
	}
	return t.mark != "" && marked(pid, t.mark)
}

func (t *tree) usage(root int) (Usage, error) {
	st, ok := readStat(root)
	if !ok {
		return Usage{}, os.ErrProcessDone
	}
	u := Usage{RSS: st.rss, CPU: st.cpu, Processes: 1}
	below, _ := descendants(root)
	for _, pid := range below {
		if st, ok := readStat(pid); ok {
			u.RSS += st.rss
			u.CPU += st.cpu
			u.Processes++
		}
	}
	return u, nil
}

// await returns when the root is a zombie: its pid stays its own. No thread waits
// with it.
func (t *tree) await() {
	if t.pidfd != nil {
		if conn, err := t.pidfd.SyscallConn(); err == nil {
			err = conn.Read(func(fd uintptr) bool {
				n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
				return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
			})
			if err == nil {
				return
			}
		}
	}
	for errors.Is(unix.Waitid(unix.P_PID, t.root, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

// wait returns when nobody of the tree is left, as far as they are found.
func (p *Process) wait() (*os.ProcessState, error) {
	p.tree.await()
	if p.tree.mark != "" && !p.tree.sweep(&p.patient) {
		p.log.Warn("descendants of a plugin's process do not end", "plugin", p.name, "pid", p.pid)
	}
	if p.tree.pidfd != nil {
		p.tree.pidfd.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	return p.proc.Wait()
}

// sweep kills the descendants of a root that is a zombie: its group, its session,
// and those who have the mark. It looks again until there are none, since each may
// have started another before it died. They may live until then if they were told
// to end.
func (t *tree) sweep(patient *atomic.Int64) bool {
	killed := map[int]bool{}
	for end := time.Now().Add(sweepFor); time.Now().Before(end); time.Sleep(sweepEvery) {
		left := t.left(killed)
		if len(left) == 0 {
			return true
		}
		if time.Now().UnixNano() < patient.Load() {
			end = time.Now().Add(sweepFor)
			continue
		}
		_ = unix.Kill(-t.root, unix.SIGKILL)
		for _, pid := range left {
			killIf(pid, func() bool { return t.has(pid) })
			killed[pid] = true
		}
	}
	return false
}

// left returns the living descendants of a root that is a zombie.
func (t *tree) left(killed map[int]bool) (left []int) {
	for _, pid := range processes() {
		st, ok := readStat(pid)
		switch {
		case !ok || pid == t.root || st.born < t.born:
		case !st.dead():
			if st.session == t.root || marked(pid, t.mark) {
				left = append(left, pid)
			}
		// Where the host is pid 1 orphans are its children, and nobody else waits.
		case killed[pid] && st.parent == os.Getpid():
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
	return left
}

// has is owns for a root that has ended.
func (t *tree) has(pid int) bool {
	st, ok := readStat(pid)
	return ok && (st.session == t.root || marked(pid, t.mark))
}

// strays are descendants that a signal to the root may not reach.
type strays []stat

// strays returns those that only their parents tell: they are lost when one of
// these ends.
func (t *tree) strays(root int) strays {
	if t.mark == "" {
		return nil // the kernel does it
	}
	var all strays
	below, _ := descendants(root)
	for _, pid := range below {
		if st, ok := readStat(pid); ok {
			all = append(all, st)
		}
	}
	return all
}

func (all strays) kill() {
	for _, was := range all {
		killIf(was.pid, func() bool {
			is, ok := readStat(was.pid)
			return ok && is.born == was.born
		})
	}
}

// insist does for a pid 1, which has been sent SIGTERM, what the kernel does for
// other processes; see Stop. It reports whether it has interrupted it.
func (p *Process) insist(interrupted bool) bool {
	if p.tree.mark != "" || interrupted {
		return false
	}
	d, err := readDispositions(p.pid)
	if err != nil || d.wants(syscall.SIGTERM) {
		return false
	}
	if d.wants(syscall.SIGINT) {
		_ = p.proc.Signal(syscall.SIGINT)
		return true
	}
	if below, ok := descendants(p.pid); ok && len(below) == 0 {
		p.Kill()
	}
	return false
}
