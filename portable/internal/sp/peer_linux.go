package sp

import "syscall"

func peerOf(raw syscall.RawConn) (p Peer, err error) {
	var cred *syscall.Ucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); e != nil {
		return p, e
	}
	if err != nil {
		return p, err
	}
	return Peer{PID: int(cred.Pid), UID: int(cred.Uid)}, nil
}
