package main

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

// newDropPlugin removes a plugin. eKuiper's own command insists on -s, its
// documentation does not.
func newDropPlugin(g *globals) *cobra.Command {
	const what = "Drop plugin error"
	var stop string
	c := ekuiperCommand("plugin TYPE NAME [-s true|false]", "Remove a plugin", what, takes(2, 2, "TYPE and NAME"),
		func(cmd *cobra.Command, args []string) error {
			ends, err := strconv.ParseBool(stop)
			if err != nil {
				return usagef("Expect s flag to be a boolean value.")
			}
			id, err := pluginOf(what, args)
			if err != nil {
				return err
			}
			r := request{method: "DELETE", path: []string{"plugins", string(id.Class), id.Name}}
			said := " is dropped ."
			switch {
			case isNative(id.Class) && ends:
				r.query = url.Values{"stop": {"1"}}
				said = " is dropped and Kuiper will be stopped."
			case isNative(id.Class):
				said = " is dropped and Kuiper must restart for the change to take effect."
			}
			if _, err := g.ask(cmd, r); err != nil {
				return err
			}
			return g.say([]byte("Plugin " + id.Name + said))
		})
	c.Flags().StringVarP(&stop, "stop", "s", "false", "true or false: `whether` the server ends after it dropped a native plugin; for others it never does")
	_ = c.RegisterFlagCompletionFunc("stop", cobra.FixedCompletions([]string{"true", "false"}, cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = g.completeTypeAndName
	return c
}
