package api

import (
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
)

// class is a plugin collection: eKuiper's routes written once, with what
// differs between collections as values.
type class struct {
	name  host.Class
	words words
	// item appends the JSON that stands for one in a list, object the one that
	// describes it.
	item, object func(dst []byte, p *host.Plugin) []byte
	// native: a collection of eKuiper's native plugins. An update is none of
	// one that is not there, and a deletion can end the process.
	native bool
	// watched: its plugins have a status and can be restarted.
	watched bool
	// prebuilt are the plugins that eKuiper's download site has.
	prebuilt []string
}

// words are what eKuiper says of a collection; %s is a plugin's name.
type words struct {
	one                string // what it calls one of them
	creating, updating string // begin what an installation failed with
	updated            string
	deleted, stopping  string
	unknown            string // why what is not there cannot be deleted
}

func undefined(text string) error { return &ekuiperError{codeUndefined, text} }

func notFound(format string, a ...any) error {
	return &ekuiperError{codeNotFound, fmt.Sprintf(format, a...)}
}

// id names the plugin of the path.
func (c class) id(r *request) (host.ID, error) {
	name := string(r.name)
	if err := host.CheckName(name); err != nil {
		return host.ID{}, undefined(err.Error())
	}
	return host.ID{Class: c.name, Name: name}, nil
}

func (c class) list(s *Server, r *request) error {
	r.out = append(r.out[:0], '[')
	for i, p := range s.host.List(c.name) {
		if i > 0 {
			r.out = append(r.out, ',')
		}
		r.out = c.item(r.out, &p)
	}
	r.out = append(r.out, ']')
	return r.json()
}

func (c class) describe(s *Server, r *request) error {
	id, err := c.id(r)
	if err != nil {
		return err
	}
	p, err := s.host.Get(id)
	if errors.Is(err, host.ErrNotFound) {
		return notFound("describe %s %s error: not found", c.words.one, id.Name)
	}
	if err != nil {
		return err
	}
	r.out = c.object(r.out[:0], &p)
	return r.json()
}

func (c class) create(s *Server, r *request) error {
	req, err := c.request(s, r, "")
	if err != nil {
		return err
	}
	if req.ID.Name == "" && !c.native {
		return undefined(c.words.creating + ": invalid name : should not be empty")
	}
	if err := host.CheckName(req.ID.Name); err != nil {
		return undefined(err.Error())
	}
	if _, err := s.host.Install(s.calls, req); err != nil {
		return c.failed(c.words.creating, req, err)
	}
	return r.text(fasthttp.StatusCreated, c.words.one+" "+req.ID.Name+" is created")
}

// update is an upsert where eKuiper's is: for all but native plugins, and for
// those that were deleted in this run.
func (c class) update(s *Server, r *request) error {
	id, err := c.id(r)
	if err != nil {
		return err
	}
	req, err := c.request(s, r, id.Name)
	if err != nil {
		return err
	}
	if req.ID.Name != id.Name {
		return undefined(c.words.updating + ": invalid name " + req.ID.Name + ": expected " + id.Name + ", the name in the path, or none")
	}
	if c.native && !s.known(id) {
		return notFound("update %s %s error, cannot delete old version: "+c.words.unknown, c.words.one, id.Name, id.Name)
	}
	// Neither attempt reads the package before it knows that the name is there,
	// or is not. Somebody else may change that in between.
	for range 3 {
		if _, err = s.host.Replace(s.calls, req); !reserved(err, host.ErrNotFound) {
			break
		}
		if _, err = s.host.Install(s.calls, req); !reserved(err, host.ErrExists) {
			break
		}
	}
	if err != nil {
		return c.failed(c.words.updating, req, err)
	}
	return r.text(fasthttp.StatusOK, fmt.Sprintf(c.words.updated, id.Name))
}

func (c class) remove(s *Server, r *request) error {
	id, err := c.id(r)
	if err != nil {
		return err
	}
	if err := c.withdraw(s, id); err != nil {
		return err
	}
	if c.native && asksStop(r) {
		s.stop(exitRestart)
		return r.text(fasthttp.StatusOK, fmt.Sprintf(c.words.stopping, id.Name))
	}
	return r.text(fasthttp.StatusOK, fmt.Sprintf(c.words.deleted, id.Name))
}

// withdraw deletes a plugin. One that is not there is no error when it was
// deleted in this run and eKuiper would still know it.
func (c class) withdraw(s *Server, id host.ID) error {
	code, prefix := codeUndefined, "delete "+c.words.one+" "+id.Name+" error: "
	if c.native {
		code = codeNotFound
		if p, err := s.host.Get(id); err == nil && lost(&p) {
			return notFound("%scannot find .so file for plugin %s", prefix, id.Name)
		}
	}
	err := s.host.Remove(s.calls, id)
	switch {
	case err == nil:
		s.handles.forget()
		if c.native {
			s.deletions.add(id)
		}
		return nil
	case errors.Is(err, host.ErrClosed):
		return err
	case !errors.Is(err, host.ErrNotFound):
		return undefined(prefix + err.Error())
	case s.deletions.has(id):
		return nil
	}
	return &ekuiperError{code, prefix + fmt.Sprintf(c.words.unknown, id.Name)}
}

// reserved reports whether an installation failed with target before it began.
func reserved(err, target error) bool {
	e, ok := errors.AsType[*host.InstallError](err)
	return ok && e.Step == host.StepReserve && errors.Is(e.Err, target)
}

// failed puts the error of an installation into eKuiper's words, after what.
func (c class) failed(what string, req host.Request, err error) error {
	switch p := judge(err); p {
	case problemClosing, problemBodySize, problemSlow, problemMalformed:
		// Not the plugin's fault: eKuiper has no words for it.
		return failf(p, "%s: %v", what, err)
	}
	e, ok := errors.AsType[*host.InstallError](err)
	if !ok {
		return undefined(what + ": " + err.Error())
	}
	text := e.Err.Error()
	switch {
	case e.Step == host.StepReserve && errors.Is(e.Err, host.ErrInvalid) && req.Archive == nil:
		text = "invalid uri " + req.URL
	case e.Step == host.StepReserve:
	case e.Step == host.StepFetch && req.Archive == nil:
		text = "fail to download file " + req.URL + ": " + text
	case e.Step == host.StepFetch:
		text = "fail to receive the package: " + text
	case c.native && errors.Is(e.Err, host.ErrExists):
		text = clash(e.Err)
	default:
		text = "fail to install plugin: " + text
	}
	return undefined(what + ": " + text)
}
