package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// source is one file of production code.
type source struct {
	name string
	text []byte
}

// brokenConventions returns a sentence for each convention that a package does
// not keep.
func brokenConventions(path, name string, files []source) []string {
	var broken []string
	no := func(format string, a ...any) { broken = append(broken, path+": "+fmt.Sprintf(format, a...)) }
	vague := []string{"util", "utils", "common", "base", "helper", "helpers", "meta", "info", "manager"}
	if slices.Contains(vague, name) || slices.Contains(vague, filepath.Base(path)) {
		no("package %s: the name says nothing of what is in it", name)
	}
	documented := false
	for _, f := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), f.name, f.text, parser.ParseComments)
		if err != nil {
			no("%v", err)
			continue
		}
		if f.name == "doc.go" && tree.Doc.Text() != "" {
			documented = true
		}
		for _, d := range tree.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
				no("%s has a func init: pass what it sets as a value", f.name)
			}
		}
	}
	if len(files) > 0 && !documented {
		no("no doc.go with a package comment")
	}
	return broken
}

func TestConventions(t *testing.T) {
	for _, p := range list(t, repository(t)) {
		var files []source
		for _, f := range slices.Concat(p.GoFiles, p.CgoFiles) {
			text, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, source{f, text})
		}
		for _, b := range brokenConventions(p.ImportPath, p.Name, files) {
			t.Error(b)
		}
	}
}

func TestConventionsCanFail(t *testing.T) {
	doc := source{"doc.go", []byte("// Package x is sound.\npackage x\n")}
	for _, c := range []struct {
		name    string
		pkg     string
		files   []source
		message string
	}{
		{"sound", "x", []source{doc, {"x.go", []byte("package x\n\ntype t int\n\nfunc (t) init() {}\n")}}, ""},
		{"no doc.go", "x", []source{{"x.go", []byte("// Package x is.\npackage x\n")}}, "no doc.go"},
		{"empty doc.go", "x", []source{{"doc.go", []byte("package x\n")}}, "no doc.go"},
		{"init", "x", []source{doc, {"x.go", []byte("package x\n\nfunc init() {}\n")}}, "func init"},
		{"vague", "util", []source{doc}, "says nothing"},
	} {
		got := strings.Join(brokenConventions("m/"+c.pkg, c.pkg, c.files), "\n")
		if (got == "") != (c.message == "") || !strings.Contains(got, c.message) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.message)
		}
	}
}
