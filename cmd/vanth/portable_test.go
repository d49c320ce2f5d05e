package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// programSource is a portable plugin whose name and version are those of the
// manifest beside it; its function of the same name answers the version.
const programSource = `package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vanth-io/vanth/sdk/go/api"
	"github.com/vanth-io/vanth/sdk/go/runtime"
)

type version int

func (version) Validate([]interface{}) error { return nil }
func (version) IsAggregate() bool            { return false }
func (v version) Exec([]interface{}, api.FunctionContext) (interface{}, bool) { return int(v), true }

func main() {
	found, _ := filepath.Glob("*.json") // the working folder is the program's
	b, err := os.ReadFile(found[0])
	var m struct{ Name, Version string }
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	n, e := strconv.Atoi(m.Version)
	if err != nil || e != nil {
		panic(err)
	}
	runtime.Start(os.Args, &runtime.PluginConfig{
		Name: m.Name, Functions: map[string]runtime.NewFunctionFunc{m.Name: func() api.Function { return version(n) }},
	})
}
`

// programTemplate is the program, built once.
var programTemplate = sync.OnceValues(func() ([]byte, error) { return buildProgram("versioned", programSource) })

// versionedProgram makes the archive of portable plugin name in version n.
func versionedProgram(t testing.TB, name string, n int) []byte {
	t.Helper()
	code, err := programTemplate()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for file, content := range map[string][]byte{
		name:           code,
		name + ".json": fmt.Appendf(nil, `{"name":%q,"version":"%d","language":"go","executable":%q,"functions":[%q]}`, name, n, name, name),
	} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: file, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// startPortable starts a host whose plugins speak a lane: auto or ekuiper.
func startPortable(t *testing.T, home, lane string) *process {
	t.Helper()
	t.Setenv("KUIPER__PORTABLE__LANE", lane)
	return startServe(t, home)
}

// TestPortableUpdatesUnderLoad updates a portable plugin while callers call: the
// old process serves until the new one has shaken hands, so no call fails, on
// either wire. VANTH_UPDATES is how many updates there are.
func TestPortableUpdatesUnderLoad(t *testing.T) {
	for _, lane := range []string{"auto", "ekuiper"} {
		t.Run(lane, func(t *testing.T) {
			updatesUnderLoad(t, startPortable(t, t.TempDir(), lane), "portables", number("VANTH_UPDATES", 100), versionedProgram)
		})
	}
}

// TestKillPortable kills the host at random instants of changes to portable
// plugins. What TestKill says holds, and no program outlives its host.
func TestKillPortable(t *testing.T) {
	k := &killer{
		t: t, home: t.TempDir(), random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3)), known: map[string]int{},
		class: "portables", longest: 200 * time.Millisecond, body: versionedProgram,
		start: func(t *testing.T, home string, args ...string) *process {
			awaitNone(t, home)
			return startServe(t, home, args...)
		},
	}
	k.run(number("VANTH_KILLS", 50))
	awaitNone(t, k.home)
}

// outlived is how long a program may be seen after its host was killed.
const outlived = 100 * time.Millisecond

// awaitNone reports programs of a home that run although no host does.
func awaitNone(t *testing.T, home string) {
	t.Helper()
	var left []string
	for end := time.Now().Add(outlived); ; time.Sleep(5 * time.Millisecond) {
		if left = programs(home); len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%v after their host was killed there are still %q", outlived, left)
			return
		}
	}
}

// programs lists the processes whose working folder is below home.
func programs(home string) (list []string) {
	found, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range found {
		if dir, err := os.Readlink(link); err == nil && strings.HasPrefix(dir, filepath.Join(home, "data", "bundles")) {
			list = append(list, filepath.Dir(link))
		}
	}
	return list
}
