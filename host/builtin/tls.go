package builtin

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vanth-io/vanth/host"
)

// secrets name what a TLS client needs. Paths are relative to the home.
type secrets struct {
	home          string
	cert, key, ca string
	skip          bool
}

func readSecrets(l *life, p *reader) secrets {
	p.refuse("certificationRaw", "privateKeyRaw", "rootCARaw", "tlsMinVersion", "renegotiationSupport")
	s := secrets{
		home: l.owner.opts.Home,
		cert: p.text("certificationPath", ""), key: p.text("privateKeyPath", ""), ca: p.text("rootCaPath", ""),
		skip: p.boolean("insecureSkipVerify", false),
	}
	if (s.cert == "") != (s.key == "") {
		p.fail(host.ErrInvalid, "certificationPath", "expected it together with privateKeyPath")
	}
	return s
}

// config reads the files.
func (s secrets) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.skip} //nolint:gosec // the operator says so
	at := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(s.home, path)
	}
	if s.ca != "" {
		pem, err := os.ReadFile(at(s.ca))
		if err != nil {
			return nil, host.Errorf(host.ErrInvalid, "rootCaPath: %v", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, host.Errorf(host.ErrInvalid, "rootCaPath: %s: found no certificate, expected PEM", at(s.ca))
		}
	}
	if s.cert != "" {
		pair, err := tls.LoadX509KeyPair(at(s.cert), at(s.key))
		if err != nil {
			return nil, host.Errorf(host.ErrInvalid, "certificationPath: %v", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// advise adds to an error of TLS what to do about it.
func advise(err error) error {
	if isCertificate(err) {
		return fmt.Errorf("%w (set rootCaPath to the authority that signed it)", err)
	}
	return err
}
