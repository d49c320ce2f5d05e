//go:build linux

package main

import (
	"bytes"
	"runtime"
	"strings"
)

// unopened are .so files that are no plugins for this host.
func (z *packages) unopened() []row {
	code := []byte(z.so)
	older := bytes.Replace(code, []byte("contract/v2\tv2.3.1"), []byte("contract/v2\tv2.0.0"), 1)
	arm := bytes.Clone(code)
	arm[18], arm[19] = 183, 0 // EM_AARCH64
	if bytes.Equal(older, code) {
		z.t.Fatal("no build information to rewrite")
	}
	const path = "{home}/data/native/open/{sum}-Box.so/Box.so: "
	rows := []row{
		z.fails("2.3 cannot open: empty", z.zip("Box.so", ""), "cannot open ", path+"not an ELF file: it is empty"),
		z.fails("2.3 cannot open: text", z.zip("Box.so", "#!/bin/sh\n"), "cannot open ", path+`not an ELF file: it begins with "#!/b" (a script?), expected "\x7fELF"`),
		z.fails("2.3 cannot open: another architecture", z.zip("Box.so", string(arm)), "cannot open ", path+"built for arm64, this host is "+runtime.GOARCH+": rebuild with GOARCH="+runtime.GOARCH),
		z.fails("2.3 cannot open: another version of a package", z.zip("Box.so", string(older)), "cannot open ",
			path+"built with github.com/lf-edge/ekuiper/contract/v2 v2.0.0, this host has v2.3.1: go get github.com/lf-edge/ekuiper/contract/v2@v2.3.1 and rebuild"),
	}
	rows = append(rows, z.none("2.3 cannot open")...)
	kind := map[string]string{"sources": "Source", "sinks": "Sink", "functions": "Function"}[z.class]
	// Symbols are looked at here, where eKuiper waits for the first rule that needs
	// them: whoever installs can still do something about it.
	for _, n := range []struct{ plugin, what, reason string }{
		{"absent", "a symbol that is not exported", "Absent.so does not export Absent, which a " + strings.ToLower(kind) + " of this name must"},
		{"wrong", "a symbol of another type", "exported symbol Wrong is not type of api." + kind + " or function that return api." + kind},
	} {
		symbol := strings.ToUpper(n.plugin[:1]) + n.plugin[1:]
		content := []string{symbol + ".so", z.so}
		if z.class == "sources" {
			content = append(content, n.plugin+".yaml", "")
		}
		post, body := "POST "+z.all(), at(n.plugin, z.raw(zipOf(z.t, content...)))
		if z.class == "functions" && n.plugin == "absent" { // it may be registered later
			rows = append(rows,
				is("3.1 "+n.what+" is no error of the installation", post, body, 201, textKind, z.class+" plugin "+n.plugin+" is created"),
				is("3.1 "+n.what+", deleted", "DELETE "+z.all()+"/"+n.plugin, "", 200, textKind, z.class+" plugin "+n.plugin+" is deleted"+plainRow))
			continue
		}
		rows = append(rows, is("ours "+n.what+" is refused", post, body, 400, textKind, bad(1000, z.cannot()+n.reason)))
	}
	return rows
}

// modules are WebAssembly modules in the classes of native plugins.
func (z *packages) modules() []row {
	kind := strings.TrimSuffix(z.class, "s")
	other := "sources"
	if z.class == "sources" {
		other = "sinks"
	}
	module, err := template()
	if err != nil {
		z.t.Fatal(err)
	}
	module = bytes.Replace(module, []byte("NAME"), []byte("alfa"), 1)
	manifest := func(class string) string { return `{"version":"v1.0","` + class + `":["alfa"]}` }
	post := func(name, zipName string, status int, body string) row {
		return is(name, "POST "+z.all(), at("alfa", zipName), status, textKind, body)
	}
	pack := func(content ...string) string { return z.raw(zipOf(z.t, content...)) }
	rows := []row{
		post("ours .wasm without a manifest", pack("alfa.wasm", string(module)), 400, bad(1000, z.cannot()+"missing or invalid json file alfa.json, found 1 files in total: alfa.wasm; expected alfa.json at the root of the bundle")),
		post("ours .wasm with symbols of another kind", pack("alfa.wasm", string(module), "alfa.json", manifest(other)), 400,
			bad(1000, z.cannot()+"manifest alfa.json: "+strings.TrimSuffix(other, "s")+" alfa in a plugin of class "+z.class+", which holds "+kind+"s only")),
		post("ours .wasm of no module", pack("alfa.wasm", "no module", "alfa.json", manifest(z.class)), 400, bad(1000, z.cannot()+"alfa.wasm is not a WebAssembly module of version 1")),
		post("ours .wasm of another name", pack("other.wasm", string(module), "alfa.json", manifest(z.class)), 400,
			bad(1000, z.cannot()+z.missing("", "other.wasm alfa.json", false, false), ": expected Alfa.so or Alfa@VERSION.so at the root, or alfa.wasm with its manifest")),
	}
	good := pack("alfa.wasm", string(module), "alfa.json", manifest(z.class))
	both := pack("alfa.wasm", string(module), "alfa.json", manifest(z.class), "Alfa@v9.so", "no plugin")
	if z.class != "functions" {
		refused := bad(1000, z.cannot()+"alfa.wasm: 1 problems: "+kind+" alfa of the manifest: sources and sinks need an export vanth_abi_1")
		return append(rows, post("ours .wasm of the function profile", good, 400, refused), post("ours .wasm beside a .so: the module counts", both, 400, refused))
	}
	created, deleted := "functions plugin alfa is created", "functions plugin alfa is deleted"+plainRow
	for _, zipName := range []string{good, both} {
		rows = append(rows,
			post("ours .wasm", zipName, 201, created),
			is("ours .wasm, described", "GET "+z.all()+"/alfa", "", 200, jsonKind, `{"functions":["alfa"],"name":"alfa","version":"1.0"}`),
			is("ours .wasm, a udf", "GET /plugins/udfs/alfa", "", 200, jsonKind, `{"name":"alfa","plugin":"alfa"}`),
			is("ours .wasm, it runs", "POST /functions/alfa/call", `{"args":[]}`, 200, jsonKind, `{"result":1397900630}`),
			is("ours .wasm, register", "POST "+z.all()+"/alfa/register", `{"functions":["x"]}`, 400, textKind,
				bad(1000, "function plugins alfa regiser functions error: functions/alfa: its functions are those of its manifest")),
			is("ours .wasm, deleted", "DELETE "+z.all()+"/alfa", "", 200, textKind, deleted))
	}
	return rows
}
