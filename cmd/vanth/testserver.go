package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable"
)

// testserverFlags is what testserver is told.
type testserverFlags struct {
	plugin, listen, input string
	wait                  time.Duration
}

func newTestserver(g *globals) *cobra.Command {
	var o testserverFlags
	c := &cobra.Command{
		Use: "testserver --plugin FILE.json", Short: "Play the host for a portable plugin that you start yourself", Args: cobra.NoArgs,
		Long: "Play the host for a portable plugin that you start yourself, in a shell or a debugger.\n\n" +
			" 1. Start this command. FILE.json is the plugin's manifest, named after the plugin;\n" +
			"    nothing is installed, and its executable need not exist.\n" +
			" 2. Start or debug your plugin. It finds the host at /tmp/plugin_NAME.ipc, and is waited\n" +
			"    for as long as it takes. It gets what this host gives every plugin, but for the fast\n" +
			"    lane: eKuiper's wire, with every function of the manifest started.\n" +
			" 3. POST /symbol/start and /symbol/stop, with the object that eKuiper's tool takes:\n" +
			"    symbolName, pluginType (source, sink or func), and for sources and sinks meta,\n" +
			"    dataSource and config. The answer is ok, or what is wrong.\n\n" +
			"Standard output gets a line of JSON for each thing that happens: what sources send, with\n" +
			"\"error\" in place of \"message\" for their errors, what functions return, and what became of\n" +
			"rows. Standard error tells the rest.\n\n" +
			"Functions and sinks are fed by the lines of --input, else of standard input: a JSON array\n" +
			"of arguments for a function; a row, which is an object or an array, for a sink. A line\n" +
			"waits until there is one of either. If several are started, NAME: before the JSON picks\n" +
			"one. Whether a row was acknowledged is known if the config has requireAck.\n\n" +
			"When your plugin ends it is waited for again, and what was started is started in the next.\n" +
			"Ctrl-C stops what is started and removes the sockets; a second one ends at once.",
		Example: "  vanth plugin testserver --plugin pysam.json\n" +
			"  PYTHONPATH=sdk/python python3 plugins/portable/pysam/pysam.py      # or your debugger\n" +
			"  curl localhost:33333/symbol/start -d '{\"symbolName\": \"pyjson\", \"pluginType\": \"source\",\n" +
			"    \"meta\": {\"ruleId\": \"rule1\", \"opId\": \"demo\", \"instanceId\": 0}, \"config\": {\"interval\": 100}}'\n" +
			"  curl localhost:33333/symbol/start -d '{\"symbolName\": \"revert\", \"pluginType\": \"func\"}'\n" +
			"  curl localhost:33333/symbol/start -d '{\"symbolName\": \"print\", \"pluginType\": \"sink\"}'\n" +
			"  revert: [\"abc\"]                       # typed where the server runs\n" +
			"  print: [{\"a\": 1}]",
	}
	f := c.Flags()
	f.StringVar(&o.plugin, "plugin", "", "the plugin's manifest, NAME.json")
	f.StringVar(&o.listen, "listen", "127.0.0.1:33333", "host:port of the two calls; port 0 takes a free one")
	f.StringVar(&o.input, "input", "", "a file of lines for functions and sinks, in place of standard input")
	f.DurationVar(&o.wait, "wait", 10*time.Minute, "how long your plugin may take for a call, a start or an acknowledgement")
	_ = c.MarkFlagFilename("plugin", "json")
	_ = c.MarkFlagFilename("input")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error { return testPlugin(cmd.Context(), o, g.env) })
	return c
}

// testPlugin serves until ctx ends or a signal comes.
func testPlugin(ctx context.Context, o testserverFlags, e env) error {
	manifest, err := readManifest(o.plugin)
	if err != nil {
		return err
	}
	in := e.in
	if o.input != "" {
		f, err := os.Open(o.input)
		if err != nil {
			return fmt.Errorf("--input: %w", err)
		}
		defer f.Close()
		in = f
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	context.AfterFunc(ctx, restore) // a second signal ends the process at once
	log := slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	s := newStage(manifest, e.out, log)
	return s.run(ctx, l, in, portable.Options{
		Outside: true, Log: log, InitTimeout: o.wait, SendTimeout: o.wait, RecvTimeout: o.wait,
	}, filepath.Dir(o.plugin))
}

// readManifest reads the manifest of a plugin that is not installed.
func readManifest(file string) (m host.Manifest, err error) {
	name, ok := strings.CutSuffix(filepath.Base(file), ".json")
	if !ok {
		return m, usagef("--plugin: found %q, expected the plugin's manifest, NAME.json", file)
	}
	b, err := os.ReadFile(file)
	if err == nil {
		m, err = host.ParseManifest(host.ID{Class: host.ClassPortables, Name: name}, b)
	}
	if err == nil && !m.IsProgram() {
		err = fmt.Errorf("language %q is not that of a program", m.Language)
	}
	if err != nil {
		return m, fmt.Errorf("--plugin %s: %w", file, err)
	}
	m.Name = name
	return m, nil
}

// withoutTime leaves out what a person at a terminal does not need.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == "plugin" {
		return slog.Attr{}
	}
	return a
}

// stopLimit is how long a plugin, which may stand at a breakpoint, may take to
// stop what is started.
const stopLimit = 5 * time.Second

// run opens the HTTP server, then the plugin, and closes them in reverse. The
// input is read, by a goroutine of its own, once the plugin is there.
func (s *stage) run(ctx context.Context, l net.Listener, in io.Reader, o portable.Options, dir string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler: s.routes(), ReadTimeout: time.Minute, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() {
		defer cancel()
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
		close(failed)
	}()
	s.log.Info("listening", "address", "http://"+l.Addr().String())
	runtime := portable.New(o)
	m, err := runtime.Load(ctx, host.Bundle{Plugin: host.Plugin{ID: s.id(), Dir: dir, Manifest: s.manifest}, Dir: dir})
	if err == nil {
		s.enter(m)
		s.log.Info("POST /symbol/start and /symbol/stop are served")
		s.feed(ctx, in)
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		err = nil // told to stop
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer stop()
	cancel()
	err = errors.Join(err, server.Shutdown(end))
	for e := range failed {
		err = errors.Join(err, e)
	}
	err = errors.Join(err, s.close(end), runtime.Close(end))
	s.log.Info("stopped")
	return err
}

// routes are the two calls. Pages of other origins may not make them.
func (s *stage) routes() http.Handler {
	mux := http.NewServeMux()
	for path, do := range map[string]func(context.Context, *cue) error{"/symbol/start": s.start, "/symbol/stop": s.stop} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			const maxBody = 1 << 20
			var c cue
			err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&c)
			if err != nil {
				err = fmt.Errorf("Invalid body: decode error %w", err) //nolint:staticcheck // eKuiper's sentence
			} else {
				err = do(r.Context(), &c)
			}
			if err != nil {
				http.Error(w, err.Error(), statusOf(err))
				return
			}
			_, _ = io.WriteString(w, "ok")
		})
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

// statusOf is 400, as in eKuiper's tool, but for a plugin that is not there.
func statusOf(err error) int {
	if errors.Is(err, host.ErrUnavailable) {
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}
