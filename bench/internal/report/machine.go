package report

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine is where and when something was measured.
type Machine struct {
	CPU    string // the model, as the kernel names it
	Cores  int    // that this process may use
	Go     string // version, system and architecture
	Date   string // UTC, to the minute
	Commit string // short, with "+changes" where the tree differs from it
	Load   string // of the last minute, of everything on the machine; empty where unknown
}

// ThisMachine says where and when this process runs. What cannot be found is "unknown".
func ThisMachine() Machine {
	return Machine{
		CPU: cpu(), Cores: runtime.GOMAXPROCS(0),
		Go:     runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		Date:   time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		Commit: commit(), Load: load(),
	}
}

// String is the machine in one line.
func (m Machine) String() string {
	s := fmt.Sprintf("%s, %d cores, %s, commit %s, %s", m.CPU, m.Cores, m.Go, m.Commit, m.Date)
	if m.Load != "" {
		s += ", load at the end " + m.Load
	}
	return s
}

// cpu is the model of the first processor.
func cpu() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name", "Model", "uarch":
			return strings.TrimSpace(value)
		}
	}
	return "unknown " + runtime.GOARCH
}

func load() string {
	avg, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(avg), " ")
	return first
}

// commit asks git, which may be missing, or this may not be a checkout.
func commit() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	hash, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	short := cmp.Or(strings.TrimSpace(string(hash)), "unknown")
	if err == nil && len(changed) > 0 {
		short += "+changes"
	}
	return short
}
