package spawn

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the child when the thread that forked it ends, also by SIGKILL, and gives it a
// process group.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
