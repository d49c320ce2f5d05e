package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

// completePlugins proposes the plugins of the class that the server has.
func (g *globals) completePlugins(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	class, _ := cmd.Flags().GetString("class")
	return g.complete(cmd, args, "plugins", class)
}

// completePortables proposes the portable plugins that the server has.
func (g *globals) completePortables(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return g.complete(cmd, args, "plugins", string(host.ClassPortables))
}

// completeFunctions proposes the functions that the server has.
func (g *globals) completeFunctions(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return g.complete(cmd, args, "functions")
}

// completeRules proposes the rules that the server has.
func (g *globals) completeRules(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return g.complete(cmd, args, "rules")
}

// completeStreams proposes the streams that the server has.
func (g *globals) completeStreams(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return g.complete(cmd, args, "streams")
}

// complete proposes names for a first argument, when a server answers at once.
func (g *globals) complete(cmd *cobra.Command, args []string, path ...string) ([]string, cobra.ShellCompDirective) {
	const patience = time.Second
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := g.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := contextOf(cmd, patience)
	defer cancel()
	b, err := c.do(ctx, request{method: "GET", path: path})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	list, err := objects(b)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, o := range list {
		said := o["name"]
		if id, ok := o["id"]; ok { // of a rule, whose name is a title
			said = id
		}
		var name string
		if json.Unmarshal(said, &name) == nil && host.CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
