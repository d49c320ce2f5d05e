package portable_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/portable"
)

// TestConformance: every sentence of host.Runtime, host.Module and
// host.Function, on eKuiper's wire and on the fast lane.
func TestConformance(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		r := role{Name: "kit", SDK: sdk, Functions: []string{"echo", "fail", "spin"}}
		kit := hosttest.RuntimeKit{
			New:      func() (host.Runtime, error) { return portable.New(testOptions(t)), nil },
			Files:    script(t, r),
			Language: "executable", Executable: "plugin.sh",
			Damaged: map[string][]byte{"plugin.sh": []byte("#!/bin/sh\necho no such library\nexit 1\n")},
			Foreign: "wasm",
		}
		if sdk == "go" || sdk == "python" {
			kit.Through = throughJSON
		}
		hosttest.Runtime(t, kit)
	})
}

// script is a bundle without links.
func script(t *testing.T, r role) map[string][]byte {
	b, err := json.Marshal(r)
	must(t, err)
	return map[string][]byte{
		roleFile:    b,
		"plugin.sh": fmt.Appendf(nil, "#!/bin/sh\n%s=${0%%/*} exec %s \"$@\"\n", playIn, program),
	}
}

// throughJSON is what becomes of a value on eKuiper's wire: integers are floats,
// bytes are base64.
func throughJSON(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var back any
	if err := json.Unmarshal(b, &back); err != nil {
		return err
	}
	return back
}
