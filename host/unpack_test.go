package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
)

func TestReadPackageGuessesTheClass(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		class host.Class
		by    string
	}{
		"module":             {map[string]string{"kit.wasm": "", "kit.json": `{"functions":["f"]}`}, host.ClassWASM, "kit.wasm"},
		"module in a folder": {map[string]string{"top/kit.wasm": "", "top/kit.json": `{"functions":["f"]}`}, host.ClassWASM, "kit.wasm"},
		"process":            {map[string]string{"kit.py": "", "kit.json": `{"language":"python","functions":["f"]}`}, host.ClassPortables, "the language in kit.json"},
		"yaml":               {map[string]string{"Kit@v1.so": "", "kit.yaml": "", "kit.json": "{}"}, host.ClassSources, "Kit@v1.so and kit.yaml"},
		"yaml in a folder":   {map[string]string{"top/Kit.so": "", "top/kit.yaml": ""}, host.ClassSources, "Kit.so and kit.yaml"},
		"functions":          {map[string]string{"kit.so": "", "kit.json": `{"functions":[{"name":"f"}]}`}, host.ClassFunctions, "kit.so and the functions in kit.json"},
		"properties":         {map[string]string{"kit.so": "", "kit.json": `{"properties":[{"name":"p"}]}`}, host.ClassSinks, "kit.so and the properties in kit.json"},
		"groups":             {map[string]string{"kit.so": "", "kit.json": `{"properties":{"default":[]}}`}, host.ClassSources, "kit.so and the data source in kit.json"},
		"data source":        {map[string]string{"kit.so": "", "kit.json": `{"dataSource":{},"properties":[]}`}, host.ClassSources, "kit.so and the data source in kit.json"},
		"alone":              {map[string]string{"kit.so": "", "lib.so.1": ""}, host.ClassFunctions, "kit.so, with nothing that says more"},
		"broken":             {map[string]string{"kit.so": "", "kit.json": `{`}, host.ClassFunctions, "kit.so, with nothing that says more"},
		"foreign":            {map[string]string{"other.so": ""}, host.ClassFunctions, "other.so, with nothing that says more"},
		"nothing":            {map[string]string{"x": ""}, host.ClassWASM, "no .so file"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "kit.zip")
			if err := os.WriteFile(file, pack(t, c.files), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := host.ReadPackage(t.Context(), file, t.TempDir(), host.ID{Name: "kit"})
			if p.ID.Class != c.class || p.Guess != c.by {
				t.Errorf("%s by %q, want %s by %q; %v", p.ID.Class, p.Guess, c.class, c.by, err)
			}
			// A class that is given is not guessed.
			p, _ = host.ReadPackage(t.Context(), file, t.TempDir(), nid(host.ClassSinks, "kit"))
			if p.ID.Class != host.ClassSinks || p.Guess != "" {
				t.Errorf("%s by %q, want what was given", p.ID.Class, p.Guess)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "a b.zip")
	if _, err := host.ReadPackage(t.Context(), file, t.TempDir(), host.ID{}); err == nil || !strings.Contains(err.Error(), "id cannot be empty") {
		t.Error(err)
	}
}
