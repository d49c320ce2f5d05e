package rule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// stream is a created stream.
type stream struct {
	*query.Stream
}

// CreateStream keeps a CREATE STREAM statement and returns the stream's name. The
// type of its source need not be there yet. The error is host.ErrExists for a
// name that is taken.
func (r *Rules) CreateStream(sql string) (name string, err error) {
	s, err := r.parseStream(sql)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streams[s.Name] != nil {
		return "", host.Errorf(host.ErrExists, "Create stream fails: %s already exists", s.Name)
	}
	return s.Name, r.putStream(s)
}

// ReplaceStream keeps another statement under the name of a stream. Rules that
// run keep what they have until they are restarted.
func (r *Rules) ReplaceStream(name, sql string) error {
	s, err := r.parseStream(sql)
	if err != nil {
		return err
	}
	if s.Name != name {
		return host.Errorf(host.ErrInvalid, "Replace %s fails: the sql statement must update the %s source.", name, name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.putStream(s) // one that is not there is created, as in eKuiper
}

func (r *Rules) parseStream(sql string) (*stream, error) {
	s, err := query.ParseStream(sql)
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "%v", err)
	}
	if err := host.CheckName(s.Name); err != nil {
		return nil, err
	}
	if s.Table {
		return nil, host.Errorf(host.ErrUnsupported, "create table: there are no joins here, which tables are for: create a stream")
	}
	return &stream{s}, nil
}

// putStream requires r.mu.
func (r *Rules) putStream(s *stream) error {
	if err := r.opts.Store.PutDocument(host.Document{Kind: kindStream, Name: s.Name, Body: []byte(s.Text)}); err != nil {
		return err
	}
	r.streams[s.Name] = s
	return nil
}

// Streams lists the names of the streams.
func (r *Rules) Streams() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.streams))
}

// Stream describes a stream. The error is host.ErrNotFound.
func (r *Rules) Stream(name string) (*query.Stream, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[name]
	if s == nil {
		return nil, host.Errorf(host.ErrNotFound, "stream %s is not found", name)
	}
	return s.Stream, nil
}

// DropStream forgets a stream. Unless it is forced, one that a rule reads which
// is started is refused with host.ErrInUse.
func (r *Rules) DropStream(name string, force bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streams[name] == nil {
		return host.Errorf(host.ErrNotFound, "%s is not found", name)
	}
	if !force {
		for _, l := range r.rules {
			if slices.Contains(l.reads(), name) && l.isStarted() {
				return host.Errorf(host.ErrInUse, "stream %s has been referenced by other rules", name)
			}
		}
	}
	if err := r.opts.Store.DeleteDocument(kindStream, name); err != nil {
		return err
	}
	delete(r.streams, name)
	return nil
}

// config makes the properties of a source, as eKuiper does: the group "default"
// of its type's file, the group that CONF_KEY names, what the stream says, and
// the nine keys that are always there.
func (r *Rules) config(kind string, o map[string]string) (host.Props, error) {
	props := host.Props{}
	if r.opts.Groups != nil {
		groups, err := r.opts.Groups(host.KindSource, kind)
		if err != nil {
			return nil, fmt.Errorf("etc/sources/%s.yaml: %w", kind, err)
		}
		maps.Copy(props, groups["default"])
		if key := o["CONF_KEY"]; key != "" {
			group, ok := groups[strings.ToLower(key)]
			if !ok { // no error, as in eKuiper: the plugin that brings the file may come later
				r.opts.Log.Warn("CONF_KEY names no group", "file", "etc/sources/"+kind+".yaml", "key", key)
			}
			maps.Copy(props, group)
		}
	}
	if extra := o["EXTRA"]; extra != "" {
		more, err := decodeObject([]byte(extra))
		if err != nil {
			return nil, host.Errorf(host.ErrInvalid, "EXTRA: found %.80s, expected an object: %v", extra, err)
		}
		maps.Copy(props, more)
	}
	props["format"] = strings.ToLower(valueOr(o["FORMAT"], "json"))
	props["key"], props["datasource"], props["schemaId"] = o["KEY"], o["DATASOURCE"], o["SCHEMAID"]
	props["delimiter"], props["timestamp"], props["timestampFormat"] = o["DELIMITER"], o["TIMESTAMP"], o["TIMESTAMP_FORMAT"]
	props["strictValidation"] = strings.EqualFold(o["STRICT_VALIDATION"], "true")
	props["retainSize"] = 0
	return props, nil
}

func valueOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

var errNoObject = errors.New("not one JSON object")
