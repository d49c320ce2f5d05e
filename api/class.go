package api

import (
	"errors"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
)

// class is a plugin collection: eKuiper's routes written once, with what
// differs between collections as values.
type class struct {
	name  host.Class
	words string // what eKuiper calls one of them
	// object appends the JSON that describes one.
	object func(dst []byte, p *host.Plugin) []byte
}

func undefined(text string) error { return &ekuiperError{codeUndefined, text} }

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
		r.out = c.object(r.out, &p)
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
		return &ekuiperError{codeNotFound, "describe " + c.words + " " + id.Name + " error: not found"}
	}
	if err != nil {
		return err
	}
	r.out = c.object(r.out[:0], &p)
	return r.json()
}

func (c class) create(s *Server, r *request) error {
	const what = "create command error"
	req, err := c.request(s, r, "")
	if err != nil {
		return err
	}
	if req.ID.Name == "" {
		return undefined(c.words + " " + what + ": invalid name : should not be empty")
	}
	if err := host.CheckName(req.ID.Name); err != nil {
		return undefined(err.Error())
	}
	if _, err := s.host.Install(s.calls, req); err != nil {
		return c.failed(what, req, err)
	}
	return r.text(fasthttp.StatusCreated, c.words+" "+req.ID.Name+" is created")
}

// update is an upsert, as eKuiper's is for portables.
func (c class) update(s *Server, r *request) error {
	const what = "update command error"
	id, err := c.id(r)
	if err != nil {
		return err
	}
	req, err := c.request(s, r, id.Name)
	if err != nil {
		return err
	}
	if req.ID.Name != id.Name {
		return undefined(c.words + " " + what + ": invalid name " + req.ID.Name + ": expected " + id.Name + ", the name in the path, or none")
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
		return c.failed(what, req, err)
	}
	return r.text(fasthttp.StatusOK, c.words+" "+id.Name+" is updated")
}

func (c class) remove(s *Server, r *request) error {
	id, err := c.id(r)
	if err != nil {
		return err
	}
	if err := s.host.Remove(s.calls, id); err != nil {
		text := err.Error()
		switch {
		case errors.Is(err, host.ErrClosed):
			return err
		case errors.Is(err, host.ErrNotFound):
			text = c.words + " " + id.Name + " is not found"
		}
		return undefined("delete " + c.words + " " + id.Name + " error: " + text)
	}
	s.handles.forget()
	return r.text(fasthttp.StatusOK, c.words+" "+id.Name+" is deleted")
}

// reserved reports whether an installation failed with target before it began.
func reserved(err, target error) bool {
	e, ok := errors.AsType[*host.InstallError](err)
	return ok && e.Step == host.StepReserve && errors.Is(e.Err, target)
}

// failed puts the error of an installation into eKuiper's words.
func (c class) failed(what string, req host.Request, err error) error {
	switch p := judge(err); p {
	case problemClosing, problemBodySize, problemSlow, problemMalformed:
		// Not the plugin's fault: eKuiper has no words for it.
		return failf(p, "%s %s: %v", c.words, what, err)
	}
	prefix := c.words + " " + what + ": "
	e, ok := errors.AsType[*host.InstallError](err)
	if !ok {
		return undefined(prefix + err.Error())
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
	default:
		text = "fail to install plugin: " + text
	}
	return undefined(prefix + text)
}

// trimName takes off what eKuiper takes off.
func trimName(name string) string { return strings.Trim(name, " ") }
