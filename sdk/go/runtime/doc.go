// Package runtime runs a portable plugin. Its shape is that of eKuiper's Go SDK:
//
//	func main() {
//		runtime.Start(os.Args, &runtime.PluginConfig{
//			Name:    "mirror",
//			Sources: map[string]runtime.NewSourceFunc{"random": func() api.Source { return &random{} }},
//		})
//	}
//
// It imports packages api and vanth. What it does is vanth.Serve's.
package runtime
