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
		res.methods = append(res.methods, rt)
		res.allow = strings.TrimPrefix(res.allow+", "+rt.method, ", ")
	}
	return t
}

// find returns the resource of a path as it was sent, and the decoded name in
// it; nil when there is none. name may share memory with path.
func (t *table) find(path []byte) (res *resource, name []byte) {
	if res := t.fixed[string(path)]; res != nil {
		return res, nil
	}
	for _, res := range t.named {
		if len(path) <= len(res.prefix)+len(res.suffix) ||
			string(path[:len(res.prefix)]) != res.prefix ||
			string(path[len(path)-len(res.suffix):]) != res.suffix {
			continue
		}
		raw := path[len(res.prefix) : len(path)-len(res.suffix)]
		if bytes.IndexByte(raw, '/') >= 0 {
			continue
		}
		if name, ok := decodeSegment(raw); ok {
			return res, name
		}
	}
	return nil, nil
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
