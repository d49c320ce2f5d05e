package api

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// resource is a path with its methods.
type resource struct {
	prefix, suffix string // around {name}; a fixed path is all prefix
	methods        []*route
	allow          string // for 405
	name           []byte // what a fixed path is to the named one that it covers
}

// table finds routes. It never changes.
type table struct {
	fixed map[string]*resource
	named []*resource
}

func newTable(list []route) table {
	t := table{fixed: map[string]*resource{}}
	byPath := map[string]*resource{}
	for i := range list {
		rt := &list[i]
		res := byPath[rt.path]
		if res == nil {
			res = new(resource)
			byPath[rt.path] = res
			var named bool
			if res.prefix, res.suffix, named = strings.Cut(rt.path, "{name}"); named {
				t.named = append(t.named, res)
			} else {
				t.fixed[rt.path] = res
			}
		}
		res.add(rt)
	}
	t.share()
	return t
}

// share gives a fixed path that a named one covers, as /x/fixed is covered by
// /x/{name}, the methods that it lacks.
func (t *table) share() {
	for path, fixed := range t.fixed {
		for _, named := range t.named {
			name, ok := named.match([]byte(path))
			if !ok {
				continue
			}
			fixed.name = name
			for _, rt := range named.methods {
				if fixed.method([]byte(rt.method)) == nil {
					fixed.add(rt)
				}
			}
		}
	}
}

func (r *resource) add(rt *route) {
	r.methods = append(r.methods, rt)
	r.allow = strings.TrimPrefix(r.allow+", "+rt.method, ", ")
}

// find returns the resource of a path as it was sent, and the decoded name in
// it; nil when there is none. name may share memory with path.
func (t *table) find(path []byte) (res *resource, name []byte) {
	if res := t.fixed[string(path)]; res != nil {
		return res, res.name
	}
	for _, res := range t.named {
		if name, ok := res.match(path); ok {
			return res, name
		}
	}
	return nil, nil
}

// match returns the decoded name in a path of a named resource.
func (r *resource) match(path []byte) (name []byte, ok bool) {
	if len(path) <= len(r.prefix)+len(r.suffix) ||
		string(path[:len(r.prefix)]) != r.prefix ||
		string(path[len(path)-len(r.suffix):]) != r.suffix {
		return nil, false
	}
	raw := path[len(r.prefix) : len(path)-len(r.suffix)]
	if bytes.IndexByte(raw, '/') >= 0 {
		return nil, false
	}
	return decodeSegment(raw)
}

// method returns nil when the resource does not know the method.
func (r *resource) method(m []byte) *route {
	i := slices.IndexFunc(r.methods, func(rt *route) bool { return rt.method == string(m) })
	if i < 0 {
		return nil
	}
	return r.methods[i]
}

// decodeSegment undoes percent-encoding. Nothing that could be taken for more
// or less than one segment passes: not even encoded.
func decodeSegment(raw []byte) ([]byte, bool) {
	name := raw
	if bytes.IndexByte(raw, '%') >= 0 {
		name = make([]byte, 0, len(raw))
		for i := 0; i < len(raw); i++ {
			if raw[i] != '%' {
				name = append(name, raw[i])
				continue
			}
			if i+2 >= len(raw) {
				return nil, false
			}
			high, low := unhex(raw[i+1]), unhex(raw[i+2])
			if high > 15 || low > 15 {
				return nil, false
			}
			name = append(name, high<<4|low)
			i += 2
		}
	}
	bad := string(name) == "." || string(name) == ".." || bytes.ContainsAny(name, "/\\\x00") || !utf8.Valid(name)
	return name, !bad
}

// unhex returns the value of a hexadecimal digit, or something above 15.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
