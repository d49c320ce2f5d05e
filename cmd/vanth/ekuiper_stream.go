package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// streaming begins the errors of every word for streams.
const streaming = "Stream command error: "

func newCreateStream(g *globals) *cobra.Command {
	l := around(streaming+"%s", streaming)
	var from origin
	c := wordCommand("stream (NAME STATEMENT | -f FILE)", "Create a stream", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		var sql string
		switch {
		case len(from.files) == 1 && len(args) <= 1: // as in eKuiper, the name is that in the file
			text, err := from.read(nil)
			if err != nil {
				return l.err(err)
			}
			if err := g.announce(from, "stream"); err != nil {
				return err
			}
			sql = strings.TrimSpace(string(text))
		case len(from.files) == 0 && len(args) > 0:
			sql = strings.Join(args, " ")
		default:
			return usagef("%s needs exactly one of NAME with STATEMENT and -f FILE", cmd.CommandPath())
		}
		body, err := json.Marshal(map[string]string{"sql": creating(sql)})
		if err != nil {
			return err
		}
		b, err := g.ask(cmd, request{method: "POST", path: []string{"streams"}, body: reader(body), kind: "application/json"})
		if err != nil {
			return l.err(err)
		}
		return g.say(b)
	})
	c.Flags().StringArrayVarP(&from.files, "file", "f", nil, "a `FILE` of this machine with NAME and STATEMENT")
	c.Example = `  vanth create stream demo '() WITH (TYPE="simulator", FORMAT="json")'` + "\n" +
		"  vanth create stream -f demo.sql"
	return c
}

// creating returns a whole statement. In eKuiper's files, and behind its words,
// stands what follows CREATE STREAM.
func creating(sql string) string {
	words := strings.Fields(sql)
	if len(words) > 1 && strings.EqualFold(words[0], "create") && strings.EqualFold(words[1], "stream") {
		return sql
	}
	return "CREATE STREAM " + sql
}

func newShowStreams(g *globals) *cobra.Command {
	l := around(streaming + "%s")
	return wordCommand("streams", "List the streams", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		b, err := g.ask(cmd, request{method: "GET", path: []string{"streams"}})
		if err != nil {
			return l.err(err)
		}
		return l.err(g.names(b, "No stream definitions are found."))
	})
}

// streamCommand makes a word whose only argument is the name of a stream.
func streamCommand(g *globals, use, short string, l line, do func(cmd *cobra.Command, name string) error) *cobra.Command {
	c := ruleCommand(g, use, short, l, do)
	c.ValidArgsFunction = g.completeStreams
	return c
}

func newDescribeStream(g *globals) *cobra.Command {
	const what = "describe stream error: "
	return streamCommand(g, "stream NAME", "Describe a stream", around(streaming+"%s", what).missing(" is not found."),
		func(cmd *cobra.Command, name string) error {
			b, err := g.ask(cmd, request{method: "GET", path: []string{"streams", name}})
			if err != nil {
				return err
			}
			return g.stream(b)
		})
}

func newDropStream(g *globals) *cobra.Command {
	var force bool
	c := streamCommand(g, "stream NAME [--force]", "Drop a stream",
		around(streaming+"Drop stream fails: %s.", "delete stream error: ", "Drop stream fails: "),
		func(cmd *cobra.Command, name string) error {
			r := request{method: "DELETE", path: []string{"streams", name}}
			if force {
				r.query = url.Values{"force": {"true"}}
			}
			b, err := g.ask(cmd, r)
			if err != nil {
				return err
			}
			return g.say(b)
		})
	c.Flags().BoolVar(&force, "force", false, "drop it also when rules read it")
	return c
}

// stream prints a stream as eKuiper's command does: its fields, then its options.
func (g *globals) stream(body []byte) error {
	var s struct {
		StreamFields []struct {
			Name      string
			FieldType json.RawMessage
		}
		Options map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &s); err != nil || s.Options == nil {
		return strange(body)
	}
	if g.output == "json" {
		return g.indented(body)
	}
	var b strings.Builder
	b.WriteString("Fields\n" + strings.Repeat("-", 80) + "\n")
	for _, f := range s.StreamFields {
		fmt.Fprintf(&b, "%s\t%s\n", strings.ReplaceAll(f.Name, "\n", "?"), cell(f.FieldType))
	}
	b.WriteString("\n")
	// eKuiper's order, and then the others.
	options := []string{"confKey", "datasource", "format", "schemaId", "key", "retainSize", "shared", "strictValidation", "timestamp", "timestampFormat", "type"}
	for _, k := range slices.Sorted(maps.Keys(s.Options)) {
		if !slices.Contains(options, k) {
			options = append(options, k)
		}
	}
	for _, k := range options {
		if v := cell(s.Options[k]); v != "-" && v != "false" {
			fmt.Fprintf(&b, "%s: %s\n", optionWord(k), v)
		}
	}
	_, err := fmt.Fprint(g.env.out, printable(b.String()))
	return err
}

// optionWord is what an option is called in a statement.
func optionWord(key string) string {
	if key == "schemaId" {
		return "SCHEMAID"
	}
	var b strings.Builder
	for _, r := range key {
		if 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(strings.ReplaceAll(b.String(), "\n", "?"))
}
