package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archive writes the archive of a plugin called kit.
func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kit.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestInspectGuessesTheClass: without --class the class is told from the files and
// named with its reason; with it nothing is guessed.
func TestInspectGuessesTheClass(t *testing.T) {
	module := map[string]string{"kit.wasm": geoModule, "kit.json": geoManifest}
	asking := map[string]string{"kit.wasm": geoModule, "kit.json": `{"version":"1","functions":["f"],"requires":["state","clock"],"limits":{"fuel":5000000000,"outputKiB":64}}`}
	source := map[string]string{"Kit@v1.so": "x", "kit.yaml": "default: {}\n"}
	for name, c := range map[string]struct {
		files map[string]string
		flags []string
		code  int
		want  string
	}{
		"module":        {module, nil, exitOK, "class:       wasm (guessed by kit.wasm; --class says otherwise)\nversion:     1\nfunction:    f\n"},
		"module, given": {module, []string{"--class", "functions"}, exitOK, "class:       functions\nversion:     1\nfunction:    f\n"},
		"module, asking": {asking, nil, exitOK, "class:       wasm (guessed by kit.wasm; --class says otherwise)\nversion:     1\nfunction:    f\n" +
			"requires:    state clock\nlimits:      {\"fuel\":5000000000,\"outputKiB\":64} (what it asks for; plugin describe shows what it has)\n"},
		"source":        {source, nil, exitFailed, "class:       sources (guessed by Kit@v1.so and kit.yaml; --class says otherwise)\nversion:     v1\nsource:      kit\n"},
		"source, given": {source, []string{"--class", "sinks"}, exitFailed, "class:       sinks\nversion:     v1\nsink:        kit\n"},
		"nothing":       {map[string]string{"x": ""}, nil, exitFailed, "class:       wasm (guessed by no .so file; --class says otherwise)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := vanth(t, nil, append([]string{"plugin", "inspect", archive(t, c.files)}, c.flags...)...)
			if code != c.code || !strings.HasPrefix(out, "name:        kit\n"+c.want) {
				t.Errorf("exit code %d, found\n%s%s\nexpected %d\n%s", code, out, errs, c.code, c.want)
			}
		})
	}
	if _, out, _ := vanth(t, nil, "plugin", "inspect", "--help"); !strings.Contains(out, "--class string") || strings.Contains(out, `default "wasm"`) {
		t.Errorf("help: %s", out)
	}
}
