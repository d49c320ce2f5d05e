package rule_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule"
	"github.com/vanth-io/vanth/wasm"
)

// guests is the runtime of WebAssembly.
func guests(t *testing.T) host.Runtime {
	t.Helper()
	rt, err := wasm.New(context.Background(), wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.Background()) })
	return rt
}

// guest installs the plugin of internal/query/testdata: weigh counts its calls, and
// fails for 13. It says that it is pure.
func (k *kit) guest() {
	k.t.Helper()
	out := filepath.Join(k.t.TempDir(), "guest.wasm")
	said, err := exec.Command("go", "run", "github.com/vanth-io/vanth/wasm/internal/wat/assemble", "internal/query/testdata/guest.wat", out).CombinedOutput()
	if err != nil {
		k.t.Fatalf("%v\n%s", err, said)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		k.t.Fatal(err)
	}
	k.plugin(host.ClassWASM, "guest", map[string]string{"guest.wasm": string(code), "guest.json": `{"version":"1","functions":["weigh"],
		"limits":{"concurrency":1},"symbols":{"weigh":{"args":["any"],"pure":true}}}`})
}

// TestMessagesOfManyRows: the rows of a message are worked on together where that is
// cheaper, which this function tells from the order of its calls; in the sink they
// are as ever.
func TestMessagesOfManyRows(t *testing.T) {
	const rows, messages = 20, 300
	k := newKitOf(t, guests(t))
	k.guest()
	k.numbersStream(fmt.Sprintf(`{"count":%d,"list":%d}`, messages, rows))
	const sql = `"sql":"SELECT n, i, weigh(i) AS x, weigh(n) AS y FROM s WHERE i != 7"`
	for _, c := range []struct {
		id, op, text string
		per          int
		early        bool
	}{
		{"r", "op_2_project", sql + `,"actions":[{"shelf":{"to":"r","sendSingle":true}}]`, rows - 1, true},
		{"side", "op_2_project", sql + `,"actions":[{"shelf":{"to":"side","sendSingle":true}}],"options":{"concurrency":3}`, rows - 1, false},
		{"g", "op_fn", `"graph":{"nodes":{
			"src":{"type":"source","nodeType":"numbers","props":{"extra":"{\"count\":300,\"list\":20}"}},
			"fn":{"type":"operator","nodeType":"function","props":{"expr":"weigh(i) AS x"}},
			"out":{"type":"sink","nodeType":"shelf","props":{"to":"g","sendSingle":true}}},
		  "topo":{"sources":["src"],"edges":{"src":["fn"],"fn":["out"]}}}`, rows, false},
	} {
		k.create(`{"id":"` + c.id + `",` + c.text + `}`)
		s := k.awaitState(c.id, rule.Stopped)
		early := checkRows(t, k.shelf.await(t, c.id, messages*c.per), c.per)
		if c.early != (early > 0) && c.id != "side" { // whose workers take turns
			t.Errorf("%s: %d rows were worked on with others", c.id, early)
		}
		faults := messages // row 13 of each
		if c.per < rows {
			faults += c.per - 1 // and message 13
		}
		if n := node(s, c.op); n.Records != messages*rows || n.Faults != int64(faults) ||
			n.Fault != "call func weigh error: wasm/guest 1: weigh: negative" {
			t.Errorf("%s: %+v", c.id, n)
		}
	}
}

// checkRows holds what came of messages against what must, and counts those in which
// the calls of one column came before those of the other.
func checkRows(t *testing.T, list []string, per int) (early int) {
	t.Helper()
	two := per%2 == 1 // columns, and WHERE leaves out row 7
	for m := 0; m*per < len(list); m++ {
		for k, text := range list[m*per:][:per] {
			var row struct {
				N, I, X, Y int64
				Error      string
			}
			if err := json.Unmarshal([]byte(text), &row); err != nil {
				t.Fatal(err)
			}
			want := int64(k)
			if two && k >= 7 {
				want++
			}
			switch fails := want == 13 || two && m == 13; {
			case fails != (row.Error != ""), !fails && (row.N != int64(m) || row.I != want):
				t.Fatalf("row %d of message %d is %s", want, m, text)
			case !fails && two && row.Y != row.X+1:
				early++
			}
		}
	}
	return early
}
