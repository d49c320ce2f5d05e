package main

import "github.com/spf13/cobra"

func newFunction(g *globals) *cobra.Command {
	return group("function", "Show the functions that plugins export",
		&cobra.Command{
			Use: "list", Short: "List all functions", Args: cobra.NoArgs,
			RunE: action(func(cmd *cobra.Command, _ []string) error {
				b, err := g.ask(cmd, request{method: "GET", path: []string{"functions"}})
				if err != nil {
					return err
				}
				return g.rows(b, "name", "plugin", "version", "status", "signature.text")
			}),
		},
		&cobra.Command{
			Use: "describe NAME", Short: "Describe one function", Args: oneName,
			ValidArgsFunction: g.completeFunctions,
			RunE: action(func(cmd *cobra.Command, args []string) error {
				b, err := g.ask(cmd, request{method: "GET", path: []string{"functions", args[0]}})
				if err != nil {
					return err
				}
				return g.object(b)
			}),
		},
	)
}
