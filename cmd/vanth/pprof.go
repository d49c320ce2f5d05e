package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vanth-io/vanth/cmd/vanth/internal/config"
)

// profilesPath is where net/http/pprof would serve them, so that the tools know it.
// That package itself would make the binary larger by 200 KB more.
const profilesPath = "/debug/pprof/"

// profiles serves what this process does, for `go tool pprof` and `go tool trace`, to
// this machine only: whoever reads a profile sees names of plugins and what is called
// when. It is the first to be opened and the last to be closed, so that starts and
// stops are seen too.
type profiles struct {
	listener net.Listener
	server   http.Server
	serving  sync.WaitGroup
	end      context.CancelFunc // ends the profiles under way
}

// noHeapProfile is for the very beginning of a process: until profiles are wanted no
// allocation is noted, which Go would do since they are in the binary.
func noHeapProfile() { runtime.MemProfileRate = 0 }

// pprofFlags turns the flag of serve into keys of the configuration.
func pprofFlags(address string) ([]config.Flag, error) {
	if address == "" {
		return nil, nil
	}
	ip, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("--pprof: found %q, expected host:port", address)
	}
	if ip == "" {
		ip = "127.0.0.1" // nothing else is permitted
	}
	return []config.Flag{
		{Name: "--pprof", Key: "basic.pprof", Value: "true"},
		{Name: "--pprof", Key: "basic.pprofIp", Value: ip},
		{Name: "--pprof", Key: "basic.pprofPort", Value: port},
	}, nil
}

// openProfiles listens. The configuration has seen to it that a name or an address
// stands for this machine; what a name really stands for is seen here.
func openProfiles(ctx context.Context, b config.Basic, log *slog.Logger) (*profiles, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(b.PprofIP, strconv.Itoa(b.PprofPort)))
	if err != nil {
		return nil, fmt.Errorf("basic.pprofPort: %w: set another, or basic.pprof: false", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("basic.pprofIp: %s stands for %s, which other machines can reach; expected an address of loopback, such as 127.0.0.1", b.PprofIP, l.Addr()), l.Close())
	}
	const usual = 512 << 10 // bytes between samples, Go's default
	runtime.MemProfileRate = usual

	p := &profiles{listener: l}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	p.end = end
	p.server = http.Server{
		Handler: http.HandlerFunc(serveProfile), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return life },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	p.serving.Go(func() {
		if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("profiles are not served any more", "err", err)
		}
	})
	log.Info("serving profiles", "address", "http://"+l.Addr().String()+profilesPath)
	return p, nil
}

// close ends the profiles under way and waits for their requests, until ctx ends.
func (p *profiles) close(ctx context.Context) error {
	p.end()
	err := p.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, p.server.Close())
	}
	p.serving.Wait()
	return err
}

// serveProfile answers one request.
func serveProfile(w http.ResponseWriter, r *http.Request) {
	if !fromHere(r) {
		http.Error(w, "profiles are for this machine: ask for them at "+r.Context().Value(http.LocalAddrContextKey).(net.Addr).String(), http.StatusForbidden)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, profilesPath)
	if r.URL.Path+"/" == profilesPath {
		ok, name = true, ""
	}
	switch {
	case !ok:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "found "+r.Method+", expected GET", http.StatusMethodNotAllowed)
	case name == "":
		listProfiles(w)
	case name == "profile":
		during(w, r, 30, pprof.StartCPUProfile, pprof.StopCPUProfile)
	case name == "trace":
		during(w, r, 1, trace.Start, trace.Stop)
	default:
		writeProfile(w, r, name)
	}
}

// fromHere reports whether a request was meant for this machine. A web page may have
// its own name stand for 127.0.0.1, or ask from another site.
func fromHere(r *http.Request) bool {
	name := r.Host
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	loopback := strings.EqualFold(name, "localhost") || err == nil && a.Unmap().IsLoopback()
	site := r.Header.Get("Sec-Fetch-Site") // what browsers say of the page that asks
	return loopback && (site == "" || site == "none" || site == "same-origin")
}

// listProfiles names what there is.
func listProfiles(w io.Writer) {
	var b strings.Builder
	b.WriteString("profile?seconds=30\ntrace?seconds=1\n")
	for _, p := range pprof.Profiles() {
		fmt.Fprintf(&b, "%s?debug=1 (%d)\n", p.Name(), p.Count())
	}
	_, _ = io.WriteString(w, b.String())
}

// writeProfile writes one of the profiles that Go keeps. debug=1 asks for text, gc=1
// for a collection before it.
func writeProfile(w http.ResponseWriter, r *http.Request, name string) {
	p := pprof.Lookup(name)
	if p == nil {
		http.Error(w, fmt.Sprintf("found no profile %q: %s lists them", name, profilesPath), http.StatusNotFound)
		return
	}
	q := r.URL.Query()
	debug, _ := strconv.Atoi(q.Get("debug"))
	if gc, _ := strconv.Atoi(q.Get("gc")); gc > 0 {
		runtime.GC()
	}
	as(w, name, debug != 0)
	_ = p.WriteTo(w, debug) // the client is gone
}

// as says what the body is.
func as(w http.ResponseWriter, name string, text bool) {
	kind := "application/octet-stream"
	if text {
		kind = "text/plain; charset=utf-8"
	} else {
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

// during records for as many seconds as the request asks for, or until it ends.
func during(w http.ResponseWriter, r *http.Request, usual int, start func(io.Writer) error, stop func()) {
	const longest = 600
	seconds := usual
	if text := r.URL.Query().Get("seconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > longest {
			http.Error(w, fmt.Sprintf("seconds: found %q, expected a whole number from 1 to %d", text, longest), http.StatusBadRequest)
			return
		}
		seconds = n
	}
	as(w, r.URL.Path[len(profilesPath):], false)
	if err := start(w); err != nil { // it is under way for somebody else
		w.Header().Del("Content-Disposition")
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	t := time.NewTimer(time.Duration(seconds) * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
	stop()
}
