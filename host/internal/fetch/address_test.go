package fetch

import (
	"net/netip"
	"testing"
)

func TestPublic(t *testing.T) {
	for _, a := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
		"192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:1.1.1.1",
		"2606:4700:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "2003::1", "2a00::5efe:0101:0101",
	} {
		if !Public(netip.MustParseAddr(a)) {
			t.Errorf("%s: want public", a)
		}
	}
	internal := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
	}
	for _, a := range internal {
		v4 := netip.MustParseAddr(a).As4()
		embedded := func(prefix string, at int) netip.Addr {
			b := netip.MustParseAddr(prefix).As16()
			copy(b[at:], v4[:])
			return netip.AddrFrom16(b)
		}
		for _, form := range []netip.Addr{
			netip.AddrFrom4(v4),
			embedded("::ffff:0:0", 12),
			embedded("::", 12),
			embedded("::ffff:0:0:0", 12),   // translated (SIIT)
			embedded("64:ff9b::", 12),      // NAT64
			embedded("64:ff9b:1::", 12),    // local NAT64
			embedded("2002::", 2),          // 6to4
			embedded("2001::", 12),         // Teredo
			embedded("2a00::5efe:0:0", 12), // ISATAP
			embedded("2a00::200:5efe:0:0", 12),
		} {
			if Public(form) {
				t.Errorf("%s: want internal", form)
			}
		}
	}
	for _, a := range []string{
		"::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "100::1", "64:ff9b::808:808",
		"2001::1", "2001:2::1", "2001:10::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "3ffe::1", "4000::1", "5f00::1",
	} {
		if Public(netip.MustParseAddr(a)) {
			t.Errorf("%s: want internal", a)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address: want internal")
	}
}
