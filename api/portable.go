package api

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
)

// portableClass is the collection of eKuiper's portable plugins.
func portableClass() class {
	return class{
		name: host.ClassPortables, item: appendPortable, object: appendPortable, watched: true,
		words: words{
			one:      "portable plugin",
			creating: "portable plugin create command error",
			updating: "portable plugin update command error",
			updated:  "portable plugin %s is updated",
			deleted:  "portable plugin %s is deleted",
			unknown:  "portable plugin %s is not found",
		},
	}
}

// statusRoutes are those of plugins that are watched.
func (c class) statusRoutes(one string) []route {
	return []route{
		{"GET", one + "/status", c.status, "how a " + c.words.one + " is", safe | ekuiper},
		{"POST", one + "/restart", c.restart, "end what runs of a " + c.words.one + " and start it anew", ekuiper},
	}
}

func (c class) logRoute(one string) route {
	return route{"GET", one + "/logs", c.logs, "what a " + c.words.one + " printed", safe | ekuiper}
}

// appendPortable appends a portable plugin: eKuiper's keys in eKuiper's order,
// and ours only of one that does not run, since clients compare the bytes.
func appendPortable(dst []byte, p *host.Plugin) []byte {
	file := p.Manifest.Executable
	if file == "" {
		file = p.ID.Name + ".wasm"
	}
	if p.Dir != "" {
		file = filepath.Join(p.Dir, file)
	}
	dst = append(dst, '{')
	dst = appendField(dst, "name", p.ID.Name)
	dst = appendField(dst, "version", p.Manifest.Version)
	dst = appendField(dst, "language", p.Manifest.Language)
	dst = appendField(dst, "executable", file)
	if p.Manifest.VirtualEnvType != "" {
		dst = appendField(dst, "virtualEnvType", p.Manifest.VirtualEnvType)
		dst = appendField(dst, "env", p.Manifest.Env)
	}
	dst = appendNames(dst, "sources", p.Manifest.Sources)
	dst = appendNames(dst, "sinks", p.Manifest.Sinks)
	dst = appendNames(dst, "functions", p.Manifest.Functions)
	if p.Err != nil {
		dst = appendField(dst, "errMsg", p.Err.Error())
		dst = appendField(dst, "status", status(p.Err))
	}
	return append(dst, '}')
}

func (c class) status(s *Server, r *request) error {
	id, err := c.id(r)
	if err != nil {
		return err
	}
	st, err := s.host.Status(id)
	if errors.Is(err, host.ErrNotFound) {
		return notFound("%s %s not found: not found", c.words.one, id.Name)
	}
	if err != nil {
		return err
	}
	r.out = appendStatus(r.out[:0], &st, time.Now())
	return r.json()
}

// appendStatus appends eKuiper's keys in eKuiper's order, then ours.
func appendStatus(dst []byte, st *host.Status, now time.Time) []byte {
	dst = append(dst, `{"refCount":{`...)
	rules := make([]string, 0, len(st.RefCount))
	for rule := range st.RefCount {
		rules = append(rules, rule)
	}
	slices.Sort(rules)
	for _, rule := range rules {
		dst = strconv.AppendInt(appendKey(dst, rule), int64(st.RefCount[rule]), 10)
	}
	dst = append(dst, '}')
	dst = appendField(dst, "status", st.State)
	dst = appendField(dst, "errMsg", st.Message)
	if len(st.Processes) > 0 {
		dst = strconv.AppendInt(appendKey(dst, "pid"), int64(st.Processes[0].PID), 10)
	}
	dst = strconv.AppendInt(appendKey(dst, "restarts"), int64(st.Restarts), 10)
	if st.LastExit != "" {
		dst = appendField(dst, "lastExit", st.LastExit)
		dst = appendField(dst, "lastExitAt", st.LastExitAt.UTC().Format(time.RFC3339Nano))
	}
	for _, f := range [...]struct{ key, value string }{{"lane", st.Lane}, {"sandbox", st.Sandbox}} {
		if f.value != "" {
			dst = appendField(dst, f.key, f.value)
		}
	}
	if i := st.Instances; i != nil {
		dst = appendInstances(append(appendKey(dst, "instances"), '{'), i)
	}
	dst = append(appendKey(dst, "symbols"), '[')
	for i, y := range st.Symbols {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendSymbol(dst, &y)
	}
	dst = append(appendKey(append(dst, ']'), "processes"), '[')
	for i, p := range st.Processes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"pid":`...), int64(p.PID), 10)
		dst = strconv.AppendFloat(appendKey(dst, "uptime"), now.Sub(p.Started).Seconds(), 'f', 1, 64)
		dst = strconv.AppendInt(appendKey(dst, "rss"), p.RSS, 10)
		dst = strconv.AppendFloat(appendKey(dst, "cpu"), p.CPU.Seconds(), 'f', 2, 64)
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

// appendInstances appends what is in the braces, and the second one.
func appendInstances(dst []byte, i *host.Instances) []byte {
	for _, f := range [...]struct {
		key   string
		value int64
	}{
		{"alive", int64(i.Alive)},
		{"most", int64(i.Most)},
		{"memory", i.Memory},
		{"grant", i.Grant},
		{"faults", int64(i.Faults)},
		{"waitedMs", i.Waited.Milliseconds()},
	} {
		dst = strconv.AppendInt(appendKey(dst, f.key), f.value, 10)
	}
	return append(dst, '}')
}

func appendSymbol(dst []byte, y *host.SymbolStatus) []byte {
	dst = append(dst, '{')
	dst = appendField(dst, "kind", y.Kind.String())
	dst = appendField(dst, "name", y.Name)
	dst = appendField(dst, "status", status(y.Err))
	if y.Err != nil {
		dst = appendField(dst, "errMsg", y.Err.Error())
	}
	if y.Kind != host.KindFunction {
		dst = strconv.AppendInt(appendKey(dst, "open"), int64(y.Open), 10)
	}
	if y.Delivery != "" {
		dst = appendField(dst, "delivery", y.Delivery)
	}
	return append(dst, '}')
}

func (c class) restart(s *Server, r *request) error {
	id, err := c.id(r)
	if err != nil {
		return err
	}
	err = s.host.Restart(s.calls, id)
	switch {
	case errors.Is(err, host.ErrNotFound):
		return notFound("restart %s %s error: not found", c.words.one, id.Name)
	case errors.Is(err, host.ErrClosed):
		return err
	case err != nil:
		return undefined("restart " + c.words.one + " " + id.Name + " error: " + err.Error())
	}
	return r.text(fasthttp.StatusOK, c.words.one+" "+id.Name+" is restarted")
}

// The lines of a plugin's output that a request gets.
const (
	tailLines    = 100 // unless it asks for others
	maxTailLines = 100_000
)

// logs answers with the last lines that a plugin printed, and with those to come
// when the request asks to follow.
func (c class) logs(s *Server, r *request) error {
	id, err := c.id(r)
	if err != nil {
		return err
	}
	query := r.ctx.QueryArgs()
	n := tailLines
	if tail := string(query.Peek("tail")); tail != "" {
		if n, err = strconv.Atoi(tail); err != nil || n < 0 || n > maxTailLines {
			return undefined("logs of " + c.words.one + " " + id.Name + ": tail: found " + strconv.Quote(tail) + ", expected 0 to " + strconv.Itoa(maxTailLines))
		}
	}
	out, err := s.host.Output(id)
	switch {
	case errors.Is(err, host.ErrNotFound):
		return notFound("%s %s not found: not found", c.words.one, id.Name)
	case err != nil:
		return undefined("logs of " + c.words.one + " " + id.Name + ": " + err.Error())
	}
	if string(query.Peek("follow")) == "1" || string(query.Peek("follow")) == "true" {
		r.ctx.Response.Header.SetContentType(contentText)
		r.ctx.Response.ImmediateHeaderFlush = true
		r.ctx.Response.SetBodyStream(follow(s, r.ctx.Conn(), out, n), -1)
		return nil
	}
	r.out = r.out[:0]
	for _, line := range out.Tail(n) {
		r.out = append(append(r.out, line...), '\n')
	}
	r.write(fasthttp.StatusOK, contentText, r.out)
	return nil
}

// follower is the body of an answer that goes on until its reader leaves.
type follower struct {
	server *Server
	conn   net.Conn
	next   func() (string, bool)
	stop   func()
	end    context.CancelFunc
	part   []byte
}

func follow(s *Server, conn net.Conn, out host.Output, n int) *follower {
	ctx, end := context.WithCancel(s.calls)
	next, stop := iter.Pull(out.Follow(ctx, n))
	return &follower{server: s, conn: conn, next: next, stop: stop, end: end}
}

// Read implements io.Reader, on the connection's goroutine.
func (f *follower) Read(p []byte) (int, error) {
	if len(f.part) == 0 {
		line, ok := f.next()
		if !ok {
			return 0, io.EOF
		}
		f.part = append(append(f.part[:0], line...), '\n')
		_ = f.conn.SetWriteDeadline(time.Now().Add(f.server.opts.WriteTimeout))
	}
	n := copy(p, f.part)
	f.part = f.part[n:]
	return n, nil
}

// Close implements io.Closer.
func (f *follower) Close() error {
	f.end()
	f.stop()
	return nil
}
