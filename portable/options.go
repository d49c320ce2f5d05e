package portable

import (
	"cmp"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
)

// Options configure the runtime. Zero values mean the defaults stated.
type Options struct {
	// Dir is where processes get their private folders; it must be absolute.
	// Default: the system's folder for temporary files.
	Dir string
	// LogDir keeps what plugins print, a few files each. Default: only the end
	// of it is kept, in memory.
	LogDir string
	// Python is the interpreter of Python plugins. Default "python".
	Python string
	// InitTimeout bounds a start: from the fork to the handshake, and the start
	// of one symbol. Default 60 s.
	InitTimeout time.Duration
	// SendTimeout bounds the wait until a process takes a message. Default 5 s.
	SendTimeout time.Duration
	// RecvTimeout bounds a function call, and the wait for a sink's
	// acknowledgement. Default 5 s.
	RecvTimeout time.Duration
	// Grace is the time a process has to end by itself. Default 1 s.
	Grace time.Duration
	// EKuiperOnly withholds the offer of the fast lane.
	EKuiperOnly bool
	// Env names the variables that processes inherit, beside those that every
	// process gets; "*" stands for all.
	Env []string
	// MaxInstances is the ceiling of a manifest's "instances". Default 16.
	MaxInstances int
	// SharedTmp gives processes the real /tmp although private ones are
	// permitted.
	SharedTmp bool
	// Outside makes the runtime an aid for the authors of plugins: it starts no
	// process, but listens in the real /tmp and waits, without a limit, for one
	// that somebody else starts; whenever that one ends it waits for the next.
	// It is killed by nobody here. The fast lane is not offered.
	Outside bool
	// Log takes what no caller is there to hear. Default: nowhere.
	Log *slog.Logger
}

func (o *Options) fill() {
	o.Dir = cmp.Or(o.Dir, os.TempDir())
	o.Python = cmp.Or(o.Python, "python")
	o.InitTimeout = cmp.Or(o.InitTimeout, 60*time.Second)
	o.SendTimeout = cmp.Or(o.SendTimeout, 5*time.Second)
	o.RecvTimeout = cmp.Or(o.RecvTimeout, 5*time.Second)
	o.Grace = cmp.Or(o.Grace, time.Second)
	o.MaxInstances = cmp.Or(o.MaxInstances, 16)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// plain are the variables that tell a program where it runs. What else stands
// in the host's environment may be a secret.
func plain() []string {
	return []string{
		"PATH", "HOME", "USER", "LANG", "LC_*", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"LD_LIBRARY_PATH", "PYTHON*", "VIRTUAL_ENV", "CONDA*", "MAMBA*",
		"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	}
}

// environment picks from all, which is as os.Environ returns it, what a process
// inherits.
func (o *Options) environment(all []string) []string {
	granted := append(plain(), o.Env...)
	return slices.DeleteFunc(slices.Clone(all), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.ContainsFunc(granted, func(g string) bool {
			prefix, open := strings.CutSuffix(g, "*")
			return g == name || open && strings.HasPrefix(name, prefix)
		})
	})
}
