package api

import (
	"errors"
	"net/http"
)

// everything is the table of a server that has everything.
func everything() []route {
	return routes(&Options{Rules: struct{ Rules }{}, Uploads: "/"})
}

// RouteKeys lists the table as "METHOD path", for the test that compares it
// with openapi.yaml.
func RouteKeys() (list []string) {
	for _, r := range everything() {
		list = append(list, r.method+" "+r.path)
	}
	return list
}

// RouteDoc returns what the table says of a route.
func RouteDoc(key string) string {
	for _, r := range everything() {
		if r.method+" "+r.path == key {
			return r.doc
		}
	}
	return ""
}

// Loopback keeps a server from asking plugin hosts elsewhere than on this
// machine, so that tests do not depend on a network.
func Loopback(s *Server) { s.sites.client.Transport = loopbackOnly{s.sites.client.Transport} }

type loopbackOnly struct{ http.RoundTripper }

func (l loopbackOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if !ofLoopback(r.URL.Host) {
		return nil, errors.New("tests have no network")
	}
	return l.RoundTripper.RoundTrip(r)
}

// Distribution reads an os-release file.
func Distribution(release string) string { return distribution(release) }
