package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// control is a control group that a test made: real limits, which the kernel holds.
type control struct {
	memory string // its folder for memory; with version 2 that for all
	v2     bool
	procs  []string // files that take processes in
}

// newGroup makes a group with so many bytes of memory, 0 for no limit, and processors,
// below that of this process where it can be. The error says what stands in the way.
func newGroup(t *testing.T, memory int64, processors float64) (*control, error) {
	t.Helper()
	name := fmt.Sprintf("vanth-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	own, v2, err := ownGroup("memory")
	if err != nil {
		return nil, err
	}
	const period = 100_000 // us
	quota := int(processors * period)
	g := &control{v2: v2}
	if v2 {
		if g.memory, err = makeGroup(t, own, name, "+memory +cpu"); err != nil {
			return nil, err
		}
		return g, setAll(map[string]string{
			g.memory + "/memory.max": unlessZero(memory, "max"),
			g.memory + "/cpu.max":    fmt.Sprintf("%d %d", quota, period),
		})
	}
	if g.memory, err = makeGroup(t, own, name, ""); err != nil {
		return nil, err
	}
	if own, _, err = ownGroup("cpu"); err != nil {
		return nil, err
	}
	cpu, err := makeGroup(t, own, name, "")
	if err != nil {
		return nil, err
	}
	g.procs = append(g.procs, cpu+"/cgroup.procs")
	return g, setAll(map[string]string{
		g.memory + "/memory.limit_in_bytes": unlessZero(memory, "-1"),
		cpu + "/cpu.cfs_period_us":          strconv.Itoa(period),
		cpu + "/cpu.cfs_quota_us":           strconv.Itoa(quota),
	})
}

func unlessZero(n int64, none string) string {
	if n == 0 {
		return none
	}
	return strconv.FormatInt(n, 10)
}

// ownGroup is the folder of this process's group that accounts for what a controller
// does: of version 1 if that has the controller.
func ownGroup(controller string) (dir string, v2 bool, err error) {
	var one, two string
	root := os.DirFS("/")
	_ = eachLine(root, "proc/self/cgroup", func(line string) {
		f := strings.SplitN(line, ":", 3)
		switch {
		case len(f) < 3:
		case f[0] == "0" && f[1] == "":
			two = f[2]
		case inList(f[1], controller):
			one = f[2]
		}
	})
	_ = eachLine(root, "proc/self/mountinfo", func(line string) {
		before, after, _ := strings.Cut(line, " - ")
		f, kind := strings.Fields(before), strings.Fields(after)
		switch {
		case dir != "" && !v2 || len(f) < 5 || len(kind) < 3:
		case kind[0] == "cgroup" && inList(kind[2], controller):
			dir, v2 = filepath.Join(f[4], strings.TrimPrefix(one, strings.TrimSuffix(f[3], "/"))), false
		case kind[0] == "cgroup2" && two != "":
			dir, v2 = filepath.Join(f[4], strings.TrimPrefix(two, strings.TrimSuffix(f[3], "/"))), true
		}
	})
	if dir == "" {
		return "", false, fmt.Errorf("no control groups for %s are mounted", controller)
	}
	return dir, v2, nil
}

// makeGroup makes a folder below parent, and removes it when the test ends. Below a
// group of version 2 that has processes there can be no limits: then it is beside that
// group, if nothing limits this one.
func makeGroup(t *testing.T, parent, name, controllers string) (string, error) {
	if controllers != "" {
		for {
			err := os.WriteFile(parent+"/cgroup.subtree_control", []byte(controllers), 0)
			if err == nil {
				break
			}
			if limit, _ := groupLimit(os.DirFS("/")); limit != 0 {
				return "", err // it would leave its limits
			}
			above := filepath.Dir(parent)
			if _, e := os.Stat(above + "/cgroup.procs"); e != nil {
				return "", err
			}
			parent = above
		}
	}
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	t.Cleanup(func() {
		var err error
		for range 100 { // until the kernel has forgotten the processes
			if err = os.Remove(dir); err == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("a control group is left behind: %v", err)
	})
	return dir, nil
}

func setAll(files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0); err != nil {
			return err
		}
	}
	return nil
}

// start starts a program in the group: from its first instruction it is in it, which
// matters to Go, since a process reads its limits when it starts.
func (g *control) start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	script := `for f in $GROUPS_OF_TEST; do echo $$ >"$f" || exit 99; done; exec "$@"`
	script = strings.Replace(script, "$GROUPS_OF_TEST", strings.Join(append([]string{g.memory + "/cgroup.procs"}, g.procs...), " "), 1)
	return launchBinary(t, "/bin/sh", append([]string{"-c", script, "sh", program}, args...)...)
}

// peak is the most memory that the group ever had, in bytes; 0 where the kernel does
// not say.
func (g *control) peak() int64 {
	name := "memory.max_usage_in_bytes"
	if g.v2 {
		name = "memory.peak"
	}
	return readLimit(os.DirFS("/"), filepath.Join(g.memory, name))
}

// killed is how many processes of the group the kernel ended for want of memory.
func (g *control) killed(t *testing.T) (n int) {
	t.Helper()
	name := "memory.oom_control"
	if g.v2 {
		name = "memory.events"
	}
	found := false
	err := eachLine(os.DirFS("/"), strings.TrimPrefix(filepath.Join(g.memory, name), "/"), func(line string) {
		if key, value, _ := strings.Cut(line, " "); key == "oom_kill" {
			n, _ = strconv.Atoi(value)
			found = true
		}
	})
	if err != nil || !found {
		t.Errorf("%s does not say how many were killed: %v", name, err)
	}
	return n
}

// memoryOf reads a number of KiB from /proc/PID/status or smaps_rollup, such as VmHWM,
// and returns bytes.
func memoryOf(t *testing.T, pid int, file, key string) int64 {
	t.Helper()
	var kib int64
	err := eachLine(os.DirFS("/proc"), fmt.Sprintf("%d/%s", pid, file), func(line string) {
		if name, value, _ := strings.Cut(line, ":"); name == key {
			kib, _ = strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		}
	})
	if err != nil || kib == 0 {
		t.Fatalf("/proc/%d/%s has no %s: %v", pid, file, key, err)
	}
	return kib << 10
}
