package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

func newShowPlugins(g *globals) *cobra.Command {
	c := ekuiperCommand("plugins TYPE", "List the plugins of a type", "Show plugin error", takes(1, 1, "TYPE"),
		func(cmd *cobra.Command, args []string) error {
			class, err := classOf(args[0])
			if err != nil {
				return err
			}
			b, err := g.ask(cmd, request{method: "GET", path: []string{"plugins", string(class)}})
			if err != nil {
				return err
			}
			if isNative(class) {
				return g.names(b, "No plugin is found.")
			}
			return g.array(b)
		})
	c.ValidArgsFunction = completeType
	return c
}

func newShowUDFs(g *globals) *cobra.Command {
	return ekuiperCommand("udfs", "List the functions of the native plugins", "Show UDFs error", cobra.NoArgs,
		func(cmd *cobra.Command, _ []string) error {
			b, err := g.ask(cmd, request{method: "GET", path: []string{"plugins", "udfs"}})
			if err != nil {
				return err
			}
			return g.names(b, "No udf is found.")
		})
}

func newDescribePlugin(g *globals) *cobra.Command {
	const what = "Describe plugin error"
	c := ekuiperCommand("plugin TYPE NAME", "Describe a plugin", what, takes(2, 2, "TYPE and NAME"),
		func(cmd *cobra.Command, args []string) error {
			id, err := pluginOf(what, args)
			if err != nil {
				return err
			}
			b, err := g.ask(cmd, request{method: "GET", path: []string{"plugins", string(id.Class), id.Name}})
			if err != nil {
				return err
			}
			return g.indented(b)
		})
	c.ValidArgsFunction = g.completeTypeAndName
	return c
}

func newDescribeUDF(g *globals) *cobra.Command {
	const what = "Describe udf error"
	c := ekuiperCommand("udf NAME", "Say which native plugin has a function", what, oneName,
		func(cmd *cobra.Command, args []string) error {
			if err := host.CheckName(args[0]); err != nil {
				return usagef("%s: %w", what, err)
			}
			b, err := g.ask(cmd, request{method: "GET", path: []string{"plugins", "udfs", args[0]}})
			if err != nil {
				return err
			}
			return g.indented(b)
		})
	c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return g.complete(cmd, args, "plugins", "udfs")
	}
	return c
}

// names prints a list of names, one a line, in order: a server has none.
func (g *globals) names(body []byte, none string) error {
	var list []string
	if err := json.Unmarshal(body, &list); err != nil {
		return strange(body)
	}
	slices.Sort(list)
	if list == nil {
		list = []string{} // null is [] too
	}
	return g.print(list, func() error {
		for i, n := range list {
			list[i] = printable(strings.ReplaceAll(n, "\n", "?"))
		}
		if len(list) == 0 {
			list = []string{none}
		}
		_, err := fmt.Fprintln(g.env.out, strings.Join(list, "\n"))
		return err
	})
}

// array prints a list of objects as the server wrote it.
func (g *globals) array(body []byte) error {
	if _, err := objects(body); err != nil {
		return err
	}
	return g.print(json.RawMessage(body), func() error {
		_, err := fmt.Fprintln(g.env.out, printable(string(bytes.TrimSpace(body))))
		return err
	})
}

// indented prints one object as JSON; as JSON it is the same.
func (g *globals) indented(body []byte) error {
	var b bytes.Buffer
	body = bytes.TrimSpace(body)
	if !bytes.HasPrefix(body, []byte("{")) || json.Indent(&b, body, "", "  ") != nil {
		return strange(body)
	}
	_, err := fmt.Fprintln(g.env.out, printable(b.String()))
	return err
}

// indentedList prints a list of objects as JSON, with or without a flag.
func (g *globals) indentedList(body []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(body), "", "  "); err != nil {
		return strange(body)
	}
	_, err := fmt.Fprintln(g.env.out, printable(b.String()))
	return err
}
