package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

func newCreatePlugin(g *globals) *cobra.Command {
	const what = "Create plugin error"
	var from origin
	c := ekuiperCommand("plugin TYPE NAME (JSON | -f FILE | -zf ZIP)", "Create a plugin", what, takes(2, 3, "TYPE, NAME and JSON"),
		func(cmd *cobra.Command, args []string) error {
			id, err := pluginOf(what, args)
			if err != nil {
				return err
			}
			if err := from.check(cmd, args[2:]); err != nil {
				return err
			}
			if zip, ok := from.archive(); ok {
				return g.upload(cmd, id, zip)
			}
			d, err := g.define(what, from, args[2:])
			if err != nil {
				return err
			}
			if d.File == "" {
				return usagef("%s: Missing plugin file url.", what)
			}
			body, err := d.named(id.Name)
			if err != nil {
				return err
			}
			return g.created(cmd, id, request{path: []string{"plugins", string(id.Class)}, body: reader(body), kind: "application/json"})
		})
	from.flags(c)
	from.archiveFlags(c)
	c.Example = `  vanth create plugin source random '{"file": "https://example.org/random.zip"}'` + "\n" +
		"  vanth create plugin function echo -zf build/echo.zip"
	c.ValidArgsFunction = completeType
	return c
}

// newRegisterPlugin says which functions a plugin has.
func newRegisterPlugin(g *globals) *cobra.Command {
	const what = "Register plugin functions error"
	var from origin
	c := ekuiperCommand("plugin function NAME (JSON | -f FILE)", "Register the functions of a native plugin", what, takes(2, 3, "function, NAME and JSON"),
		func(cmd *cobra.Command, args []string) error {
			if args[0] != "function" {
				return usagef("Plugin type must be function.")
			}
			id, err := pluginOf(what, args)
			if err != nil {
				return err
			}
			if err := from.check(cmd, args[2:]); err != nil {
				return err
			}
			d, err := g.define(what, from, args[2:])
			if err != nil {
				return err
			}
			if len(d.Functions) == 0 {
				return usagef("%s: Missing function list.", what)
			}
			body, err := json.Marshal(map[string][]string{"functions": d.Functions})
			if err != nil {
				return err
			}
			return g.created(cmd, id, request{
				path: []string{"plugins", string(id.Class), id.Name, "register"}, body: reader(body), kind: "application/json",
			})
		})
	from.flags(c)
	c.Example = `  vanth register plugin function mathlib '{"functions": ["sine", "cosine"]}'`
	c.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return []string{"function"}, cobra.ShellCompDirectiveNoFileComp
		}
		return g.completeTypeAndName(cmd, args, word)
	}
	return c
}

// created posts what makes a plugin, or a function of it.
func (g *globals) created(cmd *cobra.Command, id host.ID, r request) error {
	r.method = "POST"
	if _, err := g.ask(cmd, r); err != nil {
		return err
	}
	return g.say([]byte("Plugin " + id.Name + " is created."))
}

// upload sends an archive of this machine. eKuiper's command sends a file URL
// in its place, which needs a server on the same machine that may read it.
func (g *globals) upload(cmd *cobra.Command, id host.ID, zip string) error {
	f, err := os.Open(zip)
	if err != nil {
		return fmt.Errorf("--zipfile: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("--zipfile: %w", err)
	}
	if !info.Mode().IsRegular() {
		return usagef("--zipfile: %s is no file", zip)
	}
	return g.created(cmd, id, request{
		path: []string{"plugins", string(id.Class)}, query: url.Values{"name": {id.Name}},
		body: io.LimitReader(f, info.Size()), size: info.Size(), kind: "application/zip",
	})
}

// origin is where the flags of a command say that a definition or an archive
// comes from.
type origin struct {
	// More than one of either is refused rather than forgotten.
	files []string // of -f
	zips  []string // of --zipfile
	isZip bool     // of -z: the file of -f is an archive
}

func (o *origin) flags(c *cobra.Command) {
	c.Flags().StringArrayVarP(&o.files, "file", "f", nil, "a `FILE` of this machine with the JSON")
}

// archiveFlags adds --zipfile and eKuiper's -zf. A shorthand has one letter
// here, so that -zf ZIP is -z -f ZIP: -z, which help does not show by itself,
// makes an archive of the file.
func (o *origin) archiveFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&o.zips, "zipfile", nil, "a `ZIP` of this machine to send; -zf ZIP is the same")
	f.BoolVarP(&o.isZip, "zip", "z", false, "the file of -f is an archive")
	_ = f.MarkHidden("zip")
	_ = c.MarkFlagFilename("zipfile", "zip")
}

// check refuses all but one origin. rest are the arguments behind the name.
func (o *origin) check(cmd *cobra.Command, rest []string) error {
	given := len(rest) + len(o.files) + len(o.zips)
	ways := "JSON and -f FILE"
	if cmd.Flags().Lookup("zipfile") != nil {
		ways = "JSON, -f FILE and -zf ZIP"
	}
	if given != 1 || o.isZip && len(o.files) == 0 {
		return usagef("%s needs exactly one of %s", cmd.CommandPath(), ways)
	}
	return nil
}

// archive returns the archive that check let through, if it was one.
func (o *origin) archive() (zip string, ok bool) {
	switch {
	case o.isZip:
		return o.files[0], true
	case len(o.zips) > 0:
		return o.zips[0], true
	}
	return "", false
}

// read returns the text that check let through: rest's, or that of -f.
func (o *origin) read(rest []string) ([]byte, error) {
	if len(rest) > 0 {
		return []byte(rest[0]), nil
	}
	text, err := os.ReadFile(o.files[0])
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	return text, nil
}

// announce says, as eKuiper does, that something is made from a file. With what
// follows as JSON it would not be JSON.
func (g *globals) announce(from origin, one string) error {
	if len(from.files) == 0 || g.output == "json" {
		return nil
	}
	_, err := fmt.Fprintf(g.env.out, "Creating a new %s from file %s.\n", one, from.files[0])
	return err
}

// definition is what is read of a plugin's JSON. Other keys are passed on.
type definition struct {
	File      string   `json:"file"`
	Functions []string `json:"functions"`

	keys map[string]json.RawMessage
}

// define reads the definition that check let through. No text is one without
// keys, as in eKuiper.
func (g *globals) define(what string, from origin, rest []string) (definition, error) {
	var d definition
	text, err := from.read(rest)
	if err != nil {
		return d, err
	}
	if len(rest) == 0 && bytes.HasPrefix(text, []byte("PK\x03\x04")) {
		return d, usagef("--file: %s is an archive: send it with --zipfile", from.files[0])
	}
	if err := g.announce(from, "plugin"); err != nil {
		return d, err
	}
	if len(text) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, usagef("%s: Parse plugin %.200s error : %w.", what, printable(string(text)), err)
	}
	return d, json.Unmarshal(text, &d.keys)
}

// named returns the definition with a name in place of its own, which may be
// written in any case.
func (d definition) named(name string) ([]byte, error) {
	keys := make(map[string]json.RawMessage, len(d.keys)+1)
	for k, v := range d.keys {
		if !strings.EqualFold(k, "name") {
			keys[k] = v
		}
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	keys["name"] = quoted
	return json.Marshal(keys)
}
