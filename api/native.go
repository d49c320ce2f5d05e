package api

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
)

// exitRestart is the status the process ends with when a deletion asked for
// it: whoever supervises it starts it anew.
const exitRestart = 100

// nativeClass is a collection of eKuiper's native plugins.
func nativeClass(name host.Class, prebuilt ...string) class {
	t := string(name)
	const restart = " and eKuiper must restart for the change to take effect."
	creating := t + " plugins create command error"
	return class{
		name: name,
		words: words{
			one: t + " plugin", creating: creating, updating: creating,
			updated:  "plugin %s is updated" + restart,
			deleted:  t + " plugin %s is deleted" + restart,
			stopping: t + " plugin %s is deleted and eKuiper will be stopped",
			unknown:  "invalid name %s: not exist",
		},
		item: appendName, object: appendNative, native: true, prebuilt: prebuilt,
	}
}

func appendName(dst []byte, p *host.Plugin) []byte { return appendString(dst, p.ID.Name) }

// appendNative appends a native plugin: eKuiper's keys, which come out in the
// order of the alphabet, then ours where there is something to say.
func appendNative(dst []byte, p *host.Plugin) []byte {
	dst = append(dst, '{')
	// A list of one function that is called like its plugin is a list too.
	if p.ID.Class == host.ClassFunctions && p.Manifest.Listed {
		dst = appendNames(dst, "functions", p.Manifest.Functions)
	}
	dst = appendField(dst, "name", p.ID.Name)
	dst = appendField(dst, "version", strings.TrimPrefix(p.Manifest.Version, "v"))
	switch {
	case p.Err != nil:
		dst = appendField(dst, "errMsg", p.Err.Error())
		dst = appendField(dst, "status", status(p.Err))
	case p.Waiting != nil:
		dst = appendField(dst, "errMsg", p.Waiting.Error())
		dst = appendField(dst, "status", "waiting")
	}
	return append(dst, '}')
}

// clash is the sentence for a name that another plugin has. eKuiper's ends
// there; the host goes on with whose it is.
func clash(err error) string {
	text, _, _ := strings.Cut(err.Error(), ": plugin ")
	return text
}

// lost reports whether the .so file of a plugin has gone from the disk.
func lost(p *host.Plugin) bool {
	if p.Manifest.Language != host.LanguageNative || p.Dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(p.Dir, p.Manifest.Executable))
	return errors.Is(err, os.ErrNotExist)
}

// asksStop reports whether a deletion is to end the process. restart is what
// the parameter was called before it was stop.
func asksStop(r *request) bool {
	query := r.ctx.QueryArgs()
	return string(query.Peek("stop")) == "1" || string(query.Peek("restart")) == "1"
}

// deletions are the native plugins that were deleted in this run: eKuiper
// knows them until it restarts, so deleting one again, or updating it, works.
// Only names that existed come here.
type deletions struct {
	mu  sync.Mutex // guards ids
	ids map[host.ID]bool
}

func (d *deletions) add(id host.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ids == nil {
		d.ids = map[host.ID]bool{}
	}
	d.ids[id] = true
}

func (d *deletions) has(id host.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ids[id]
}

// known reports whether eKuiper would know a plugin: it is there, or was
// deleted in this run.
func (s *Server) known(id host.ID) bool {
	_, err := s.host.Get(id)
	return err == nil || s.deletions.has(id)
}

// register sets the functions of a function plugin. "regiser" is eKuiper's.
func (c class) register(s *Server, r *request) error {
	id, err := c.id(r)
	if err != nil {
		return err
	}
	unknown := notFound("register %s %s error: not found", c.words.one, id.Name)
	if _, err := s.host.Get(id); errors.Is(err, host.ErrNotFound) {
		return unknown
	}
	if err := r.body.limit(s.opts.MaxBody); err != nil {
		return err
	}
	// The type's name is in the sentences of encoding/json.
	type functionList struct {
		Functions []string `json:"functions"`
	}
	var list functionList
	if err := json.NewDecoder(&r.body).Decode(&list); err != nil {
		return undecoded("function list", err)
	}
	err = s.host.Register(s.calls, id, list.Functions)
	prefix := "function plugins " + id.Name + " regiser functions error: "
	switch {
	case err == nil:
		s.handles.forget()
		return r.text(fasthttp.StatusOK, "function plugin "+id.Name+" function list is registered")
	case errors.Is(err, host.ErrClosed):
		return err
	case errors.Is(err, host.ErrNotFound):
		return unknown
	case errors.Is(err, host.ErrExists):
		return undefined(prefix + clash(err))
	}
	return undefined(prefix + err.Error())
}

// listUDFs lists the functions of native plugins by name.
func listUDFs(s *Server, r *request) error {
	r.out = append(r.out[:0], '[')
	for _, f := range s.host.Functions() {
		if f.Plugin.Class != host.ClassFunctions {
			continue
		}
		if len(r.out) > 1 {
			r.out = append(r.out, ',')
		}
		r.out = appendString(r.out, f.Name)
	}
	r.out = append(r.out, ']')
	return r.json()
}

// describeUDF says which native plugin has a function.
func describeUDF(s *Server, r *request) error {
	name := string(r.name)
	if err := host.CheckName(name); err != nil {
		return undefined(err.Error())
	}
	f, err := s.host.FunctionNamed(name)
	if errors.Is(err, host.ErrNotFound) || err == nil && f.Plugin.Class != host.ClassFunctions {
		return notFound("describe function %s error: not found", name)
	}
	if err != nil {
		return err
	}
	r.out = appendField(append(r.out[:0], '{'), "name", f.Name)
	r.out = append(appendField(r.out, "plugin", f.Plugin.Name), '}')
	return r.json()
}
