package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// globals are the flags that every client command has.
type globals struct {
	env     env
	server  string
	token   string
	output  string // table, json
	timeout time.Duration
}

const defaultServer = "http://127.0.0.1:9081"

// newRoot builds the tree of commands.
func newRoot(e env) *cobra.Command {
	g := &globals{env: e}
	root := &cobra.Command{
		Use:   "vanth",
		Short: "Host plugins for the streaming edge",
		Long: "Vanth installs plugins over a REST API and runs the functions they export.\n" +
			"'vanth serve' is the host; the other commands talk to it.\n\n" + exitHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          needCommand,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return g.checkOutput()
		},
	}
	root.SetIn(e.in)
	root.SetOut(e.out)
	root.SetErr(e.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return coded(exitUsage, err) })

	server := e.lookup("VANTH_SERVER")
	if server == "" {
		server = defaultServer
	}
	f := root.PersistentFlags()
	f.StringVar(&g.server, "server", server, "the server: http://host:port, https://host:port or unix:///path (VANTH_SERVER)")
	// The token is no default, since help prints defaults.
	f.StringVar(&g.token, "token", "", "the token to send (VANTH_TOKEN)")
	f.StringVarP(&g.output, "output", "o", "table", "how to print: table or json")
	f.DurationVar(&g.timeout, "timeout", 10*time.Minute, "how long to wait for an answer of the server")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))

	root.AddCommand(newServe(e), newRun(e), newPlugin(g), newFunction(g), newCall(g), newVersion(g))
	root.AddCommand(newEKuiper(g)...)
	return root
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noSuchCommand, RunE: needCommand}
	c.AddCommand(commands...)
	return c
}

// noSuchCommand refuses words that name no command, with those near to them.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // cobra's own default, which it sets too late for us
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 {
		return usagef("%s has no command %q", cmd.CommandPath(), args[0])
	}
	return usagef("%s has no command %q; nearest: %s", cmd.CommandPath(), args[0], strings.Join(near, ", "))
}

// needCommand is what a group does when it is called without a command.
func needCommand(cmd *cobra.Command, _ []string) error {
	cmd.SetOut(cmd.ErrOrStderr())
	_ = cmd.Help()
	return usagef("%s needs a command", cmd.CommandPath())
}
