package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/native"
)

func newSDK() *cobra.Command {
	return &cobra.Command{
		Use: "sdk", Short: "Tell how to build a native plugin that this host opens", Args: cobra.NoArgs,
		Long: "Tell how to build a native plugin that this host opens: the Go version, environment,\n" +
			"flags and module versions, as lines for a shell.",
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			text, err := native.SDK()
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		}),
	}
}

func newInspect() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "inspect FILE", Short: "Explain a .so file, or an archive, without installing it", Args: cobra.ExactArgs(1),
		Long: "Explain a .so file, or the archive of a plugin: what it is, what it says of itself and\n" +
			"everything that keeps this host from running it. Nothing of it runs. The class of an\n" +
			"archive is guessed from its files, unless --class says it. The exit code is 1 when it\n" +
			"cannot run here.",
	}
	class := classFlag(c)
	*class = ""
	f := c.Flags().Lookup("class")
	f.DefValue, f.Usage = "", "the class of the plugin (default: guessed)"
	c.Flags().StringVar(&name, "name", "", "the plugin's name (default: the file's)")
	c.RunE = action(func(cmd *cobra.Command, args []string) error {
		if strings.HasSuffix(args[0], ".zip") {
			if name == "" {
				name = strings.TrimSuffix(filepath.Base(args[0]), ".zip")
			}
			return inspectPackage(cmd, args[0], host.ID{Class: host.Class(*class), Name: name})
		}
		return inspectSo(cmd, args[0])
	})
	return c
}

func inspectSo(cmd *cobra.Command, file string) error {
	opens, err := native.Inspect(file, cmd.OutOrStdout())
	if err == nil && !opens {
		err = fmt.Errorf("%s: this host cannot open it", file)
	}
	return err
}

// inspectPackage unpacks the archive into a temporary folder.
func inspectPackage(cmd *cobra.Command, file string, id host.ID) error {
	dir, err := os.MkdirTemp("", "vanth-inspect-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := host.ReadPackage(context.WithoutCancel(cmd.Context()), file, dir, id)
	line := func(key, value string) { fmt.Fprintf(cmd.OutOrStdout(), "%-12s %s\n", key+":", value) }
	line("name", id.Name)
	switch class := string(p.ID.Class); {
	case p.Guess != "":
		line("class", class+" (guessed by "+p.Guess+"; --class says otherwise)")
	case class != "":
		line("class", class)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	line("version", p.Manifest.Version)
	for _, s := range p.Manifest.List() {
		line(s.Kind.String(), s.Name)
	}
	if len(p.Manifest.Requires) > 0 {
		line("requires", strings.Join(p.Manifest.Requires, " "))
	}
	if asked := p.Manifest.Limits; asked != (host.Limits{}) {
		b, err := json.Marshal(asked)
		if err != nil {
			return err
		}
		line("limits", string(b)+" (what it asks for; plugin describe shows what it has)")
	}
	if p.Manifest.Language == host.LanguageNative {
		return inspectSo(cmd, filepath.Join(dir, p.Manifest.Executable))
	}
	return nil
}
