//go:build cgo && (linux || darwin || freebsd)

package native

import "plugin"

// opens tells whether this build opens plugins.
const opens = true

// canOpen says why this build opens no plugins; nil when it does.
func canOpen() error { return nil }

// openPlugin maps a file into the process, for good, and runs its initialisers.
func openPlugin(path string) (finder, error) {
	p, err := plugin.Open(path)
	if err != nil {
		return nil, err
	}
	return func(symbol string) (any, error) { return p.Lookup(symbol) }, nil
}
