//go:build !cgo || !(linux || darwin || freebsd)

package native

import "github.com/vanth-io/vanth/host"

// opens tells whether this build opens plugins. It is a constant, so that what runs
// them is not linked where nothing can: a third of a megabyte.
const opens = false

// canOpen says why this build opens no plugins.
func canOpen() error {
	return host.Errorf(host.ErrUnsupported, "native plugins are not in this build: it was made without cgo. "+
		"Use a build with it (make native), or install the plugin as WebAssembly")
}

func openPlugin(string) (finder, error) { return nil, canOpen() }
