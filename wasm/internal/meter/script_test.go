package meter_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// script is a file of the specification's tests: commands that refer to modules beside it.
type script struct {
	path     string
	Commands []command
}

type command struct {
	Type     string
	Line     int
	Name     string // of a module, in this script
	Filename string
	As       string // the name a module is registered under
	Kind     string `json:"module_type"` // of a module that is to be refused: binary or text
	Action   struct {
		Type, Module, Field string
		Args                []constant
	}
}

// constant is a value as the script writes it: a number by its bits in decimal, or the lanes of a vector.
type constant struct {
	Type  string
	Lanes string `json:"lane_type"`
	Value json.RawMessage
}

// words are the constant as the engine takes it.
func (c constant) words(t *testing.T) []uint64 {
	t.Helper()
	if c.Type == "v128" {
		var lanes []string
		if err := json.Unmarshal(c.Value, &lanes); err != nil {
			t.Fatal(err)
		}
		words := make([]uint64, 2)
		width := 128 / len(lanes)
		for i, lane := range lanes {
			words[i*width/64] |= number(t, lane, c.Lanes) << (i * width % 64)
		}
		return words
	}
	var text string
	if err := json.Unmarshal(c.Value, &text); err != nil {
		t.Fatal(err)
	}
	if text == "null" {
		return []uint64{0}
	}
	v := number(t, text, c.Type)
	if c.Type == "externref" {
		v++ // 0 is null
	}
	return []uint64{v}
}

func number(t *testing.T, text, of string) uint64 {
	t.Helper()
	if strings.HasPrefix(text, "nan") {
		if strings.HasSuffix(of, "32") {
			return 0x7fc00000
		}
		return 0x7ff8 << 48
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// engineDir is where the sources of the engine are, with the modules that it is tested with.
func engineDir(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Skip("the sources of wazero are not in the module cache")
	}
	return dir
}

// scripts are the tests of the specification, versions 1 and 2, which the engine carries.
func scripts(t *testing.T) []script {
	files, _ := filepath.Glob(filepath.Join(engineDir(t), "internal/integration_test/spectest/v[12]/testdata/*.json"))
	var all []script
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := script{path: file}
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(file, err)
		}
		all = append(all, s)
	}
	return all
}

// file reads a module of a script.
func (s *script) file(t *testing.T, c command) []byte {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(filepath.Dir(s.path), c.Filename))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// name is the version and the name of the script.
func (s *script) name() string {
	dir, file := filepath.Split(s.path)
	return filepath.Base(filepath.Dir(filepath.Clean(dir))) + "/" + strings.TrimSuffix(file, ".json")
}
