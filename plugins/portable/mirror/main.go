// Mirror is a sample of a portable plugin: a source, a sink and a function. See readme.md.
package main

import (
	"os"

	"github.com/vanth-io/vanth/sdk/go/api"
	"github.com/vanth-io/vanth/sdk/go/runtime"
)

func main() {
	runtime.Start(os.Args, &runtime.PluginConfig{
		Name:      "mirror",
		Sources:   map[string]runtime.NewSourceFunc{"random": func() api.Source { return newRandom() }},
		Sinks:     map[string]runtime.NewSinkFunc{"file": func() api.Sink { return new(file) }},
		Functions: map[string]runtime.NewFunctionFunc{"echo": func() api.Function { return echo{} }},
	})
}
