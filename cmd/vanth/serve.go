package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/cmd/vanth/internal/config"
)

func newServe(e env) *cobra.Command {
	var home, listen, socket, stop, pprof string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the plugin host",
		Long: "Run the plugin host. Its configuration is etc/kuiper.yaml below the home, which is\n" +
			"created on the first start; the environment (KUIPER__BASIC__RESTPORT=9082) outweighs\n" +
			"the file, and flags outweigh both. SIGINT and SIGTERM stop it in good order, a second\n" +
			"one at once. Where control groups limit memory, Go's heap gets half of it, unless\n" +
			"GOMEMLIMIT says how much.",
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&home, "home", "", "the home directory (VANTH_HOME; default vanth in the user's data directory)")
	f.StringVar(&listen, "listen", "", "host:port of the API, in place of basic.restIp and restPort; port 0 takes a free one")
	f.StringVar(&socket, "socket", "", "path of a Unix socket for the API, in place of basic.restSocket")
	f.StringVar(&stop, "stop-timeout", "", "how long a stop may take, in place of basic.gracefulShutdownTimeout")
	f.StringVar(&pprof, "pprof", "", "host:port of loopback for profiles (/debug/pprof/), in place of basic.pprof, pprofIp and pprofPort; port 0 takes a free one")
	_ = c.MarkFlagDirname("home")
	_ = c.MarkFlagFilename("socket")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		home, err := findHome(home, e)
		if err != nil {
			return coded(exitUsage, err)
		}
		flags, err := serveFlags(listen, socket, stop)
		if err != nil {
			return err
		}
		profiles, err := pprofFlags(pprof)
		if err != nil {
			return err
		}
		return start(cmd.Context(), home, append(flags, profiles...), e)
	})
	return c
}

// findHome returns the absolute home directory. It is never the current
// directory by default, so that a run leaves nothing where it was started.
func findHome(flag string, e env) (string, error) {
	home := flag
	if home == "" {
		home = e.lookup("VANTH_HOME")
	}
	if data := e.lookup("XDG_DATA_HOME"); home == "" && filepath.IsAbs(data) {
		home = filepath.Join(data, "vanth")
	}
	if user := e.lookup("HOME"); home == "" && filepath.IsAbs(user) {
		home = filepath.Join(user, ".local", "share", "vanth")
	}
	if home == "" {
		return "", errors.New("no home directory: set --home or VANTH_HOME")
	}
	return filepath.Abs(home)
}

// serveFlags turns the flags of serve into keys of the configuration.
func serveFlags(listen, socket, stop string) ([]config.Flag, error) {
	var flags []config.Flag
	if listen != "" {
		ip, port, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, usagef("--listen: found %q, expected host:port", listen)
		}
		if ip == "" {
			ip = "0.0.0.0" // what ":9081" means everywhere in Go
		}
		flags = append(flags, config.Flag{Name: "--listen", Key: "basic.restIp", Value: ip},
			config.Flag{Name: "--listen", Key: "basic.restPort", Value: port})
	}
	if socket != "" {
		abs, err := filepath.Abs(socket) // of a flag, not below the home
		if err != nil {
			return nil, err
		}
		flags = append(flags, config.Flag{Name: "--socket", Key: "basic.restSocket", Value: abs})
	}
	if stop != "" {
		flags = append(flags, config.Flag{Name: "--stop-timeout", Key: "basic.gracefulShutdownTimeout", Value: stop})
	}
	return flags, nil
}

// start reads the configuration and serves until told to stop.
func start(ctx context.Context, home string, flags []config.Flag, e env) error {
	warnings, err := config.Prepare(home)
	if err != nil {
		return err
	}
	c, more, err := config.Load(config.Sources{Home: home, File: config.File(home), Environ: e.vars, Flags: flags})
	out := newLogWriter(e.err)
	defer out.close(time.Second)
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: c.Basic.Level()}))
	for _, w := range append(warnings, more...) {
		log.Warn("configuration", "at", w.Where, "key", w.Key, "problem", w.Text)
	}
	if err != nil {
		return coded(exitUsage, err)
	}

	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	// Once the first signal came, a second one ends the process at once.
	context.AfterFunc(ctx, restore)
	return serve(ctx, home, c, log)
}

// serve runs a server until ctx ends, a client asks it to stop, or it fails,
// and stops it within the configured time.
func serve(ctx context.Context, home string, c config.Config, log *slog.Logger) error {
	began := time.Now()
	s, err := open(ctx, home, c, log)
	switch {
	case ctx.Err() != nil && s == nil:
		return nil // stopped while it started: nobody needs a reason
	case err != nil:
		return err
	}
	running, broken := s.plugins()
	log.Info("serving", "address", addresses(s.listeners, c.Basic), "home", home,
		"plugins", running, "broken", broken, "version", thisBuild().Version, "started_in", time.Since(began).Round(time.Millisecond))
	failed := s.run()
	defer time.AfterFunc(settled, debug.FreeOSMemory).Stop()
	select {
	case <-ctx.Done():
		log.Info("stopping", "why", "signal", "within", c.Basic.StopTimeout)
	case code := <-s.stopAsked:
		log.Info("stopping", "why", "a client asked for it", "within", c.Basic.StopTimeout, "status", code)
		if code != exitOK {
			err = coded(code, errors.New("stopped because a client deleted a plugin with stop=1; start it again"))
		}
	case err = <-failed:
		log.Error("stopping", "why", "serving failed", "err", err)
	}
	return errors.Join(err, stopWithin(context.WithoutCancel(ctx), c.Basic.StopTimeout, s, log))
}

// settled is how long after its start a server gives back to the system what only
// the start took: some MiB for each large plugin, which Go would keep for minutes. It
// is not at once, since it takes processor time from the first calls.
const settled = 2 * time.Second

// stopWithin closes the server. What does not stop in time is forced to; what
// does not even follow force is left to the end of the process.
func stopWithin(ctx context.Context, limit time.Duration, s *server, log *slog.Logger) error {
	const afterForce = time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.close(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			log.Info("stopped")
		}
		return err
	case <-time.After(limit + afterForce):
		return fmt.Errorf("not everything stopped within %s: it ends now by force", limit)
	}
}
