package main

import (
	"bufio"
	"io"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

// The commands on the processes of a portable plugin.

func newStatus(g *globals) *cobra.Command {
	return programCommand(g, "status NAME", "Show how the processes of a portable plugin are", func(cmd *cobra.Command, name string) error {
		b, err := g.ask(cmd, request{method: "GET", path: portablePath(name, "status")})
		if err != nil {
			return err
		}
		return g.object(b)
	})
}

func newRestart(g *globals) *cobra.Command {
	return programCommand(g, "restart NAME", "End the processes of a portable plugin and start others", func(cmd *cobra.Command, name string) error {
		b, err := g.ask(cmd, request{method: "POST", path: portablePath(name, "restart")})
		if err != nil {
			return err
		}
		return g.say(b)
	})
}

func newLogs(g *globals) *cobra.Command {
	var tail int
	var follow bool
	c := programCommand(g, "logs NAME", "Show what a portable plugin printed", func(cmd *cobra.Command, name string) error {
		r := request{method: "GET", path: portablePath(name, "logs"), query: url.Values{"tail": {strconv.Itoa(tail)}}}
		if !follow {
			b, err := g.ask(cmd, r)
			if err != nil {
				return err
			}
			_, err = io.WriteString(g.env.out, printable(string(b)))
			return err
		}
		client, err := g.client()
		if err != nil {
			return err
		}
		r.query.Set("follow", "1")
		body, err := client.open(cmd.Context(), r)
		if err != nil {
			return err
		}
		defer body.Close()
		for lines := bufio.NewReader(body); ; {
			line, end := lines.ReadString('\n')
			if _, err := io.WriteString(g.env.out, printable(line)); err != nil || end != nil {
				return err // the end is the server's or the user's wish
			}
		}
	})
	c.Flags().IntVar(&tail, "tail", 100, "how many of the last lines")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the lines that come")
	return c
}

func portablePath(name, what string) []string {
	return []string{"plugins", string(host.ClassPortables), name, what}
}

// programCommand makes a command on one portable plugin.
func programCommand(g *globals, use, short string, do func(cmd *cobra.Command, name string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: oneName, ValidArgsFunction: g.completePortables}
	c.RunE = action(func(cmd *cobra.Command, args []string) error { return do(cmd, args[0]) })
	return c
}
