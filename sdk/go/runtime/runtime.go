package runtime

import (
	vanth "github.com/vanth-io/vanth/sdk/go"
	"github.com/vanth-io/vanth/sdk/go/api"
)

// NewSourceFunc makes a source for one use in a rule.
type NewSourceFunc func() api.Source

// NewFunctionFunc makes the function of a symbol, once in the life of the process.
type NewFunctionFunc func() api.Function

// NewSinkFunc makes a sink for one use in a rule.
type NewSinkFunc func() api.Sink

// PluginConfig says what the plugin is: its name, which is that of the manifest, and its symbols.
type PluginConfig struct {
	Name      string
	Sources   map[string]NewSourceFunc
	Functions map[string]NewFunctionFunc
	Sinks     map[string]NewSinkFunc
}

// Start serves the plugin and does not return: the process exits when the host has gone or wants
// it to. args are the process's; what eKuiper says there changes nothing.
func Start(_ []string, conf *PluginConfig) {
	options := []vanth.Option{vanth.Name(conf.Name)}
	for name, f := range conf.Sources {
		options = append(options, vanth.Source(name, f))
	}
	for name, f := range conf.Functions {
		options = append(options, vanth.Function(name, f))
	}
	for name, f := range conf.Sinks {
		options = append(options, vanth.Sink(name, f))
	}
	vanth.Serve(options...)
}
