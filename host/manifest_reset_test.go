package host

import (
	"strings"
	"testing"
)

func TestManifestReset(t *testing.T) {
	id := ID{Class: ClassWASM, Name: "m"}
	for _, r := range []Reset{"", ResetReuse, ResetSnapshot, ResetFresh} {
		m, err := ParseManifest(id, []byte(`{"functions":["f"],"reset":"`+string(r)+`"}`))
		if err != nil || m.Reset != r {
			t.Errorf("%q: %q, %v", r, m.Reset, err)
		}
	}
	for _, text := range []string{`"never"`, `"Fresh"`, `1`, `true`, `["fresh"]`} {
		_, err := ParseManifest(id, []byte(`{"functions":["f"],"reset":`+text+`}`))
		if err == nil || !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
