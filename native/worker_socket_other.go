//go:build !unix

package native

import (
	"net"
	"os"

	"github.com/vanth-io/vanth/host"
)

// socketPair has no form here.
func socketPair() (net.Conn, *os.File, error) {
	return nil, nil, host.Errorf(host.ErrUnsupported, "worker processes are not in this build")
}

func killGroup(int) {}
