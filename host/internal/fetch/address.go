package fetch

import "net/netip"

// addressJudge returns the rule for every address that is dialed.
func addressJudge(p Policy) func(netip.Addr) error {
	return func(a netip.Addr) error {
		if p.PrivateNet || Public(a) {
			return nil
		}
		return refuse("ip %s is in internal network; the setting is basic.enablePrivateNet", a.Unmap())
	}
}

// Public reports whether a is an ordinary address of the public internet. IPv4 in its mapped IPv6
// form counts as IPv4.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return false
	}
	if a.Is4() {
		return !within(a, special4())
	}
	// Only 2000::/3 is handed out. Everything else is special: ::, ::1, IPv4-compatible (::/96),
	// NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard, unique local, link local, site local, multicast.
	global := netip.MustParsePrefix("2000::/3")
	if !global.Contains(a) || within(a, special6()) {
		return false
	}
	v4, ok := isatap(a)
	return !ok || Public(v4)
}

func within(a netip.Addr, ranges []string) bool {
	for _, r := range ranges {
		if netip.MustParsePrefix(r).Contains(a) {
			return true
		}
	}
	return false
}

// special4 is the IANA special-purpose registry for IPv4, but for what is globally reachable.
func special4() []string {
	return []string{
		"0.0.0.0/8",       // this network
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // carrier-grade NAT
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link local, cloud metadata
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarking
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, broadcast
	}
}

// special6 is what is special inside 2000::/3.
func special6() []string {
	return []string{
		"2001::/23",     // protocol assignments: Teredo, benchmarking, ORCHID
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4
		"3ffe::/16",     // the former 6bone
		"3fff::/20",     // documentation
	}
}

// isatap returns the IPv4 address that an ISATAP interface identifier (RFC 5214) embeds.
func isatap(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	if b[8]&^0x02 != 0 || b[9] != 0 || b[10] != 0x5e || b[11] != 0xfe {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(b[12:16])), true
}
