//go:build !linux

package wasm

import (
	"os/exec"
	"time"
)

// dieWithParent has nothing to add here: the child ends when its standard input
// does.
func dieWithParent(*exec.Cmd) {}

func killGroup(int) {}

// confine does nothing here: the host bounds how long a child runs.
func confine(time.Duration, uint64) error { return nil }

// used is not known here.
func used() time.Duration { return 0 }
