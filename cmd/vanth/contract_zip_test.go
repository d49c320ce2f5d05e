//go:build linux

package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContractZip is section 2.3: what a package holds and what becomes of it.
func TestContractZip(t *testing.T) {
	nativeBinary(t)
	for _, class := range nativeClasses() {
		t.Run(class, func(t *testing.T) {
			z := &packages{t: t, class: class, so: string(contractSo(t, 0)), zips: map[string][]byte{}}
			d := startDaemon(t, t.TempDir(), openPolicy, z.zips)
			d.rows(t, z.entries())
			d.rows(t, z.counts())
			d.rows(t, z.configuration())
			d.rows(t, z.scripts())
			d.rows(t, z.broken())
			d.rows(t, z.unopened())
			d.rows(t, z.modules())
			if class == "sources" {
				d.reinstalls(t, z)
			}
		})
	}
}

// packages makes rows that install plugin box, each from a package of its own.
type packages struct {
	t     *testing.T
	class string
	so    string
	zips  map[string][]byte // of the site
}

// zip adds a package. For sources it gets the yaml file that they need.
func (z *packages) zip(content ...string) (name string) {
	if z.class == "sources" {
		content = append(content, "box.yaml", "default: {}\n")
	}
	return z.raw(zipOf(z.t, content...))
}

func (z *packages) raw(b []byte) (name string) {
	name = fmt.Sprintf("%d.zip", len(z.zips))
	z.zips[name] = b
	return name
}

func (z *packages) all() string { return "/plugins/" + z.class }

func (z *packages) cannot() string {
	return z.class + " plugins create command error: fail to install plugin: "
}

func (z *packages) installs(name, zipName string, rest ...string) row {
	return is(name, "POST "+z.all(), at("box", zipName, rest...), 201, textKind, z.class+" plugin box is created")
}

func (z *packages) fails(name, zipName, reason string, more ...string) row {
	return is(name, "POST "+z.all(), at("box", zipName), 400, textKind, bad(1000, z.cannot()+reason, more...))
}

func (z *packages) describes(name, version string) row {
	return is(name+", version", "GET "+z.all()+"/box", "", 200, jsonKind, `{"name":"box","version":"`+version+`"}`)
}

func (z *packages) deletes(name string) row {
	return is(name+", deleted", "DELETE "+z.all()+"/box", "", 200, textKind, z.class+" plugin box is deleted"+plainRow)
}

func (z *packages) none(name string) []row {
	return []row{
		files(name+", no code remains", "data/bundles/"+z.class),
		files(name+", no configuration remains", "etc/"+z.class),
		is(name+", not listed", "GET "+z.all(), "", 200, jsonKind, `[]`),
	}
}

// missing is the sentence about a package that has not what it must have: the
// paths that were written, and the package's entries.
func (z *packages) missing(found, entries string, yaml, so bool) string {
	expect := 1
	if z.class == "sources" {
		expect = 3
	}
	return fmt.Sprintf("invalid zip file: expectFiles: %d, got filenames:[%s], zipFiles: [%s], yamlFileChecked:%t, soFileChecked:%t", expect, found, entries, yaml, so)
}

const (
	wantsSo   = ": expected Box.so or Box@VERSION.so at the root, or box.wasm with its manifest"
	wantsOne  = ": expected one .so file of the plugin"
	wantsYaml = ": expected box.yaml at the root"
)

// entries are the names that the .so file may have, ^((box)|(Box))(@.*)?\.so$, and
// the version that they say, by 2.4.
func (z *packages) entries() (rows []row) {
	for _, n := range []struct{ file, version string }{
		{"Box.so", ""},
		{"box.so", ""},
		{"Box@v1.0.0.so", "1.0.0"},
		{"box@1.0.0.so", "1.0.0"},
		{"Box@vv2.so", "v2"},
		{"Box@V2.so", "V2"},
		{"Box@v.so", ""},
		{"Box@.so", ""},
		{"Box@latest.so", "latest"},
		{"Box@1.0.0-rc.1+build.5.so", "1.0.0-rc.1+build.5"},
		{"Box@2 of 3.so", "2 of 3"},
		{"Box@1.so.2.so", "1"}, // cut at the first .so
		{"Box@1@2.so", "1"},    // the part after the first @
	} {
		name := "2.3 .so entry " + n.file
		rows = append(rows, z.installs(name, z.zip(n.file, z.so)), z.describes(name, n.version), z.deletes(name))
	}
	for _, file := range []string{"BOX.so", "bOx.so", "boxes.so", "a-box.so", "Box-v1.so", "box@1.so.1", "Box@v1", "libbox.so", ".so", "@1.so", "box.SO"} {
		rows = append(rows, z.fails("2.3 not the .so entry "+file, z.raw(zipOf(z.t, file, z.so)), z.missing("", file, false, false), wantsSo))
	}
	for _, file := range []string{"box.so.so", "box.source.so"} {
		found, entries := "", file
		if z.class == "sources" {
			found, entries = "{home}/etc/sources/box.yaml {home}/data/sources/box.yaml", file+" box.yaml"
		}
		rows = append(rows, z.fails("2.3 not the .so entry "+file, z.zip(file, z.so), z.missing(found, entries, z.class == "sources", false), wantsSo))
	}
	folder := "pains B one enclosing folder is left out"
	content := []string{"box/Box@v1.so", z.so}
	if z.class == "sources" {
		content = append(content, "box/box.yaml", "")
	}
	rows = append(rows, z.installs(folder, z.raw(zipOf(z.t, content...))), z.describes(folder, "1"), z.deletes(folder))
	other := "2.3 a .so entry of another plugin is none"
	return append(rows,
		z.installs(other, z.zip("Box@v1.so", z.so, "Boxes@v2.so", "no plugin", "lib/Box@v3.so", "no plugin")), z.describes(other, "1"), z.deletes(other))
}

// counts are the check that a package has what it must have, and once.
func (z *packages) counts() (rows []row) {
	long := strings.Repeat("long ", 20)
	entries := z.fails("2.3 no .so: the entries are named", z.raw(zipOf(z.t, "readme.md", long, "lib/Box.so", z.so, "a.txt", long)),
		z.missing("", "readme.md lib/Box.so a.txt", false, false), wantsSo)
	yaml := z.raw(zipOf(z.t, "box.yaml", "default: {}\n"))
	if z.class != "sources" {
		return append(rows, entries,
			z.fails("2.3 no .so: a yaml file counts for sources only", yaml, z.missing("", "box.yaml", false, false), wantsSo),
			z.fails("2.3 two .so entries", z.raw(zipOf(z.t, "Box@v1.9.0.so", z.so, "box@1.10.0.so", z.so)),
				z.missing("{home}/plugins/"+z.class+"/Box@v1.9.0.so {home}/plugins/"+z.class+"/box@1.10.0.so", "Box@v1.9.0.so box@1.10.0.so", false, true), wantsOne),
			z.fails("2.3 two .so entries in an enclosing folder", z.raw(zipOf(z.t, "top/Box.so", z.so, "top/Box@2.so", z.so)),
				z.missing("{home}/plugins/"+z.class+"/Box.so {home}/plugins/"+z.class+"/Box@2.so", "top/Box.so top/Box@2.so", false, true), wantsOne))
	}
	const written = "{home}/etc/sources/box.yaml {home}/data/sources/box.yaml"
	yamls := z.fails("2.3 no .so: the yaml file counts", yaml, z.missing(written, "box.yaml", true, false), wantsSo)
	twice := z.fails("2.3 two .so entries", z.zip("Box@v1.9.0.so", z.so, "box@1.10.0.so", z.so),
		z.missing("{home}/plugins/sources/Box@v1.9.0.so {home}/plugins/sources/box@1.10.0.so "+written, "Box@v1.9.0.so box@1.10.0.so box.yaml", true, true), wantsOne)
	bare := z.fails("2.3 no yaml", z.raw(zipOf(z.t, "Box.so", z.so)), z.missing("{home}/plugins/sources/Box.so", "Box.so", false, true), wantsYaml)
	wrong := z.fails("2.3 no yaml of this very name", z.raw(zipOf(z.t, "Box.so", z.so, "Box.yaml", "", "box.yml", "", "conf/box.yaml", "")),
		z.missing("{home}/plugins/sources/Box.so", "Box.so Box.yaml box.yml conf/box.yaml", false, true), wantsYaml)
	rows = append(rows, entries, yamls, twice, bare, wrong)
	empty := "2.3 an empty yaml is one"
	rows = append(rows, z.installs(empty, z.raw(zipOf(z.t, "Box.so", z.so, "box.yaml", ""))), z.deletes(empty))
	return append(rows, z.none("2.3 what failed")...)
}

// configuration is what goes to etc/ and data/, and when.
func (z *packages) configuration() []row {
	brings := func(so, content string) string {
		return z.raw(zipOf(z.t, "box.yaml", content, "box.json", content, "etc/b.conf", content, "etc/deep/er/a.conf", content, "lib/x", content,
			"other.yaml", content, "sub/box.json", content, "Box@v1.so", so))
	}
	with := func(yaml, others string) []string {
		list := []string{"box/b.conf=" + others, "box/deep/er/a.conf=" + others, "box.json=" + others}
		if z.class == "sources" {
			list = append(list, "box.yaml="+yaml)
		}
		return list
	}
	put := func(name, zipName string) row {
		return is(name, "PUT "+z.all()+"/box", at("box", zipName), 200, textKind, "plugin box is updated"+plainRow)
	}
	rows := []row{
		z.installs("2.3 configuration", brings(z.so, "one")),
		files("2.3 configuration in etc/: json, etc, and yaml of sources", "etc/"+z.class, with("one", "one")...),
		// One copy cannot differ from another; the bundle keeps what was brought.
		files("ours no second copy in data/", "data/"+z.class),
		files("RATIONALE an installed plugin is not in plugins/", "plugins/"+z.class),
		is("2.3 configuration, a new version that fails", "PUT "+z.all()+"/box", at("box", brings("no plugin", "two")), 400, textKind,
			bad(1000, z.cannot()+"cannot open ", "{home}/data/native/open/{sum}-Box@v1.so/Box@v1.so: not an ELF file: it begins with \"no p\", expected \"\\x7fELF\"")),
		files("2.3 configuration, put back", "etc/"+z.class, with("one", "one")...),
		put("2.3 configuration, a new version", brings(z.so, "three")),
		files("2.3 json and etc are overwritten, yaml is not", "etc/"+z.class, with("one", "three")...),
		z.deletes("2.6 configuration"),
	}
	return append(rows, z.none("2.6 configuration")...)
}

// scripts are install.sh and its arguments, where they are allowed.
func (z *packages) scripts() []row {
	const nothing = "#!/bin/sh\n# nothing\n"
	paras := func(list string) string { return `,"shellParas":` + list }
	out := `"{home}/data/uploads/out"`
	look := `exec >"$1"; shift; echo "$# $*"; [ "$0" = "$(pwd)/install.sh" ] && cat lib/x && bin/tool && [ -n "$PATH" ] && cat "$2"/box.json` + "\n"
	script := func(text string, more ...string) string {
		return z.zip(append([]string{"Box.so", z.so, "install.sh", text}, more...)...)
	}
	rows := []row{
		z.installs("2.3 install.sh", script(look, "lib/x", "x\n", "bin/tool", "#!/bin/sh\necho tool\n", "box.json", "about\n"),
			paras(`[`+out+`,"two words","{home}/etc/`+z.class+`",";exit 5"]`)),
		files("2.3 install.sh has its arguments, folder, files and environment", "data/uploads", "out=3 two words {home}/etc/"+z.class+" ;exit 5\nx\ntool\nabout\n"),
		z.deletes("2.3 install.sh"),
		z.installs("2.3 install.sh without arguments", script("[ $# = 0 ]\n")),
		z.deletes("2.3 install.sh without arguments"),
		z.installs("2.3 install.sh with no list of arguments", script("[ $# = 0 ]\n"), paras(`[]`)),
		z.deletes("2.3 install.sh with no list of arguments"),
		is("2.3 shellParas without install.sh", "POST "+z.all(), at("box", z.zip("Box.so", z.so), paras(`["a","b"]`)), 400, textKind,
			bad(1000, z.cannot()+"have shell parameters : [a b] but no install.sh file")),
		is("2.3 shellParas without install.sh at the root", "POST "+z.all(), at("box", z.zip("Box.so", z.so, "bin/install.sh", "exit 0\n"), paras(`["a"]`)), 400, textKind,
			bad(1000, z.cannot()+"have shell parameters : [a] but no install.sh file")),
		z.installs("2.3 install.sh that does nothing", script(nothing)),
		z.deletes("2.3 install.sh that does nothing"),
		z.installs("2.3 install.sh that does nothing, with arguments", script(nothing), paras(`["a"]`)),
		z.deletes("2.3 install.sh that does nothing, with arguments"),
		z.fails("2.3 install.sh fails", script("echo out; echo err >&2; exit 127\n", "box.json", "{}", "etc/x", "x"), "exit status 127", `; output: "out\nerr"`),
		z.fails("2.3 install.sh is killed", script("kill -9 $$\n"), "signal: killed", `; output: ""`),
		z.fails("2.3 install.sh runs before the .so is opened", z.zip("Box.so", "no plugin", "install.sh", "exit 9\n"), "exit status 9", `; output: ""`),
		z.fails("2.3 not opened after install.sh", z.zip("Box.so", "no plugin", "install.sh", "echo ran >>\"$(dirname \"$0\")\"/ran\n"), "cannot open ",
			"{home}/data/native/open/{sum}-Box.so/Box.so: not an ELF file: it begins with \"no p\", expected \"\\x7fELF\""),
	}
	return append(rows, z.none("F12 install.sh failed")...)
}

// broken are zips that cannot be read, or must not be written.
func (z *packages) broken() (rows []row) {
	whole := zipOf(z.t, "Box.so", z.so, "box.yaml", "")
	const notZip = "zip: not a valid zip file"
	for _, b := range []struct {
		name string
		zip  []byte
		more string
	}{
		{"text", []byte("PK, not a zip"), ": no end of directory record"},
		{"empty", nil, ": no end of directory record"},
		{"cut", whole[:len(whole)-1], ": truncated in the end of directory record"},
		{"half", whole[:len(whole)/2], ": no end of directory record"},
		{"the .so alone", []byte(z.so), ": no end of directory record"},
		{"web page", []byte("<html>not found</html>"), ": no end of directory record"},
	} {
		rows = append(rows, z.fails("2.3 not a zip "+b.name, z.raw(b.zip), notZip, b.more))
	}
	rows = append(rows, z.fails("2.3 no entries", z.raw(zipOf(z.t)), z.missing("", "", false, false), wantsSo))
	damaged := bytes.Clone(whole)
	damaged[len("Box.so")+30+1000] ^= 1
	rows = append(rows, z.fails("ours damaged contents", z.raw(damaged), "archive refused: \"Box.so\": checksum error"))
	rows = append(rows, z.fails("ours an entry twice", z.raw(zipOf(z.t, "Box.so", z.so, "Box.so", z.so)), "archive refused: \"Box.so\": twice in the archive"))
	rows = append(rows, z.fails("ours two spellings of an entry", z.zip("Box.so", z.so, "a.txt", "", "A.txt", ""), `archive refused: "A.txt": "A.txt" and "a.txt" differ in case only`))
	for _, u := range []struct{ entry, reason string }{
		{"../x", `path component ".."`},
		{"a/../../x", `path component ".."`},
		{"/etc/x", "absolute path"},
		{"etc/../../x", `path component ".."`},
		{`..\x`, "backslash in name"},
		{"C:x", "drive letter in name"},
		{"CON", `path component "CON" is a device name on Windows`},
		{"prn.txt", `path component "prn.txt" is a device name on Windows`},
		{"etc/AUX", `path component "AUX" is a device name on Windows`},
		{"nul.tar.gz", `path component "nul.tar.gz" is a device name on Windows`},
	} {
		quoted := fmt.Sprintf("%q", u.entry)
		rows = append(rows, z.fails("pains E unsafe entry is refused, not skipped: "+u.entry, z.zip("Box.so", z.so, u.entry, "evil"), "archive refused: "+quoted+": "+u.reason))
	}
	rows = append(rows, z.none("pains E unsafe entries")...)
	for _, entry := range []string{"CONFIG.json", "auxiliary/x", "nullable"} {
		name := "2.3 harmless entry " + entry
		rows = append(rows, z.installs(name, z.zip("Box.so", z.so, entry, "x")), z.deletes(name))
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "Box.so"}
	h.SetMode(fs.ModeSymlink | 0o777)
	if e, err := w.CreateHeader(h); err != nil {
		z.t.Fatal(err)
	} else if _, err = io.WriteString(e, "/etc/passwd"); errors.Join(err, w.Close()) != nil {
		z.t.Fatal(err)
	}
	return append(rows, z.fails("pains E a link is refused", z.raw(b.Bytes()), `archive refused: "Box.so": symbolic link`))
}

// reinstalls are F1: a source whose yaml file is in etc/sources already.
func (d *daemon) reinstalls(t *testing.T, z *packages) {
	yaml := filepath.Join(d.home, "etc", "sources", "box.yaml")
	put := func() {
		if err := errors.Join(os.MkdirAll(filepath.Dir(yaml), 0o755), os.WriteFile(yaml, []byte("mine"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	bare, brings := z.raw(zipOf(t, "Box.so", z.so)), z.raw(zipOf(t, "Box.so", z.so, "box.yaml", "brought"))
	put()
	d.rows(t, []row{
		z.installs("F1 yaml in etc, none in the zip", bare),
		files("F1 the yaml in etc is left", "etc/sources", "box.yaml=mine"),
		is("F1 PUT", "PUT /plugins/sources/box", at("box", brings), 200, textKind, "plugin box is updated"+plainRow),
		files("F1 PUT leaves the yaml in etc", "etc/sources", "box.yaml=mine"),
		z.deletes("F1"),
		// It is the operator's, who would have to write it again (2.6 takes it).
		files("ours DELETE leaves the yaml that the plugin did not bring", "etc/sources", "box.yaml=mine"),
	})
	put()
	d.rows(t, []row{
		z.installs("F1 yaml in etc and in the zip", brings),
		files("F1 yaml is copied only if there is none", "etc/sources", "box.yaml=mine"),
		z.deletes("F1 yaml in both"),
	})
	if err := os.Remove(yaml); err != nil {
		t.Fatal(err)
	}
	d.rows(t, []row{
		z.installs("F1 yaml in the zip", brings),
		files("F1 yaml is brought", "etc/sources", "box.yaml=brought"),
		z.deletes("F1 yaml brought"),
		files("F1 yaml brought is deleted (2.6)", "etc/sources"),
		z.installs("F1 installed again", brings),
		files("F1 yaml is brought again", "etc/sources", "box.yaml=brought"),
		z.deletes("F1 again"),
	})
}
