//go:build !cgo || !(linux || darwin || freebsd)

package native

import "github.com/vanth-io/vanth/host"

// canOpen says why this build opens no plugins.
func canOpen() error {
	return host.Errorf(host.ErrUnsupported, "native plugins are not in this build: it was made without cgo. "+
		"Use a build with it (make build), or install the plugin as WebAssembly")
}

func openPlugin(string) (finder, error) { return nil, canOpen() }
