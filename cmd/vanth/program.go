package main

import (
	"bufio"
	"errors"
	"io"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

// The commands on what runs of a plugin.

func newStatus(g *globals) *cobra.Command {
	return watchedCommand(g, "status NAME", "Show how a portable or wasm plugin is", func(cmd *cobra.Command, name string) error {
		b, err := g.askWatched(cmd, "GET", name, "status")
		if err != nil {
			return err
		}
		return g.object(b)
	})
}

func newRestart(g *globals) *cobra.Command {
	return watchedCommand(g, "restart NAME", "End what runs of a portable or wasm plugin and start it anew", func(cmd *cobra.Command, name string) error {
		b, err := g.askWatched(cmd, "POST", name, "restart")
		if err != nil {
			return err
		}
		return g.say(b)
	})
}

// askWatched asks of a plugin of either class that is watched. Of one that is in
// none of them, the answer for portable plugins counts.
func (g *globals) askWatched(cmd *cobra.Command, method, name, what string) ([]byte, error) {
	b, err := g.ask(cmd, request{method: method, path: portablePath(name, what)})
	if !unknown(err) {
		return b, err
	}
	b, again := g.ask(cmd, request{method: method, path: []string{"plugins", string(host.ClassWASM), name, what}})
	if unknown(again) {
		return nil, err
	}
	return b, again
}

// unknown reports that the server does not know what it was asked about.
func unknown(err error) bool {
	e, ok := errors.AsType[*codedError](err)
	return ok && e.code == exitNotFound
}

func newLogs(g *globals) *cobra.Command {
	var tail int
	var follow bool
	c := watchedCommand(g, "logs NAME", "Show what a portable plugin printed", func(cmd *cobra.Command, name string) error {
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

// watchedCommand makes a command on one portable plugin, or on others too.
func watchedCommand(g *globals, use, short string, do func(cmd *cobra.Command, name string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: oneName, ValidArgsFunction: g.completePortables}
	c.RunE = action(func(cmd *cobra.Command, args []string) error { return do(cmd, args[0]) })
	return c
}
