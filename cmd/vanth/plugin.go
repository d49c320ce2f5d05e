package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

func newPlugin(g *globals) *cobra.Command {
	return group("plugin", "Install, show, remove and pack plugins",
		newInstall(g, "create NAME (--file ZIP | --url URL)", "Install a plugin", "POST"),
		newInstall(g, "update NAME (--file ZIP | --url URL)", "Replace a plugin by another version", "PUT"),
		pluginCommand(g, "list", "List the plugins of a class", cobra.NoArgs, func(cmd *cobra.Command, class string, _ []string) error {
			b, err := g.ask(cmd, request{method: "GET", path: []string{"plugins", class}})
			if err != nil {
				return err
			}
			return g.rows(b, "name", "version", "functions", "status", "errMsg")
		}),
		pluginCommand(g, "describe NAME", "Describe a plugin", oneName, func(cmd *cobra.Command, class string, args []string) error {
			b, err := g.ask(cmd, request{method: "GET", path: []string{"plugins", class, args[0]}})
			if err != nil {
				return err
			}
			return g.object(b)
		}),
		pluginCommand(g, "delete NAME", "Remove a plugin and its state", oneName, func(cmd *cobra.Command, class string, args []string) error {
			b, err := g.ask(cmd, request{method: "DELETE", path: []string{"plugins", class, args[0]}})
			if err != nil {
				return err
			}
			return g.say(b)
		}),
		newStatus(g),
		newRestart(g),
		newLogs(g),
		newPack(g),
		newSDK(),
		newInspect(),
		newTestserver(g),
	)
}

// pluginCommand makes a command on the plugins of one class.
func pluginCommand(g *globals, use, short string, args cobra.PositionalArgs, do func(cmd *cobra.Command, class string, args []string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: args, ValidArgsFunction: g.completePlugins}
	class := classFlag(c)
	c.RunE = action(func(cmd *cobra.Command, args []string) error { return do(cmd, *class, args) })
	return c
}

func classFlag(c *cobra.Command) *string {
	class := c.Flags().String("class", string(host.ClassWASM), "the class of the plugin")
	_ = c.RegisterFlagCompletionFunc("class", cobra.FixedCompletions([]string{
		string(host.ClassWASM), string(host.ClassPortables), string(host.ClassFunctions), string(host.ClassSources), string(host.ClassSinks),
	}, cobra.ShellCompDirectiveNoFileComp))
	return class
}

// oneName is for commands whose only argument is a name.
func oneName(cmd *cobra.Command, args []string) error {
	if err := needName(cmd, args); err != nil {
		return err
	}
	if len(args) > 1 {
		return usagef("%s takes one name, found %d arguments", cmd.CommandPath(), len(args))
	}
	return nil
}

// contextOf bounds a command's context.
func contextOf(cmd *cobra.Command, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(cmd.Context(), d)
}
