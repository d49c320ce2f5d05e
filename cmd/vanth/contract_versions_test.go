//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// dropped are files in a drop-in folder: of each plugin the one that counts, and
// others that do not. What eKuiper does with several is a bug (2.4); what is right
// is the greatest version, which by the design is semver's where both are such, and
// else that of the text.
type dropped struct {
	plugin, file, version string
	others                []string
}

func droppedPlugins() []dropped {
	return []dropped{
		{"alpha", "alpha@v1.10.0.so", "1.10.0", []string{"Alpha@v1.9.0.so"}},                         // not by text
		{"beta", "beta@10.so", "10", []string{"Beta@2.so", "Beta@9.1.so"}},                           // short versions are semver too
		{"gamma", "Gamma@nightly-2.so", "nightly-2", []string{"gamma@nightly-10.so"}},                // by text
		{"delta", "Delta@x.so", "x", []string{"Delta@1.0.0.so", "delta@2.0.0.so"}},                   // by text where one is no semver
		{"epsilon", "Epsilon@0.0.1.so", "0.0.1", []string{"Epsilon.so"}},                             // any is more than none
		{"theta", "theta@1.3.0.so", "1.3.0", []string{"Theta@v1.2.0.so"}},                            // a v counts for nothing
		{"kappa", "Kappa@1.0.0.so", "1.0.0", []string{"Kappa@1.0.0-rc.1.so", "kappa@1.0.0-beta.so"}}, // a release is more than what came before
		{"iota", "iota@v1.0.0.so", "1.0.0", []string{"Iota@1.0.0.so"}},                               // equal: by text, v after 1
		{"lambda", "Lambda.so", "", nil},
		{"mu", "mu@vv1.so", "v1", nil},       // one v is cut off
		{"aBC", "ABC@V1.so", "V1", nil},      // the first letter of the name in lower case
		{"eta", "Eta@1.so.bak.so", "1", nil}, // cut at the first .so
		{"my-plugin_1", "My-plugin_1.so", "", nil},
	}
}

// TestContractVersions is section 2.4, with drop-in files, and what 2.6 says of
// them at a start.
func TestContractVersions(t *testing.T) {
	current, stale := contractSo(t, 0), contractSo(t, 1)
	home := t.TempDir()
	for _, class := range nativeClasses() {
		folder := filepath.Join(home, "plugins", class)
		write := func(file string, content []byte) {
			t.Helper()
			if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, file), content, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range droppedPlugins() {
			if class != "functions" && p.plugin == "my-plugin_1" {
				continue // no symbol of Go has that name
			}
			write(p.file, current)
			for _, f := range p.others {
				write(f, stale)
			}
		}
		write("Broken@v3.so", []byte("no plugin"))
		write("readme.md", []byte("no plugin"))
		write("libzeta.so.1", []byte("no plugin"))
		write("a b@v1.so", current)
	}
	so := string(current)
	d := startDaemon(t, home, openPolicy, map[string][]byte{
		"broken.zip": zipOf(t, "Broken@v4.so", so, "broken.yaml", ""), "box.zip": zipOf(t, "Box@v1.so", so, "box.yaml", "brought", "install.sh", `echo ran >>"$1"`+"\n"),
		"alpha.zip": zipOf(t, "Alpha@v1.1.0.so", so, "alpha.yaml", ""), "random.zip": zipOf(t, "Random.so", so), "many.zip": zipOf(t, "Many.so", so), "stamped.zip": zipOf(t, "Random@v2.so", string(stale)),
	})
	for _, class := range nativeClasses() {
		t.Run(class, func(t *testing.T) { d.rows(t, versionRows(class)) })
	}
	lists := []row{
		is("2.4 register the functions of a drop-in", "POST /plugins/functions/lambda/register", `{"functions":["lambda","zeta"]}`, 200, textKind, "function plugin lambda function list is registered"),
		is("2.4 its functions run", "POST /functions/zeta/call", `{"args":[]}`, 200, jsonKind, `{"result":"Zeta 00000000"}`),
		is("2.6 a function that is not exported is no error before it is called", "GET /plugins/udfs/my-plugin_1", "", 200, jsonKind, `{"name":"my-plugin_1","plugin":"my-plugin_1"}`),
		is("2.6 random installed", "POST /plugins/functions", at("random", "random.zip"), 201, textKind, "functions plugin random is created"),
		is("2.6 another build of what is loaded", "PUT /plugins/functions/random", at("random", "stamped.zip"), 200, textKind, "plugin random is updated"+plainRow),
		is("ours: it says that it waits", "GET /plugins/functions/random", "", 200, jsonKind,
			`{"name":"random","version":"2","errMsg":"another build of example.org/contract is loaded, and Go can load only one: this one runs after the host was started anew","status":"waiting"}`),
		is("2.6 the old code keeps serving until the restart", "POST /functions/random/call", `{"args":[]}`, 200, jsonKind, `{"result":"Random 00000000"}`),
		is("2.6 back", "PUT /plugins/functions/random", at("random", "random.zip"), 200, textKind, "plugin random is updated"+plainRow),
		is("2.6 the code before", "POST /functions/random/call", `{"args":[]}`, 200, jsonKind, `{"result":"Random 00000000"}`),
	}
	own := `{"functions":["epsilon"],"name":"epsilon","version":"0.0.1"}`
	d.rows(t, append(lists,
		is("2.4 register the plugin's own name", "POST /plugins/functions/epsilon/register", `{"functions":["epsilon"]}`, 200, textKind, "function plugin epsilon function list is registered"),
		is("2.4 the plugin's own name is a list", "GET /plugins/functions/epsilon", "", 200, jsonKind, own),
		is("2.4 many installed with a list of its own name", "POST /plugins/functions", at("many", "many.zip", `,"functions":["many"]`), 201, textKind, "functions plugin many is created")))

	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	if code := d.wait(t); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, d.log)
	}
	d.process, d.peer = startNative(t, home)
	for _, class := range nativeClasses() {
		t.Run(class+" restarted", func(t *testing.T) { d.rows(t, restartedRows(class)) })
	}
	d.rows(t, []row{
		is("2.5 a function list outlives the process", "GET /plugins/functions/lambda", "", 200, jsonKind, `{"functions":["lambda","zeta"],"name":"lambda","version":""}`),
		is("2.5 a list of the plugin's own name outlives the process", "GET /plugins/functions/epsilon", "", 200, jsonKind, own),
		is("2.5 a list of the plugin's own name, installed, outlives the process", "GET /plugins/functions/many", "", 200, jsonKind, `{"functions":["many"],"name":"many","version":""}`),
		is("2.5 no list is none after a restart", "GET /plugins/functions/random", "", 200, jsonKind, `{"name":"random","version":""}`),
		is("2.5 its functions run", "POST /functions/zeta/call", `{"args":[]}`, 200, jsonKind, `{"result":"Zeta 00000000"}`),
	})
}

func versionRows(class string) (rows []row) {
	all := "/plugins/" + class
	var names []string
	for _, p := range droppedPlugins() {
		if class != "functions" && p.plugin == "my-plugin_1" {
			continue
		}
		names = append(names, p.plugin)
		what := fmt.Sprintf("2.4 %s of %q", p.file, p.others)
		rows = append(rows, is(what, "GET "+all+"/"+p.plugin, "", 200, jsonKind, `{"name":"`+p.plugin+`","version":"`+p.version+`"}`))
		if class == "functions" && p.plugin != "my-plugin_1" {
			symbol := strings.ToUpper(p.plugin[:1]) + p.plugin[1:]
			rows = append(rows, is(what+" is what runs", "POST /functions/"+p.plugin+"/call", `{"args":[]}`, 200, jsonKind, `{"result":"`+symbol+` 00000000"}`))
		}
	}
	slices.Sort(names)
	broken := `{"name":"broken","version":"3","errMsg":"cannot open {home}/data/native/open/{sum}-Broken@v3.so/Broken@v3.so: not an ELF file: it begins with \"no p\", expected \"\\x7fELF\"","status":"error"}`
	list := `["` + strings.Join(append([]string{"a b"}, names...), `","`) + `"]`
	list = strings.Replace(list, `"beta",`, `"beta","broken",`, 1)
	created := class + " plugin box is created"
	return append(
		rows,
		is("2.4 the list (pains C: broken ones too)", "GET "+all, "", 200, jsonKind, list),
		is("pains C #661 a .so that cannot be opened is described", "GET "+all+"/broken", "", 200, jsonKind, broken),
		is("2.6 a .so that cannot be opened: a new POST is allowed", "POST "+all, at("broken", "broken.zip"), 201, textKind, class+" plugin broken is created"),
		is("2.6 a new POST in the place of what could not be opened", "GET "+all+"/broken", "", 200, jsonKind, `{"name":"broken","version":"4"}`),
		is("1.3 POST of a drop-in's name", "POST "+all, at("alpha", "alpha.zip"), 400, textKind, bad(1000, class+" plugins create command error: invalid name alpha: duplicate")),
		is("1.3 PUT of a drop-in", "PUT "+all+"/alpha", at("alpha", "alpha.zip"), 200, textKind, "plugin alpha is updated"+plainRow),
		is("1.3 PUT of a drop-in, an older version too", "GET "+all+"/alpha", "", 200, jsonKind, `{"name":"alpha","version":"1.1.0"}`),
		is("2.6 DELETE of a drop-in", "DELETE "+all+"/delta", "", 200, textKind, class+" plugin delta is deleted"+plainRow),
		is("2.3 install.sh is run", "POST "+all, at("box", "box.zip", `,"shellParas":["{home}/data/ran.`+class+`"]`), 201, textKind, created),
	)
}

// restartedRows are what is there after a restart.
func restartedRows(class string) []row {
	all := "/plugins/" + class
	var names []string
	for _, p := range droppedPlugins() {
		if p.plugin != "delta" && (class == "functions" || p.plugin != "my-plugin_1") {
			names = append(names, p.plugin)
		}
	}
	names = append(names, "box", "broken")
	if class == "functions" {
		names = append(names, "random", "many")
	}
	slices.Sort(names)
	list := `["` + strings.Join(append([]string{"a b"}, names...), `","`) + `"]`
	return []row{
		is("2.6 what is on the disk is what is installed", "GET "+all, "", 200, jsonKind, list),
		is("2.6 deleted with every version", "GET "+all+"/delta", "", 404, textKind, bad(1002, "describe "+class+" plugin delta error: not found")),
		is("2.6 DELETE in this run knows nothing of the last", "DELETE "+all+"/delta", "", 404, textKind, bad(1002, "delete "+class+" plugin delta error: invalid name delta: not exist")),
		is("2.6 what was put in the place of a drop-in stays", "GET "+all+"/alpha", "", 200, jsonKind, `{"name":"alpha","version":"1.1.0"}`),
		is("2.6 what was installed stays", "GET "+all+"/box", "", 200, jsonKind, `{"name":"box","version":"1"}`),
		is("1.3 POST of what is installed", "POST "+all, at("box", "box.zip"), 400, textKind, bad(1000, class+" plugins create command error: invalid name box: duplicate")),
		files("2.3 install.sh is not run again", "data/ran."+class, ".=ran\n"),
		is("2.6 DELETE after a restart", "DELETE "+all+"/box", "", 200, textKind, class+" plugin box is deleted"+plainRow),
	}
}

// TestContractSoGone: a plugin whose .so file has gone from the disk.
func TestContractSoGone(t *testing.T) {
	home := t.TempDir()
	so := contractSo(t, 0)
	for _, class := range nativeClasses() {
		folder := filepath.Join(home, "plugins", class)
		if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, "Alpha@v1.so"), so, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	d := startDaemon(t, home, openPolicy, map[string][]byte{"alpha.zip": zipOf(t, "alpha.so", string(so), "alpha.yaml", "")})
	for _, class := range nativeClasses() {
		all := "/plugins/" + class
		if err := os.Remove(filepath.Join(home, "plugins", class, "Alpha@v1.so")); err != nil {
			t.Fatal(err)
		}
		missing := bad(1002, "delete "+class+" plugin alpha error: cannot find .so file for plugin alpha")
		d.rows(t, []row{
			is("1.3 DELETE "+class+": known but .so missing", "DELETE "+all+"/alpha", "", 404, textKind, missing),
			is("1.3 DELETE "+class+": known but .so missing, stop=1", "DELETE "+all+"/alpha?stop=1", "", 404, textKind, missing),
			is("1.3 "+class+": still described", "GET "+all+"/alpha", "", 200, jsonKind, `{"name":"alpha","version":"1"}`),
			is("ours "+class+": it can be brought again", "PUT "+all+"/alpha", at("alpha", "alpha.zip"), 200, textKind, "plugin alpha is updated"+plainRow),
			is("ours "+class+": and be deleted", "DELETE "+all+"/alpha", "", 200, textKind, class+" plugin alpha is deleted"+plainRow),
		})
	}
}
