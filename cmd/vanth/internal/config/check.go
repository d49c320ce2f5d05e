package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
)

// check judges keys against each other.
func (l *loader) check() {
	b, w := &l.config.Basic, &l.config.WASM
	if b.RestIP == "" && b.RestSocket == "" {
		l.reject("basic.restIp", errors.New("found no address, expected one, or basic.restSocket"))
	}
	if (b.CertFile == "") != (b.KeyFile == "") {
		l.reject("basic.restTls.certfile", errors.New("found only one of certfile and keyfile, expected both or none"))
	}
	if w.PoolMax > 0 && w.PoolMin > w.PoolMax {
		l.reject("wasm.poolMin", fmt.Errorf("found %d, expected at most wasm.poolMax, which is %d", w.PoolMin, w.PoolMax))
	}
	if l.config.Limits.UnpackedMiB < l.config.Limits.PackageMiB {
		l.reject("limits.unpackedMiB", fmt.Errorf("found %d, expected at least limits.packageMiB, which is %d",
			l.config.Limits.UnpackedMiB, l.config.Limits.PackageMiB))
	}
	if b.Pprof && !loopback(b.PprofIP) {
		l.reject("basic.pprofIp", fmt.Errorf("found %q, which other machines may reach; profiles are for this machine only: "+
			"set basic.pprofIp: 127.0.0.1, and reach it from elsewhere through ssh -L, or basic.pprof: false", b.PprofIP))
	}
	if b.RestIP != "" && !loopback(b.RestIP) && !b.Authentication && !b.Insecure {
		l.reject("basic.restIp", fmt.Errorf("found %s, which other machines can reach, without authentication; "+
			"set basic.restIp: 127.0.0.1, or basic.authentication: true, or - to let everybody in - basic.insecure: true", b.RestIP))
	}
}

// reject adds an error on a key, with the place where it was last set.
func (l *loader) reject(name string, err error) {
	if where, ok := l.origin[name]; ok {
		name = where + ": " + name
	}
	l.errs = append(l.errs, fmt.Errorf("%s: %w", name, err))
}

// loopback reports whether only this machine reaches an address. Of names only
// localhost counts: what others stand for may change.
func loopback(ip string) bool {
	if strings.EqualFold(ip, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(ip)
	return err == nil && a.Unmap().IsLoopback()
}

// locate makes paths absolute.
func (c *Config) locate(home string) {
	for _, p := range []*string{&c.Basic.RestSocket, &c.Basic.CertFile, &c.Basic.KeyFile} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(home, *p)
		}
	}
}
