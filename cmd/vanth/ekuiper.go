package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

// ekuiperHelp says how far the likeness goes.
const ekuiperHelp = `This is a command of eKuiper's: its words and its output, spoken over the REST
API. Unlike eKuiper's, it writes errors to the standard error and ends with a
code that tells what happened.

` + exitHelp

// newEKuiper makes eKuiper's commands, which stand beside ours.
func newEKuiper(g *globals) []*cobra.Command {
	return []*cobra.Command{
		group("create", "Create a plugin, a rule or a stream, in eKuiper's words", newCreatePlugin(g), newCreateRule(g), newCreateStream(g)),
		group("show", "List plugins, functions, rules or streams, in eKuiper's words", newShowPlugins(g), newShowUDFs(g), newShowRules(g), newShowStreams(g)),
		group("describe", "Describe a plugin, a function, a rule or a stream, in eKuiper's words", newDescribePlugin(g), newDescribeUDF(g), newDescribeRule(g), newDescribeStream(g)),
		group("drop", "Remove a plugin, a rule or a stream, in eKuiper's words", newDropPlugin(g), newDropRule(g), newDropStream(g)),
		group("register", "Register the functions of a plugin, in eKuiper's words", newRegisterPlugin(g)),
		group("start", "Start a rule, in eKuiper's words", newRunRule(g, "start", "Start a rule", "was started")),
		group("stop", "Stop a rule, in eKuiper's words", newRunRule(g, "stop", "Stop a rule", "was stopped.")),
		group("restart", "Stop and start a rule, in eKuiper's words", newRunRule(g, "restart", "Stop and start a rule", "was restarted.")),
		group("validate", "Validate a rule, in eKuiper's words", newValidateRule(g)),
		group("getstatus", "Show the state of a rule, in eKuiper's words", newRuleView(g, "status", "Show the state and counters of a rule")),
		group("gettopo", "Show the topology of a rule, in eKuiper's words", newRuleView(g, "topo", "Show the topology of a rule")),
	}
}

// ekuiperCommand makes one of them; what is how eKuiper begins its errors.
func ekuiperCommand(use, short, what string, args cobra.PositionalArgs, do func(*cobra.Command, []string) error) *cobra.Command {
	return wordCommand(use, short, args, func(cmd *cobra.Command, args []string) error {
		return ekuiperError(what, do(cmd, args))
	})
}

// wordCommand makes one whose errors are in eKuiper's words already.
func wordCommand(use, short string, args cobra.PositionalArgs, do func(*cobra.Command, []string) error) *cobra.Command {
	long := short + ".\n\n"
	if strings.Contains(use, "TYPE") {
		long = short + ". TYPE is " + strings.Join(pluginTypes(), ", ") + ".\n\n"
	}
	return &cobra.Command{
		Use: use, Short: short, Long: long + ekuiperHelp, Args: args,
		RunE:              action(do),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

// ekuiperError puts a failure into eKuiper's words. Those of wrong usage and of
// a server that is not there are ours.
func ekuiperError(what string, err error) error {
	if err == nil {
		return nil
	}
	c, ok := errors.AsType[*codedError](err)
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", what, err)
	case c.code == exitFailed, c.code == exitNotFound:
		return coded(c.code, fmt.Errorf("%s: %s", what, ekuiperReason(c.Error())))
	}
	return err
}

// ekuiperReason cuts off how the REST API begins its sentences, since eKuiper's
// command begins them otherwise: "functions plugins create command error: ".
func ekuiperReason(text string) string {
	head, reason, found := strings.Cut(text, " error: ")
	ours := strings.Contains(head, "plugin") || strings.Contains(head, "function")
	if !found || !ours || strings.Contains(head, ":") {
		return text
	}
	return reason
}

// pluginTypes are eKuiper's words for the classes, in its order.
func pluginTypes() []string { return []string{"source", "sink", "function", "portable", "wasm"} }

// classOf finds the class of a type.
func classOf(word string) (host.Class, error) {
	classes := []host.Class{host.ClassSources, host.ClassSinks, host.ClassFunctions, host.ClassPortables, host.ClassWASM}
	i := slices.Index(pluginTypes(), word)
	if i < 0 {
		return "", usagef(`Invalid plugin type %s, should be "source", "sink", "function" or "portable" or "wasm".`, word)
	}
	return classes[i], nil
}

// isNative reports whether the plugins of a class are eKuiper's native ones, of
// which it speaks in other words.
func isNative(c host.Class) bool { return c != host.ClassPortables && c != host.ClassWASM }

// pluginOf reads the arguments TYPE NAME; what begins the error about a name.
func pluginOf(what string, args []string) (host.ID, error) {
	class, err := classOf(args[0])
	if err != nil {
		return host.ID{}, err
	}
	if err := host.CheckName(args[1]); err != nil {
		return host.ID{}, usagef("%s: %w", what, err)
	}
	return host.ID{Class: class, Name: args[1]}, nil
}

// takes is for commands whose arguments have names.
func takes(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usagef("%s takes %s, found %d arguments", cmd.CommandPath(), names, len(args))
		}
		return nil
	}
}

// completeTypeAndName proposes types, then the plugins of that type.
func (g *globals) completeTypeAndName(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return pluginTypes(), cobra.ShellCompDirectiveNoFileComp
	}
	class, err := classOf(args[0])
	if err != nil {
		return cobra.NoFileCompletions(cmd, args, word)
	}
	return g.complete(cmd, args[1:], "plugins", string(class))
}

// completeType proposes types only.
func completeType(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return cobra.NoFileCompletions(cmd, args, word)
	}
	return pluginTypes(), cobra.ShellCompDirectiveNoFileComp
}
