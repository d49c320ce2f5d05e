package api_test

import (
	"strings"
	"testing"

	"github.com/vanth-io/vanth/api"
)

// bound installs a plugin that has limits, and one that has none.
func bound(t *testing.T, o api.Options) *kit {
	t.Helper()
	k := newKit(t, o)
	k.install("kit", "add")
	for name, manifest := range map[string]string{
		"tight": `{"version":"1","functions":["echo","trap"],"requires":["state","clock"],"limits":{"callMs":50,"fuel":9007199254740992,` +
			`"memoryMiB":8,"stackKiB":256,"tableEntries":1000,"concurrency":2,"outputKiB":64,"cpuPercent":250}}`,
		"loose": `{"version":"1","functions":["list"],"limits":{"callMs":50}}`,
	} {
		z := pack(t, map[string]string{name + ".json": manifest, name + ".wasm": "ok"})
		if r := k.do("POST", "/plugins/wasm?name="+name, z, "Content-Type", zipT); r.status != 201 {
			t.Fatal(r.body)
		}
	}
	return k
}

// What a plugin was granted comes after eKuiper's keys and ours that were there.
func TestGrantIsShown(t *testing.T) {
	k := bound(t, api.Options{})
	for name, want := range map[string]string{
		"tight": `,"grant":{"callMs":50,"fuel":9007199254740992,"memoryMiB":8,"stackKiB":256,"tableEntries":1000,"concurrency":2,"outputKiB":64,"cpuPercent":250,"capabilities":["state","clock"]}}`,
		"loose": `,"grant":{"callMs":50,"fuel":0,"memoryMiB":0,"stackKiB":0,"tableEntries":0,"concurrency":0,"outputKiB":0,"cpuPercent":0,"capabilities":[]}}`,
	} {
		r := k.do("GET", "/plugins/wasm/"+name, nil)
		if !strings.HasPrefix(r.body, `{"name":"`+name+`","version":"1","wasmFile":"`) || !strings.HasSuffix(r.body, want) {
			t.Errorf("found %s, expected it to end with %s", r.body, want)
		}
		if list := k.do("GET", "/plugins/wasm", nil); !strings.Contains(list.body, r.body) {
			t.Errorf("the list does not say the same: %s", list.body)
		}
	}
	if r := k.do("GET", "/plugins/wasm/kit", nil); strings.Contains(r.body, "grant") {
		t.Errorf("found %s of a plugin that nothing bounds", r.body)
	}
}

// Who asks is told what a call used, also when it failed or nothing counts it.
func TestFuelIsTold(t *testing.T) {
	k := bound(t, api.Options{})
	for _, c := range []struct {
		path   string
		status int
		fuel   string
	}{
		{"/functions/echo/call?fuel=1", 200, "41"},
		{"/functions/trap/call?fuel=1", 502, "41"},
		{"/functions/echo/call", 200, ""},
		{"/functions/echo/call?fuel=0", 200, ""},
		{"/functions/add/call?fuel=1", 422, "0"},
		{"/functions/none/call?fuel=1", 404, ""},
	} {
		r := k.do("POST", c.path, `{"args":["x"]}`)
		if r.status != c.status || r.header.Get("X-Vanth-Fuel") != c.fuel {
			t.Errorf("%s: found %d, fuel %q, expected %d, %q", c.path, r.status, r.header.Get("X-Vanth-Fuel"), c.status, c.fuel)
		}
	}
	// Every call counts, those of a batch too.
	k.do("POST", "/functions/echo/batch", "[1]\n[2]\n", "Content-Type", nd)
	m := k.do("GET", "/metrics", nil).body
	for _, line := range []string{
		`# TYPE vanth_wasm_fuel_total counter`,
		`vanth_wasm_fuel_total{plugin="tight",class="wasm"} 246`,
		`vanth_wasm_fuel_total{plugin="loose",class="wasm"} 0`,
		`# TYPE vanth_wasm_cpu_wait_seconds_total counter`,
		`vanth_wasm_cpu_wait_seconds_total{plugin="tight",class="wasm"} 0.246`,
		`vanth_wasm_cpu_wait_seconds_total{plugin="loose",class="wasm"} 0.000`,
	} {
		if !strings.Contains(m, line+"\n") {
			t.Errorf("metrics: no line %s in\n%s", line, m)
		}
	}
	if strings.Contains(m, `vanth_wasm_fuel_total{plugin="kit"`) || strings.Contains(m, `vanth_wasm_cpu_wait_seconds_total{plugin="kit"`) {
		t.Error("metrics: a plugin that nothing counts is counted")
	}
}
