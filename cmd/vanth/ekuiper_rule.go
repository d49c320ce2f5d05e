package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

// ruleCommand makes a word whose only argument is the name of a rule. l words its
// refusals; %s is the reason.
func ruleCommand(g *globals, use, short string, l line, do func(cmd *cobra.Command, name string) error) *cobra.Command {
	c := wordCommand(use, short, oneName, func(cmd *cobra.Command, args []string) error {
		if err := host.CheckName(args[0]); err != nil {
			return l.usage(err.Error())
		}
		return l.err(do(cmd, args[0]))
	})
	c.ValidArgsFunction = g.completeRules
	return c
}

func newCreateRule(g *globals) *cobra.Command {
	return definedRule(g, "Create a rule", `  vanth create rule r1 '{"sql": "SELECT * FROM demo", "actions": [{"log": {}}]}'`,
		func(name string) line { return around("Create rule " + name + " error : %s.") },
		func(cmd *cobra.Command, name string, text []byte) error {
			if _, err := g.ask(cmd, request{method: "POST", path: []string{"rules"}, body: reader(text), kind: "application/json"}); err != nil {
				return err
			}
			return g.say(fmt.Appendf(nil, "Rule %s was created successfully, please use 'vanth getstatus rule %s' command to get rule status.", name, name))
		})
}

func newValidateRule(g *globals) *cobra.Command {
	return definedRule(g, "Compile a rule and do nothing with it", "  vanth validate rule r1 -f rule.json",
		func(string) line { return around("%s") },
		func(cmd *cobra.Command, _ string, text []byte) error {
			_, err := g.ask(cmd, request{method: "POST", path: []string{"rules", "validate"}, body: reader(text), kind: "application/json"})
			if err != nil {
				return err
			}
			return g.say([]byte("The rule has been successfully validated and is confirmed to be correct."))
		})
}

// definedRule makes a word that takes the definition of a rule beside its name.
func definedRule(g *globals, short, example string, lineOf func(name string) line, do func(cmd *cobra.Command, name string, text []byte) error) *cobra.Command {
	var from origin
	c := wordCommand("rule NAME (JSON | -f FILE)", short, takes(1, 2, "NAME and JSON"), func(cmd *cobra.Command, args []string) error {
		l := lineOf(args[0])
		if err := host.CheckName(args[0]); err != nil {
			return l.usage(err.Error())
		}
		if err := from.check(cmd, args[1:]); err != nil {
			return err
		}
		text, err := from.read(args[1:])
		if err != nil {
			return l.err(err)
		}
		if err := g.announce(from, "rule"); err != nil {
			return err
		}
		if text, err = identified(args[0], text); err != nil {
			return l.usage("invalid rule json: " + err.Error())
		}
		return l.err(do(cmd, args[0], text))
	})
	from.flags(c)
	c.Example = example
	return c
}

// identified returns the definition of a rule with its id, which it may lack. One
// that says another is refused, as in eKuiper.
func identified(id string, text []byte) ([]byte, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, fmt.Errorf("Parse rule %.200s error : %w", printable(string(text)), err) //nolint:staticcheck // eKuiper begins it like this
	}
	for k, v := range keys {
		if !strings.EqualFold(k, "id") {
			continue
		}
		var said string
		if json.Unmarshal(v, &said) != nil || said != "" && said != id {
			return nil, errors.New("RuleId is not consistent with rule id")
		}
		if said == id {
			return text, nil
		}
		delete(keys, k)
	}
	quoted, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	if keys == nil { // null
		keys = map[string]json.RawMessage{}
	}
	keys["id"] = quoted
	return json.Marshal(keys)
}

func newShowRules(g *globals) *cobra.Command {
	l := around("Show rule error : %s.")
	return wordCommand("rules", "List the rules with their states", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		b, err := g.ask(cmd, request{method: "GET", path: []string{"rules"}})
		if err != nil {
			return l.err(err)
		}
		list, err := objects(b)
		if err != nil {
			return l.err(err)
		}
		if len(list) == 0 && g.output != "json" {
			return g.say([]byte("No rule definitions are found."))
		}
		return l.err(g.indentedList(b))
	})
}

func newDescribeRule(g *globals) *cobra.Command {
	return ruleCommand(g, "rule NAME", "Show the definition of a rule", around("Desc rule error : %s.", "Describe rule error: "),
		func(cmd *cobra.Command, name string) error {
			b, err := g.ask(cmd, request{method: "GET", path: []string{"rules", name}})
			if err != nil {
				return err
			}
			return g.indented(b)
		})
}

func newDropRule(g *globals) *cobra.Command {
	const what = "Delete rule error: "
	return ruleCommand(g, "rule NAME", "Stop and forget a rule", around("Drop rule error : %s.", what).missing(" not found"),
		func(cmd *cobra.Command, name string) error {
			if _, err := g.ask(cmd, request{method: "DELETE", path: []string{"rules", name}}); err != nil {
				return err
			}
			return g.say([]byte("Rule " + name + " is dropped."))
		})
}

// newRunRule makes start, stop and restart.
func newRunRule(g *globals, verb, short, done string) *cobra.Command {
	return ruleCommand(g, "rule NAME", short, around("%s", verb+" rule error: "),
		func(cmd *cobra.Command, name string) error {
			if _, err := g.ask(cmd, request{method: "POST", path: []string{"rules", name, verb}}); err != nil {
				return err
			}
			return g.say([]byte("Rule " + name + " " + done))
		})
}

// newRuleView makes the words that show what the REST API has as JSON.
func newRuleView(g *globals, what, short string) *cobra.Command {
	return ruleCommand(g, "rule NAME", short, around("%s", "get rule "+what+" error: "),
		func(cmd *cobra.Command, name string) error {
			b, err := g.ask(cmd, request{method: "GET", path: []string{"rules", name, what}})
			if err != nil {
				return err
			}
			return g.indented(b)
		})
}
