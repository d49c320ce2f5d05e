package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// checkOutput refuses an unknown --output before anything is done.
func (g *globals) checkOutput() error {
	if g.output != "table" && g.output != "json" {
		return usagef("--output: found %q, expected table or json", g.output)
	}
	return nil
}

// print writes v as JSON, or has table write it for people.
func (g *globals) print(v any, table func() error) error {
	if g.output != "json" {
		return table()
	}
	e := json.NewEncoder(g.env.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// ask sends a request with the global flags.
func (g *globals) ask(cmd *cobra.Command, r request) ([]byte, error) {
	c, err := g.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := contextOf(cmd, g.timeout)
	defer cancel()
	return c.do(ctx, r)
}

func (g *globals) client() (*client, error) {
	token := g.token
	if token == "" {
		token = g.env.lookup("VANTH_TOKEN")
	}
	return newClient(g.server, token)
}

// say prints a sentence of the server; as JSON it is a string.
func (g *globals) say(sentence []byte) error {
	s := string(bytes.TrimSpace(sentence))
	return g.print(s, func() error {
		if s == "" {
			return nil
		}
		_, err := fmt.Fprintln(g.env.out, printable(s))
		return err
	})
}

// rows prints a list of objects: the named keys as columns. A key a.b is b
// within a.
func (g *globals) rows(body []byte, keys ...string) error {
	list, err := objects(body)
	if err != nil {
		return err
	}
	return g.print(json.RawMessage(body), func() error {
		w := tabwriter.NewWriter(g.env.out, 0, 0, 2, ' ', 0)
		// What a tabwriter is given it keeps: Flush reports the error.
		titles := make([]string, len(keys))
		for i, k := range keys {
			titles[i], _, _ = strings.Cut(k, ".")
		}
		_, _ = fmt.Fprintln(w, strings.ToUpper(strings.Join(titles, "\t")))
		for _, o := range list {
			cells := make([]string, len(keys))
			for i, k := range keys {
				cells[i] = cell(field(o, k))
			}
			_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		return w.Flush()
	})
}

// field finds the value of a key, nil for none.
func field(o map[string]json.RawMessage, key string) json.RawMessage {
	key, rest, nested := strings.Cut(key, ".")
	if !nested {
		return o[key]
	}
	var inner map[string]json.RawMessage
	if json.Unmarshal(o[key], &inner) != nil {
		return nil
	}
	return field(inner, rest)
}

// objects reads a list of objects; eKuiper's lists of plain names become
// objects with a name.
func objects(body []byte) ([]map[string]json.RawMessage, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, strange(body)
	}
	list := make([]map[string]json.RawMessage, len(raw))
	for i, r := range raw {
		if json.Unmarshal(r, &list[i]) != nil {
			list[i] = map[string]json.RawMessage{"name": r}
		}
	}
	return list, nil
}

// object prints one object: its keys line by line, in the server's order.
func (g *globals) object(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return strange(body)
	}
	type line struct{ key, value string }
	var lines []line
	for d.More() {
		k, err := d.Token()
		var v json.RawMessage
		if err != nil || d.Decode(&v) != nil {
			return strange(body)
		}
		lines = append(lines, line{fmt.Sprint(k), cell(v)})
	}
	return g.print(json.RawMessage(body), func() error {
		w := tabwriter.NewWriter(g.env.out, 0, 0, 2, ' ', 0)
		for _, l := range lines {
			_, _ = fmt.Fprintf(w, "%s:\t%s\n", l.key, l.value)
		}
		return w.Flush()
	})
}

// cell writes a value for people on one line: texts bare, lists of texts with
// commas, nothing as "-".
func cell(v json.RawMessage) string {
	var s string
	var list []string
	switch {
	case len(v) == 0 || string(v) == "null":
		return "-"
	case json.Unmarshal(v, &s) == nil:
	case json.Unmarshal(v, &list) == nil:
		s = strings.Join(list, ",")
	default:
		var b bytes.Buffer
		if json.Compact(&b, v) != nil {
			return string(v)
		}
		return b.String()
	}
	if s = strings.Join(strings.Fields(s), " "); s == "" {
		return "-"
	}
	return printable(s)
}

// printable removes control characters: what a server sends must not steer a
// terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func strange(body []byte) error {
	const most = 80
	return fmt.Errorf("the server's answer is not understood: %.80q: is it a Vanth server of this version?", body[:min(most, len(body))])
}

// reader turns bytes into a body.
func reader(b []byte) io.Reader { return bytes.NewReader(b) }
