package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func newCall(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "call NAME [ARG...]",
		Short: "Call a function once",
		Long: "Call a function once and print its result. Each ARG that is JSON is that value,\n" +
			"any other is a text: 3 is a number, '\"3\"' and abc are texts. Flags stand before NAME.",
		Example:           "  vanth call geohash 48.2 -16.37 6\n  vanth call -o json echo '{\"a\": [1, 2]}'",
		Args:              needName,
		ValidArgsFunction: g.completeFunctions,
		RunE: action(func(cmd *cobra.Command, args []string) error {
			body, err := json.Marshal(map[string]any{"args": callArgs(args[1:])})
			if err != nil {
				return err
			}
			answer, err := g.ask(cmd, request{
				method: "POST", path: []string{"functions", args[0], "call"}, body: reader(body), kind: "application/json",
			})
			if err != nil {
				return err
			}
			return g.result(answer)
		}),
	}
	// Arguments after the name may be negative numbers.
	c.Flags().SetInterspersed(false)
	return c
}

// callArgs reads each word as JSON, and what is not JSON as a text. Numbers
// keep all their digits.
func callArgs(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		if json.Valid([]byte(w)) {
			list[i] = json.RawMessage(w)
		} else {
			list[i] = w
		}
	}
	return list
}

// result prints what a call returned: texts bare, all else as JSON.
func (g *globals) result(answer []byte) error {
	var a struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(answer, &a); err != nil || a.Result == nil {
		return strange(answer)
	}
	return g.print(a.Result, func() error {
		var s string
		if a.Result[0] == '"' && json.Unmarshal(a.Result, &s) == nil {
			_, err := fmt.Fprintln(g.env.out, printable(s))
			return err
		}
		var b bytes.Buffer
		if err := json.Compact(&b, a.Result); err != nil {
			return err
		}
		_, err := fmt.Fprintln(g.env.out, b.String())
		return err
	})
}

// needName is for commands whose first argument is a name.
func needName(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || args[0] == "" {
		return usagef("%s needs a name", cmd.CommandPath())
	}
	return nil
}
