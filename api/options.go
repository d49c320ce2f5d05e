package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/vanth-io/vanth/host"
)

// Host is what the API needs of the host; *host.Host is one.
type Host interface {
	List(host.Class) []host.Plugin
	Get(host.ID) (host.Plugin, error)
	Install(context.Context, host.Request) (host.Plugin, error)
	Replace(context.Context, host.Request) (host.Plugin, error)
	Remove(context.Context, host.ID) error
	Register(ctx context.Context, id host.ID, functions []string) error
	Status(host.ID) (host.Status, error)
	Restart(context.Context, host.ID) error
	Output(host.ID) (host.Output, error)
	Fuel(host.ID) (used uint64, counted bool)
	Waited(host.ID) time.Duration

	Functions() []host.FunctionDesc
	FunctionNamed(name string) (host.FunctionDesc, error)
	Function(name string) (*host.Handle, error)
}

// Options configure a Server. Zero values mean the defaults stated.
type Options struct {
	// Version is shown by GET /.
	Version string
	// MaxBody bounds a JSON or NDJSON body, in bytes. Default 16 MiB.
	MaxBody int64
	// MaxPackage bounds an uploaded package, in bytes. Default 64 MiB.
	MaxPackage int64
	// MaxConns bounds the connections of all listeners together. Default 4096.
	MaxConns int
	// MaxCalls bounds the calls and batches of all clients that were begun and are
	// not answered; more get 429. Default 1024.
	MaxCalls int
	// MaxBuffered bounds the bodies of all clients together that wait for their
	// answers, in bytes, but for the first 16 KiB of each; more get 429. Default
	// 256 MiB, and at least MaxBody.
	MaxBuffered int64

	// HeaderTimeout bounds the time from a request's first byte to the end of
	// its header, TLS handshake included. Default 10 s.
	HeaderTimeout time.Duration
	// ReadTimeout bounds reading the body. Default 5 min.
	ReadTimeout time.Duration
	// WriteTimeout bounds writing the answer; for a batch, each part of it.
	// Default 5 min.
	WriteTimeout time.Duration
	// IdleTimeout bounds the wait for the next request of a connection.
	// Default 60 s.
	IdleTimeout time.Duration
	// CallTimeout is a ceiling on one function call, and on each row of a
	// batch. Default none: the runtime's own limit rules, and the call path
	// does without a timer.
	CallTimeout time.Duration

	// Auth demands a token on every route but / and /ping; nil demands none.
	Auth *Auth
	// CertFile and KeyFile (PEM, both or none) make every listener but Unix
	// sockets speak HTTPS only.
	CertFile, KeyFile string

	// AllowedHosts are the names, beside those of loopback, by which requests may
	// call the host on a loopback listener when Auth is nil: others come from
	// pages whose names were made to stand for this machine, and get 403.
	AllowedHosts []string
	// Audit logs each request that changes the host, at level info: method, path,
	// status, remote address and the issuer of its token.
	Audit bool

	// Log takes what no client is there to hear. Default: nowhere.
	Log *slog.Logger
	// PluginHosts are the download sites of prebuilt plugins, as a comma list; of
	// those that have the same plugin the first one counts, and "," names none.
	// Default https://packages.emqx.io.
	PluginHosts string
	// PluginKeys are public keys of minisign, in base64. With any, a download site
	// counts only by an index that is signed with one of them.
	PluginKeys []string

	// Rules are the streams and rules. Default none: their paths are not known.
	Rules Rules
	// Uploads is the folder of /config/uploads; it is made when the first file
	// comes. It has to be that of host.InstallPolicy for packages to be installed
	// from there. Default none: the paths are not known.
	Uploads string
	// Fetch writes what url names to dst, as far as the host's policy permits it,
	// for an upload that names a URL. Default: such an upload is refused.
	Fetch func(ctx context.Context, url string, dst io.Writer) error

	// Stop is called once, StopDelay after a request that asks for it was
	// answered: with 0 for /stop, with 100 for a deletion with stop=1. The
	// process is to end with that status. Stop may call Close. Default: nothing
	// happens.
	Stop func(code int)
	// StopDelay leaves time for the answer to arrive. Default 1 s.
	StopDelay time.Duration
}

// Auth is eKuiper's token check.
type Auth struct {
	// Keys is the folder of the PEM public keys that tokens name as issuer.
	Keys string
}

func (o *Options) fill() {
	positive(&o.MaxBody, 16<<20)
	positive(&o.MaxPackage, 64<<20)
	positive(&o.MaxConns, 4096)
	positive(&o.MaxCalls, 1024)
	positive(&o.MaxBuffered, 256<<20)
	o.MaxBuffered = max(o.MaxBuffered, o.MaxBody)
	positive(&o.HeaderTimeout, 10*time.Second)
	positive(&o.ReadTimeout, 5*time.Minute)
	positive(&o.WriteTimeout, 5*time.Minute)
	positive(&o.IdleTimeout, time.Minute)
	positive(&o.StopDelay, time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stop == nil {
		o.Stop = func(int) {}
	}
	names := make([]string, len(o.AllowedHosts))
	for i, h := range o.AllowedHosts {
		names[i] = hostName(h)
	}
	o.AllowedHosts = names
	if o.PluginHosts == "" {
		o.PluginHosts = "https://packages.emqx.io"
	}
}

func positive[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// tls loads the certificate; nil when none is configured.
func (o *Options) tls() (*tls.Config, error) {
	if o.CertFile == "" && o.KeyFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("restTls: certfile %q, keyfile %q: %w", o.CertFile, o.KeyFile, err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
	}, nil
}
