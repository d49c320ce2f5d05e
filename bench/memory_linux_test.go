package bench

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/bench/internal/report"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm"
)

// memoryStudies are what things keep in memory when nobody uses them.
func memoryStudies() []study {
	return []study{
		{"memory of idle instances, small guest", func(t testing.TB) []report.Row {
			r := idleRow(t, "small guest", "guest", guestFiles(host.ResetReuse), 10_000)
			r.Promise, r.Bound = "P9: 10,000 instances in 1.5 GB", 1.5e9/10_000
			return []report.Row{r}
		}},
		{"memory of idle instances, std-Go guest", func(t testing.TB) []report.Row {
			r := idleRow(t, "std-Go guest", "goguest", goGuestFiles(host.ResetReuse, buildGoGuest(t, true, "")), 200)
			r.Promise, r.Bound = "P8: at most 128 KiB", 128<<10
			return []report.Row{r}
		}},
		{"memory of idle plugins", func(t testing.TB) []report.Row {
			const plugins = 100
			h := wasmHost(t, wasm.Options{})
			before := resident(t)
			for _, m := range smallPlugins(plugins) {
				install(t, h, host.ClassWASM, m.name, m.files())
			}
			return []report.Row{memoryRow("memory of an idle plugin of 100, with its instance", "small guest", resident(t)-before, plugins)}
		}},
	}
}

// idleRow is what one of so many idle instances of a plugin keeps.
func idleRow(t testing.TB, subject, name string, f files, instances int) report.Row {
	t.Helper()
	first := wasmHost(t, wasm.Options{}) // what the plugin itself needs is counted elsewhere
	install(t, first, host.ClassWASM, name, f)
	h := wasmHost(t, wasm.Options{PoolMin: instances, PoolMax: instances})
	before := resident(t)
	install(t, h, host.ClassWASM, name, f)
	r := memoryRow(fmt.Sprintf("memory of an idle instance of %d", instances), subject, resident(t)-before, instances)
	r.Of = report.OfValue
	return r
}

func memoryRow(work, subject string, all float64, of int) report.Row {
	return report.Row{Work: work, Subject: subject, Value: max(all/float64(of), 1), Unit: "bytes"}
}

// resident is how many bytes of the machine's memory this process has, pages that
// several mappings share counted once.
func resident(t testing.TB) float64 {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Skip("SKIPPED:", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib * 1024
		}
	}
	t.Fatal("found no Pss in /proc/self/smaps_rollup")
	return 0
}
