package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/cmd/vanth/internal/config"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
	"github.com/vanth-io/vanth/host/rule"
	"github.com/vanth-io/vanth/native"
	"github.com/vanth-io/vanth/portable"
	"github.com/vanth-io/vanth/store"
	"github.com/vanth-io/vanth/wasm"
)

// server is everything that runs, wired.
type server struct {
	kept      *store.Store
	host      *host.Host
	api       *api.Server
	listeners []net.Listener
	stopAsked chan int // gets the exit status when a client asks for a stop
	serving   sync.WaitGroup
	closers   []closer // in the order of opening
}

// closer ends one opened part.
type closer struct {
	name  string
	close func(context.Context) error
}

// open opens the parts in order. On an error those that were opened are closed
// again, in reverse.
func open(ctx context.Context, home string, c config.Config, log *slog.Logger) (_ *server, err error) {
	s := &server{stopAsked: make(chan int, 1)}
	defer func() {
		if err != nil {
			clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Basic.StopTimeout)
			defer cancel()
			err = errors.Join(err, s.close(clean))
		}
	}()
	if c.Basic.Pprof {
		p, err := openProfiles(ctx, c.Basic, log)
		if err != nil {
			return nil, err
		}
		s.opened("profiles", p.close)
	}
	if err = s.openHost(ctx, home, c, log); err != nil {
		return nil, err
	}
	o := ruleOptions(home, c, log)
	o.Host, o.Store = s.host, s.kept
	rules, err := rule.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	s.opened("rules", rules.Close)

	a := apiOptions(home, c, log, rules, func(code int) { s.stopAsked <- code })
	a.Fetch = s.host.Fetch
	if s.api, err = api.New(s.host, a); err != nil {
		return nil, err
	}
	s.opened("api", s.api.Close)

	if s.listeners, err = listen(ctx, c.Basic); err != nil {
		return nil, err
	}
	return s, nil
}

// openHost opens the parts below the rules and the API. Those that were opened
// are in s, also after an error.
func (s *server) openHost(ctx context.Context, home string, c config.Config, log *slog.Logger) (err error) {
	if s.kept, err = store.Open(filepath.Join(home, "data", "vanth.db")); err != nil {
		return err
	}
	s.opened("store", func(context.Context) error { return s.kept.Close() })

	c = fitMachine(c, log)
	guests, err := wasm.New(ctx, wasmOptions(home, c, log))
	if err != nil {
		return err
	}
	s.opened("wasm", guests.Close)

	plugins := native.New(nativeOptions(home, c, log))
	s.opened("native", plugins.Close)

	programs := portable.New(portableOptions(home, c, log))
	s.opened("portable", programs.Close)

	own := builtin.New(builtin.Options{
		Home: home, Log: log, ExternalFiles: c.Basic.ExternalFiles,
		PushAddr: net.JoinHostPort(c.Source.PushIP, strconv.Itoa(c.Source.PushPort)), PushCert: c.Source.PushCert, PushKey: c.Source.PushKey,
	})
	s.opened("builtin", own.Close)

	o := hostOptions(home, c, log)
	o.Store, o.Builtin, o.Runtimes = s.kept, own, []host.Runtime{plugins, programs, guests}
	if s.host, err = host.Open(ctx, o); err != nil {
		return err
	}
	s.opened("host", s.host.Close)
	return nil
}

func ruleOptions(home string, c config.Config, log *slog.Logger) rule.Options {
	return rule.Options{
		Log: log, Drain: c.Limits.Drain,
		Groups: func(k host.Kind, kind string) (map[string]map[string]any, error) {
			return config.Groups(home, k.String()+"s", kind)
		},
	}
}

func (s *server) opened(name string, end func(context.Context) error) {
	s.closers = append(s.closers, closer{name, end})
}

// run serves on every listener and returns at once; the channel gets the first
// failure. close waits for what run started.
func (s *server) run() <-chan error {
	failed := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		s.serving.Go(func() {
			if err := s.api.Serve(l); err != nil {
				failed <- fmt.Errorf("%s: %w", l.Addr(), err)
			}
		})
	}
	return failed
}

// close ends the parts in the reverse order of opening. All are ended, also
// when one reports an error.
func (s *server) close(ctx context.Context) error {
	var errs []error
	for _, c := range slices.Backward(s.closers) {
		if err := c.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop: %s: %w", c.name, err))
		}
		if c.name == "api" {
			closeAll(s.listeners)
			s.serving.Wait()
		}
	}
	return errors.Join(errs...)
}

// plugins counts the plugins that serve and those that do not.
func (s *server) plugins() (running, broken int) {
	for _, c := range []host.Class{host.ClassWASM, host.ClassPortables, host.ClassFunctions, host.ClassSources, host.ClassSinks} {
		for _, p := range s.host.List(c) {
			if p.Err != nil {
				broken++
			} else {
				running++
			}
		}
	}
	return running, broken
}

func hostOptions(home string, c config.Config, log *slog.Logger) host.Options {
	return host.Options{
		Home: home, Log: log, Checkpoint: c.Limits.StateCheckpoint, Drain: c.Limits.Drain,
		Install: host.InstallPolicy{
			MaxPackage:    int64(c.Limits.PackageMiB) << 20,
			MaxUnpacked:   int64(c.Limits.UnpackedMiB) << 20,
			FetchTimeout:  c.Limits.FetchTimeout,
			LoadTimeout:   c.Limits.LoadTimeout,
			PrivateNet:    c.Basic.PrivateNet,
			ExternalFiles: c.Basic.ExternalFiles,
			Scripts:       c.Basic.InstallScript == "allow",
			ScriptTimeout: c.Basic.InstallScriptTimeout,
		},
	}
}

func wasmOptions(home string, c config.Config, log *slog.Logger) wasm.Options {
	return wasm.Options{
		CacheDir:    filepath.Join(home, "data", "cache", "wasm"),
		CallTimeout: c.WASM.CallTimeout, StartTimeout: c.WASM.StartTimeout, Fuel: c.WASM.Fuel, CPUPercent: c.WASM.CPUPercent, MemoryMiB: c.WASM.MemoryMiB,
		StackKiB: c.WASM.StackKiB, TableEntries: c.WASM.TableEntries, OutputKiB: c.WASM.OutputKiB, MaxModuleMiB: c.WASM.ModuleMiB,
		LogKiBs: c.WASM.LogKiBs, StateKiBs: c.WASM.StateKiBs,
		PoolMin: c.WASM.PoolMin, PoolMax: c.WASM.PoolMax, PoolIdle: c.WASM.PoolIdle, PoolWait: c.WASM.PoolWait,
		HTTP:   wasm.HTTP{Allow: c.WASM.HTTP, Timeout: c.WASM.HTTPTimeout, MaxBytes: c.WASM.HTTPMaxKiB << 10},
		Engine: c.WASM.Engine, Grants: c.WASM.Grants, Trusted: c.WASM.Trusted, Log: log,
		Compiler: []string{ownFile(), compileCommand}, CompileTime: c.WASM.CompileTime, CompileMiB: c.WASM.CompileMiB,
		Quarantine: cmp.Or(c.WASM.Quarantine, -1),
	}
}

func nativeOptions(home string, c config.Config, log *slog.Logger) native.Options {
	exe := ownFile()
	o := native.Options{
		Home: home, StateDir: filepath.Join(home, "data", "native"),
		Probe: []string{exe, probeCommand}, Log: log,
	}
	if c.Native.Isolation == "process" {
		o.Worker = []string{exe, workerCommand}
	}
	return o
}

func portableOptions(home string, c config.Config, log *slog.Logger) portable.Options {
	p := c.Portable
	return portable.Options{
		LogDir: filepath.Join(home, "data", "log"), Python: p.Python,
		InitTimeout: p.InitTimeout, SendTimeout: p.SendTimeout, RecvTimeout: p.RecvTimeout, Grace: p.Grace,
		EKuiperOnly: p.Lane == "ekuiper", SharedTmp: p.Tmp == "shared", Env: p.Env, MaxInstances: p.MaxInstances, Log: log,
	}
}

func apiOptions(home string, c config.Config, log *slog.Logger, rules api.Rules, stop func(code int)) api.Options {
	o := api.Options{
		Version: thisBuild().Version,
		MaxBody: int64(c.Limits.BodyMiB) << 20, MaxCalls: c.Limits.Calls, MaxBuffered: int64(c.Limits.BufferMiB) << 20,
		MaxPackage: int64(c.Limits.PackageMiB) << 20,
		CertFile:   c.Basic.CertFile, KeyFile: c.Basic.KeyFile,
		AllowedHosts: c.Basic.AllowedHosts, Audit: c.Basic.AuditLog,
		PluginHosts: cmp.Or(strings.TrimSpace(c.Basic.PluginHosts), ","), // "," names none
		PluginKeys:  c.Basic.PluginKeys,
		Stop:        stop, Log: log, Rules: rules,
		Uploads: filepath.Join(home, "data", "uploads"),
	}
	if c.Basic.Authentication {
		o.Auth = &api.Auth{Keys: filepath.Join(home, "etc", "mgmt")}
	}
	return o
}
