package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vanth-io/vanth/host"
)

func newPack(g *globals) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "pack DIR", Short: "Check the folder of a plugin and pack it into an archive",
		Long: "Check the folder of a plugin - NAME.json with NAME.wasm, or with the program that\n" +
			"it names - and pack it. NAME is the folder's name or that of its only .json file.\n" +
			"Equal folders give equal archives; hidden files are left out. The SHA-256 that is\n" +
			"printed is the one for `vanth plugin create --sha256`.",
		Args: oneName,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "the archive to write, ending in .zip (default NAME.zip here)")
	c.RunE = action(func(_ *cobra.Command, args []string) error {
		name, err := bundleName(args[0])
		if err != nil {
			return err
		}
		if out == "" {
			out = name + ".zip"
		}
		if !strings.HasSuffix(out, ".zip") {
			return usagef("--output: found %q, expected a file that ends in .zip", out)
		}
		sum, size, err := pack(args[0], out)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.env.out, "%s  %s  %d bytes\n", sum, out, size)
		return err
	})
	return c
}

// bundleName finds the name of the plugin in dir and checks that the bundle is
// one that a host would take.
func bundleName(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name := filepath.Base(abs)
	manifest, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		found, globErr := filepath.Glob(filepath.Join(dir, "*.json"))
		if globErr != nil || len(found) != 1 {
			return "", fmt.Errorf("%s: found %d .json files and no %s.json, expected the manifest %s.json", dir, len(found), name, name)
		}
		name = strings.TrimSuffix(filepath.Base(found[0]), ".json")
		manifest, err = os.ReadFile(found[0])
	}
	if err != nil {
		return "", err
	}
	if err := host.CheckName(name); err != nil {
		return "", err
	}
	class := host.ClassWASM
	var said struct{ Executable string }
	if json.Unmarshal(manifest, &said) == nil && said.Executable != "" {
		class = host.ClassPortables
	}
	m, err := host.ReadBundle(dir, host.ID{Class: class, Name: name})
	if err != nil || m.IsProgram() {
		return name, err
	}
	return name, checkModule(filepath.Join(dir, name+".wasm"))
}

// checkModule reports whether a file begins as a WebAssembly module does.
func checkModule(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: not there: compile the plugin's code to it", path)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil || !bytes.Equal(magic, []byte("\x00asm")) {
		return fmt.Errorf("%s: found %q at its beginning, expected a WebAssembly module", path, magic)
	}
	return nil
}

// pack writes the archive of dir to out, whole or not at all, and returns its
// digest and size.
func pack(dir, out string) (sum string, size int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(out), ".pack-*")
	if err != nil {
		return "", 0, err
	}
	defer os.Remove(f.Name())
	hash := sha256.New()
	w := zip.NewWriter(io.MultiWriter(f, hash))
	err = addTree(w, dir)
	err = errors.Join(err, w.Close())
	if info, e := f.Stat(); e == nil {
		size = info.Size()
	}
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(hash.Sum(nil)), size, os.Rename(f.Name(), out)
}

// addTree adds the files below dir in the order of their names. Archives that
// an earlier run left at the top are not part of the plugin.
func addTree(w *zip.Writer, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == ".":
			return nil
		case strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir(), !strings.Contains(path, "/") && strings.HasSuffix(path, ".zip"):
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s: is a link or no file: a host refuses it; put a copy in its place", path)
		}
		return addFile(w, root, path)
	})
}

// addFile adds one file with a fixed time and one of two modes, so that equal
// contents give equal archives.
func addFile(w *zip.Writer, root *os.Root, path string) error {
	f, err := root.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := &zip.FileHeader{Name: path, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o644)
	if info.Mode()&0o111 != 0 {
		h.SetMode(0o755)
	}
	part, err := w.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(part, f)
	return err
}
