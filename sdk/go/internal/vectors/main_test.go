package main

import (
	"bytes"
	"os"
	"testing"
)

// The file that hosts and SDKs read is the one this program writes.
func TestFileIsUpToDate(t *testing.T) {
	var want bytes.Buffer
	if err := generate(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../abi/testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("values.json is not what go run ./internal/vectors writes")
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	check := func(name, frame string) {
		if seen[name] || seen["frame "+frame] {
			t.Errorf("%s: name or frame appears twice", name)
		}
		seen[name], seen["frame "+frame] = true, true
	}
	yes, no := accepts(), rejects()
	for _, v := range yes {
		check(v.Name, v.Frame)
	}
	for _, v := range no {
		check(v.Name, v.Frame)
	}
	if len(yes) < 80 || len(no) < 40 {
		t.Errorf("%d accepted and %d rejected frames", len(yes), len(no))
	}
}
