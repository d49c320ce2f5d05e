package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun runs a rule in the foreground: what reaches its sinks is printed.
func TestRun(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(t.TempDir(), "rule.json")
	const rule = `{"streams":["CREATE STREAM s () WITH (TYPE=\"simulator\", EXTRA=\"{\\\"data\\\":[{\\\"a\\\":1},{\\\"a\\\":2}],\\\"loop\\\":false,\\\"interval\\\":1}\")"],
		"sql":"SELECT a * 2 AS b FROM s","actions":[{"nop":{}}]}`
	if err := os.WriteFile(file, []byte(rule), 0o644); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "run", file, "--home", home)
	if code := p.wait(t); code != 0 || p.log.String() != "nop_0\t{\"b\":2}\nnop_0\t{\"b\":4}\n" {
		t.Errorf("status %d, printed %q", code, p.log)
	}
	if err := os.WriteFile(file, []byte(`{"id":"r","sql":"SELECT a FROM nothing","actions":[{"nop":{}}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	p = launch(t, "run", file, "--home", home)
	if code := p.wait(t); code != exitFailed || !strings.Contains(p.log.String(), "fail to get stream nothing") {
		t.Errorf("status %d, printed %q", code, p.log)
	}
}
