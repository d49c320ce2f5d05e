package wasm

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// niceness is what a child adds to its own.
const niceness = 10

// confine has the kernel kill this process when it takes more time of the processor,
// and refuse it memory beyond what it has now and so many bytes. Memory is counted
// where it may be written, not where Go only reserves addresses, which it does
// generously: so the limit bounds what is resident.
func confine(limit time.Duration, memory uint64) error {
	has, err := writable()
	if err != nil {
		return err
	}
	seconds := uint64(limit/time.Second) + 2 // the kernel's; before it, ours
	for _, r := range []struct {
		what  int
		limit uint64
	}{
		{syscall.RLIMIT_CPU, seconds},
		{syscall.RLIMIT_DATA, has + memory},
		{syscall.RLIMIT_FSIZE, memory},
		{syscall.RLIMIT_CORE, 0},
	} {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(r.what, &now); err != nil {
			return fmt.Errorf("getrlimit: %w", err)
		}
		most := min(r.limit, now.Max)
		if err := syscall.Setrlimit(r.what, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("setrlimit: %w", err)
		}
	}
	// What is not granted here only makes the child less modest. Of a process, only
	// the calling thread would be niced; of a group, all are.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, os.Getpid(), niceness)
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	return nil
}

// writable is how much memory of its own this process may write, in bytes.
func writable() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(status, []byte("VmData:"))
	number, _, _ := bytes.Cut(rest, []byte(" kB"))
	kib, err := strconv.ParseUint(string(bytes.TrimSpace(number)), 10, 64)
	return kib << 10, err
}

// used is how much time of the processor this process had.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
