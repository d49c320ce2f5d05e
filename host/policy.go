package host

import (
	"context"
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/vanth-io/vanth/host/internal/fetch"
)

// InstallPolicy bounds and permits what an installation may do. The comments
// name the configuration keys that errors tell operators to change.
type InstallPolicy struct {
	// MaxPackage bounds an archive, in bytes (limits.packageMiB). Default 64 MiB.
	MaxPackage int64
	// MaxUnpacked bounds what it unpacks to, in bytes (limits.unpackedMiB).
	// Default 512 MiB.
	MaxUnpacked int64
	// FetchTimeout bounds a download (limits.fetchTimeout). Default 5 min.
	FetchTimeout time.Duration
	// LoadTimeout bounds loading a module, compilation included
	// (limits.loadTimeout). Default 2 min.
	LoadTimeout time.Duration
	// PrivateNet allows downloads from loopback and private addresses
	// (basic.enablePrivateNet).
	PrivateNet bool
	// ExternalFiles allows file URLs outside Uploads
	// (basic.allowExternalFileAccess).
	ExternalFiles bool
	// Uploads is the folder that file URLs may always read. Default
	// data/uploads below the home.
	Uploads string
	// TLS configures downloads; nil trusts the system's roots. Certificates
	// are always verified.
	TLS *tls.Config
	// Scripts allows install.sh to run (basic.installScript: allow).
	Scripts bool
	// ScriptTimeout bounds it (basic.installScriptTimeout). Default 5 min.
	ScriptTimeout time.Duration
}

func (p *InstallPolicy) fill(home string) {
	if p.MaxPackage <= 0 {
		p.MaxPackage = 64 << 20
	}
	if p.MaxUnpacked <= 0 {
		p.MaxUnpacked = 512 << 20
	}
	if p.FetchTimeout <= 0 {
		p.FetchTimeout = 5 * time.Minute
	}
	if p.LoadTimeout <= 0 {
		p.LoadTimeout = 2 * time.Minute
	}
	if p.ScriptTimeout <= 0 {
		p.ScriptTimeout = 5 * time.Minute
	}
	if p.Uploads == "" {
		p.Uploads = filepath.Join(home, "data", "uploads")
	}
}

// fetching is what the policy says of downloads.
func (p *InstallPolicy) fetching() fetch.Policy {
	return fetch.Policy{
		MaxBytes: p.MaxPackage, Timeout: p.FetchTimeout, PrivateNet: p.PrivateNet,
		ExternalFiles: p.ExternalFiles, Uploads: p.Uploads, TLS: p.TLS,
	}
}

// Fetch writes the archive that url names to dst, as an installation would get
// it.
func (h *Host) Fetch(ctx context.Context, url string, dst io.Writer) error {
	if err := fetch.Check(url); err != nil {
		return Errorf(ErrInvalid, "%v", err)
	}
	f, err := os.CreateTemp(h.paths.tmp, "fetch-*.zip")
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		os.Remove(f.Name())
	}()
	if _, err := fetch.File(ctx, h.opts.Install.fetching(), url, "", f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(dst, f)
	return err
}
