package host

import (
	"net/netip"

	"github.com/vanth-io/vanth/host/internal/fetch"
)

// PublicAddress reports whether a is an ordinary address of the public internet,
// by the rules that downloads keep: what is private, local, special or holds such
// an IPv4 address is not.
func PublicAddress(a netip.Addr) bool { return fetch.Public(a) }
