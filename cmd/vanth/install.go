package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

// order is what an installation asks for. Its JSON is eKuiper's body with a
// digest beside it.
type order struct {
	Name       string   `json:"name"`
	URL        string   `json:"file"`
	SHA256     string   `json:"sha256,omitempty"`
	ShellParas []string `json:"shellParas,omitempty"`

	zip string // an archive of this machine, instead of the URL
}

// newInstall makes create (POST) and update (PUT).
func newInstall(g *globals, use, short, method string) *cobra.Command {
	var o order
	c := &cobra.Command{
		Use: use, Short: short, Args: oneName,
		Long: short + ". --file uploads an archive of this machine; --url has the server fetch it.",
	}
	if method == "PUT" {
		c.ValidArgsFunction = g.completePlugins
	} else {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	class := classFlag(c)
	f := c.Flags()
	f.StringVar(&o.zip, "file", "", "the archive, a file of this machine")
	f.StringVar(&o.URL, "url", "", "where the server fetches the archive: http, https or file")
	f.StringVar(&o.SHA256, "sha256", "", "what the digest of the archive must be, in hex")
	f.StringArrayVar(&o.ShellParas, "shell-paras", nil, "an argument for the plugin's install.sh; may be repeated")
	_ = c.MarkFlagFilename("file", "zip")
	c.RunE = action(func(cmd *cobra.Command, args []string) error {
		o.Name = args[0]
		if (o.zip == "") == (o.URL == "") {
			return usagef("%s needs either --file or --url", cmd.CommandPath())
		}
		if err := host.CheckName(o.Name); err != nil {
			return coded(exitUsage, err)
		}
		r := request{method: method, path: []string{"plugins", *class}}
		if method == "PUT" {
			r.path = append(r.path, o.Name)
		}
		b, err := g.install(cmd, r, o)
		if err != nil {
			return err
		}
		return g.say(b)
	})
	return c
}

// install sends an order: as JSON, or with the archive as a form.
func (g *globals) install(cmd *cobra.Command, r request, o order) ([]byte, error) {
	if o.zip == "" {
		body, err := json.Marshal(o)
		if err != nil {
			return nil, err
		}
		r.body, r.kind = reader(body), "application/json"
		return g.ask(cmd, r)
	}
	f, err := os.Open(o.zip)
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, usagef("--file: %s is no file: pack a folder with `vanth plugin pack`", o.zip)
	}
	if err := o.form(&r, f, info.Size()); err != nil {
		return nil, err
	}
	return g.ask(cmd, r)
}

// form makes the body of an upload: the fields of an order, and the archive in
// the last part. The archive is read while it is sent.
func (o order) form(r *request, archive io.Reader, size int64) error {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	fields := [][2]string{{"name", o.Name}}
	if o.SHA256 != "" {
		fields = append(fields, [2]string{"sha256", o.SHA256})
	}
	for _, p := range o.ShellParas {
		fields = append(fields, [2]string{"shellParas", p})
	}
	for _, f := range fields {
		if err := w.WriteField(f[0], f[1]); err != nil {
			return err
		}
	}
	if _, err := w.CreateFormFile("file", filepath.Base(o.zip)); err != nil {
		return err
	}
	head := b.Len()
	if err := w.Close(); err != nil {
		return err
	}
	all := b.Bytes()
	r.body = io.MultiReader(reader(all[:head]), io.LimitReader(archive, size), reader(all[head:]))
	r.size = int64(len(all)) + size
	r.kind = w.FormDataContentType()
	return nil
}
