package main

import (
	"fmt"
	"os"
)

// roleWord makes this program the child process of a subject.
const roleWord = "peers-role"

// The roles.
const (
	roleLane     = "lane"
	roleWire     = "wire"
	roleLockstep = "lockstep"
	roleGRPC     = "grpc"
	roleNetRPC   = "netrpc"
)

// role runs this process as the child that args, the program's, make it. It
// returns false if they make it none.
func role(args []string) bool {
	if len(args) < 3 || args[1] != roleWord {
		return false
	}
	var err error
	switch args[2] {
	case roleLane:
		lanePlugin()
	case roleWire:
		err = wirePlugin()
	case roleLockstep:
		err = lockstepPlugin(args[3:])
	case roleGRPC:
		serveGRPC()
	case roleNetRPC:
		serveNetRPC()
	default:
		err = fmt.Errorf("found the role %q", args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
	}
	return true
}
