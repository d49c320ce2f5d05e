//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestContractPolicy is what the operator has not allowed: the rest of 1.3's
// fetch reasons, and plugins' scripts.
func TestContractPolicy(t *testing.T) {
	so := string(contractSo(t, 0))
	d := startDaemon(t, t.TempDir(), "basic:\n  pluginHosts: ''\n", map[string][]byte{"box.zip": zipOf(t, "Box.so", so)})
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(d.home, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("outside.zip", zipOf(t, "Box.so", so))
	write("data/uploads/box.zip", zipOf(t, "Box.so", so, "box.yaml", ""))
	write("data/uploads/script.zip", zipOf(t, "Box.so", so, "box.yaml", "", "install.sh", "exit 0\n"))
	write("data/uploads/comment.zip", zipOf(t, "Box.so", so, "box.yaml", "", "install.sh", "#!/bin/sh\n# nothing\n\n"))
	if err := os.Symlink(filepath.Join(d.home, "outside.zip"), filepath.Join(d.home, "data", "uploads", "link.zip")); err != nil {
		t.Fatal(err)
	}
	for _, class := range nativeClasses() {
		all, cannot := "/plugins/"+class, class+" plugins create command error: "
		fail := cannot + "fail to download file "
		file := func(path string, rest ...string) string {
			return `{"name":"box","file":"file://` + path + `"` + strings.Join(rest, "") + `}`
		}
		address := strings.TrimPrefix(d.site, "http://")
		const outside = "file access denied: path must be under {home}/data/uploads"
		const setting = "; the setting is basic.allowExternalFileAccess"
		created := is("policy "+class+" a file of uploads", "POST "+all, file("{home}/data/uploads/box.zip"), 201, textKind, class+" plugin box is created")
		removed := is("policy "+class+" removed", "DELETE "+all+"/box", "", 200, textKind, class+" plugin box is deleted"+plainRow)
		d.rows(t, []row{
			is("1.3 "+class+" internal network", "POST "+all, at("box", "box.zip"), 400, textKind,
				bad(1000, fail+"{site}/box.zip: Get \"{site}/box.zip\": dial tcp "+address+": ip 127.0.0.1 is in internal network", "; the setting is basic.enablePrivateNet")),
			is("1.3 "+class+" outside uploads", "POST "+all, file("{home}/outside.zip"), 400, textKind, bad(1000, fail+"file://{home}/outside.zip: "+outside, setting)),
			is("1.3 "+class+" outside uploads by dots", "POST "+all, file("{home}/data/uploads/../../outside.zip"), 400, textKind,
				bad(1000, fail+"file://{home}/data/uploads/../../outside.zip: "+outside, setting)),
			is("1.3 "+class+" outside uploads by a link", "POST "+all, file("{home}/data/uploads/link.zip"), 400, textKind,
				bad(1000, fail+"file://{home}/data/uploads/link.zip: "+outside, ": statat link.zip: path escapes from parent"+setting)),
			created, removed,
			is("design 2 "+class+" install.sh is refused", "POST "+all, file("{home}/data/uploads/script.zip"), 400, textKind,
				bad(1000, cannot+"fail to install plugin: install.sh is refused: set basic.installScript: allow to run the scripts that plugins bring")),
			is("2.3 "+class+" shellParas without install.sh", "POST "+all, file("{home}/data/uploads/box.zip", `,"shellParas":["a","b"]`), 400, textKind,
				bad(1000, cannot+"fail to install plugin: have shell parameters : [a b] but no install.sh file")),
			files("design 2 "+class+" nothing of it remains", "data/bundles/"+class),
			is("ours "+class+" an install.sh that does nothing is not refused", "POST "+all, file("{home}/data/uploads/comment.zip"), 201, textKind, class+" plugin box is created"),
			removed,
			is("1.3 "+class+" prebuild without pluginHosts", "GET "+all+"/prebuild", "", 400, textKind, bad(1000, "invalid configuration for plugin host in kuiper.yaml")),
		})
	}
}

// TestContractPluginHosts: the last of several hosts wins, which the documentation
// has the other way round.
func TestContractPluginHosts(t *testing.T) {
	nativeBinary(t)
	d := startDaemon(t, t.TempDir(), "basic:\n  pluginHosts: ' https://a.example , https://b.example '\n", nil)
	for _, class := range nativeClasses() {
		d.rows(t, prebuildRows(t, d, class, "https://b.example"))
	}
}

// TestContractStops: DELETE with stop=1, or restart=1 as it once was, answers, and
// a second later ends the process with status 100.
func TestContractStops(t *testing.T) {
	so := string(contractSo(t, 0))
	zips := map[string][]byte{"box.zip": zipOf(t, "Box.so", so)}
	const one = "/plugins/sinks/box"
	created := is("1.3 POST", "POST /plugins/sinks", at("box", "box.zip"), 201, textKind, "sinks plugin box is created")
	stops := func(what, word string) row {
		return is("1.3 DELETE "+word+what, "DELETE "+one+"?"+word, "", 200, textKind, "sinks plugin box is deleted and eKuiper will be stopped")
	}
	for word, rows := range map[string][]row{
		"stop=1": {
			is("1.3 DELETE stop=1 of what is not there", "DELETE "+one+"?stop=1", "", 404, textKind, bad(1002, "delete sinks plugin box error: invalid name box: not exist")),
			created, stops("", "stop=1"),
		},
		"restart=1":         {created, stops("", "restart=1")},
		"stop=1&restart=no": {created, stops("", "stop=1&restart=no")},
		"stop=1 later": {
			created,
			is("1.3 DELETE", "DELETE "+one, "", 200, textKind, "sinks plugin box is deleted"+plainRow),
			stops(" already deleted", "stop=1"),
		},
	} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			d := startDaemon(t, t.TempDir(), openPolicy, zips)
			began := time.Now()
			d.rows(t, rows)
			if code := d.wait(t); code != 100 {
				t.Errorf("1.3 exit status %d, want 100\n%s", code, d.log)
			}
			if after := time.Since(began); after < 900*time.Millisecond || after > 15*time.Second {
				t.Errorf("1.3 it ended after %v, want a second", after)
			}
		})
	}
}
