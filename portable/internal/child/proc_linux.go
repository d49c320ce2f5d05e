package child

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What /proc tells of processes.

// clockTick is what /proc counts time in: Linux shows 1/100 s to programs on all
// machines that Go runs on.
const clockTick = 10 * time.Millisecond

// maxTree bounds a walk from a process to its descendants.
const maxTree = 4096

// stat is /proc/<pid>/stat, as far as we need it.
type stat struct {
	pid, parent, session int
	state                byte
	cpu                  time.Duration // with waited-for children
	born                 uint64        // ticks after boot
	rss                  int64
}

func (s stat) dead() bool { return s.state == 'Z' || s.state == 'X' }

func readStat(pid int) (stat, bool) {
	b, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return stat{}, false
	}
	return parseStat(pid, b)
}

// parseStat starts after the program's name, which may contain anything.
func parseStat(pid int, b []byte) (stat, bool) {
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 22 {
		return stat{}, false
	}
	n := func(i int) int64 {
		v, _ := strconv.ParseInt(f[i], 10, 64)
		return v
	}
	return stat{
		pid: pid, state: f[0][0], parent: int(n(1)), session: int(n(3)),
		cpu:  time.Duration(n(11)+n(12)+n(13)+n(14)) * clockTick,
		born: uint64(n(19)), rss: n(21) * int64(os.Getpagesize()),
	}, true
}

func procPath(pid int, name string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}

// pidNamespace returns the inode of a process's PID namespace, 0 if it is not
// told. A zombie has one, too.
func pidNamespace(pid int) uint64 {
	var st unix.Stat_t
	if unix.Stat(procPath(pid, "ns/pid"), &st) != nil {
		return 0
	}
	return st.Ino
}

// descendants returns the living descendants of a process; false if this kernel
// does not tell.
func descendants(root int) (all []int, ok bool) {
	all = []int{root}
	for i := 0; i < len(all) && len(all) < maxTree; i++ {
		tasks, err := os.ReadDir(procPath(all[i], "task"))
		if err != nil {
			continue
		}
		for _, t := range tasks {
			b, err := os.ReadFile(procPath(all[i], "task/"+t.Name()+"/children"))
			ok = ok || err == nil
			for _, f := range strings.Fields(string(b)) {
				if pid, err := strconv.Atoi(f); err == nil {
					all = append(all, pid)
				}
			}
		}
	}
	return all[1:], ok
}

// processes returns all process ids.
func processes() []int {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var all []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// marked reports whether a process was started with the variable.
func marked(pid int, variable string) bool {
	b, err := os.ReadFile(procPath(pid, "environ"))
	return err == nil && bytes.Contains(append([]byte{0}, b...), []byte("\x00"+variable+"\x00"))
}

// dispositions are what a process does with signals: bit n-1 is signal n.
type dispositions struct{ blocked, ignored, caught uint64 }

func readDispositions(pid int) (d dispositions, err error) {
	b, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		return d, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		var set *uint64
		switch name {
		case "SigBlk":
			set = &d.blocked
		case "SigIgn":
			set = &d.ignored
		case "SigCgt":
			set = &d.caught
		default:
			continue
		}
		if *set, err = strconv.ParseUint(strings.TrimSpace(value), 16, 64); err != nil {
			return d, fmt.Errorf("%s: %w", name, err)
		}
	}
	return d, nil
}

// wants reports whether a signal does something other than the default, or waits
// for somebody to take it.
func (d dispositions) wants(sig syscall.Signal) bool {
	return (d.blocked|d.ignored|d.caught)&(1<<(sig-1)) != 0
}

func shut(fd int) { _ = unix.Close(fd) }

// killIf kills a process that is what matches says: a pid that was given to
// another process meanwhile is not touched.
func killIf(pid int, matches func() bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ENOSYS) {
		if matches() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		return
	}
	if err != nil {
		return
	}
	defer shut(fd)
	if matches() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}
