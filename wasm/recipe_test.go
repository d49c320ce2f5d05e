package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRecipe: what decides how a module is prepared has the digest that the cache knows it by. A build that prepares in
// another way must not take what was prepared before.
func TestRecipe(t *testing.T) {
	files := []string{"inspect.go", "prepared.go", "jail_child.go", "internal/reserve/image.go", "internal/reserve/segments.go"}
	for _, folder := range []string{"gate", "husk", "meter"} {
		list, err := filepath.Glob("internal/" + folder + "/*.go")
		if err != nil || len(list) < 2 {
			t.Fatalf("%s: %q, %v", folder, list, err)
		}
		files = append(files, list...)
	}
	slices.Sort(files)
	h := sha256.New()
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte(filepath.ToSlash(f)))
		h.Write(text)
	}
	if want := hex.EncodeToString(h.Sum(nil)[:8]); recipe != want {
		t.Errorf("what prepares a module changed: set recipe in recipe.go to %q, so that what was kept before is made anew", want)
	}
}
