package wasm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// The corpus would pass against a host that is slow to notice, or has nothing to notice. So some of it runs in processes
// without the meter, and one file in a process without the gate; there the promises are broken, or the tests prove nothing.

// bareKey tells a child what to run, and bareMeter whether with the meter.
const bareKey, bareMeter = "VANTH_TEST_BARE", "VANTH_TEST_METER"

// TestHostileBareChild is no test: it is the child of the next two. It prints a line a beat, one when the call begins and
// one when it has ended.
func TestHostileBareChild(t *testing.T) {
	name := os.Getenv(bareKey)
	if name == "" {
		t.Skip("is run by others")
	}
	if name == "decode" {
		ctx := context.Background()
		code := wasmModule(wasmSection(10, []byte(most)...)) // bodies: 4,294,967,295
		_, err := wazero.NewRuntime(ctx).CompileModule(ctx, code)
		fmt.Println("ended", err)
		return
	}
	o := corpusOptions("")
	o.unmetered = os.Getenv(bareMeter) == ""
	list := corpus(t)
	at := slices.IndexFunc(list, func(h hostile) bool { return h.name == name })
	e := list[at].arm(t, newRuntime(t, o))
	go func() { // ends with the process
		for {
			time.Sleep(10 * time.Millisecond)
			fmt.Println("beat")
		}
	}()
	go func() {
		for {
			time.Sleep(50 * time.Millisecond)
			runtime.GC()
		}
	}()
	time.Sleep(20 * time.Millisecond)
	fmt.Println("begins")
	err := e.call(context.Background())
	fmt.Println("ended", err)
	os.Exit(0) // the beats go on, and nothing is to be judged
}

// bareRun is what a child did until it was killed.
type bareRun struct {
	silence time.Duration // the longest between two lines since the call began
	ended   bool
	output  string
}

// runBare runs a child for so long at most.
func runBare(t *testing.T, name string, metered bool, limit time.Duration) (r bareRun) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, childBinary(t), "-test.run=^TestHostileBareChild$")
	cmd.Env = append(os.Environ(), bareKey+"="+name)
	if metered {
		cmd.Env = append(cmd.Env, bareMeter+"=on")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	last := time.Time{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch word, _, _ := strings.Cut(lines.Text(), " "); {
		case word == "begins":
			last = time.Now()
			time.AfterFunc(limit, cancel)
		case last.IsZero():
			continue
		}
		r.silence = max(r.silence, time.Since(last))
		last = time.Now()
		r.ended = r.ended || strings.HasPrefix(lines.Text(), "ended")
	}
	if !last.IsZero() && !r.ended {
		r.silence = max(r.silence, time.Since(last))
	}
	_ = cmd.Wait()
	r.output = stderr.String()
	return r
}

// TestHostileWithoutTheMeter: guests without it run past their deadline, and stop the whole process.
func TestHostileWithoutTheMeter(t *testing.T) {
	for _, name := range []string{"loop_endless", "calls_tree", "straight_copies", "memory_fill", "table_fill"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const limit = 2 * time.Second
			bare := runBare(t, name, false, limit)
			if bare.ended || bare.silence < limit/2 {
				t.Errorf("without the meter the call ended: %t; the process was silent for %v", bare.ended, bare.silence)
			}
			good := runBare(t, name, true, 10*limit)
			if !good.ended || good.silence > loose(50*time.Millisecond) {
				t.Errorf("with the meter the call ended: %t; the process was silent for %v\n%s", good.ended, good.silence, good.output)
			}
			t.Logf("silent for %v without the meter, %v with it", bare.silence, good.silence)
		})
	}
}

// TestHostileWithoutTheGate: a file of 15 bytes ends a process that shows it to the engine.
func TestHostileWithoutTheGate(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process cannot be bounded")
	}
	cmd := exec.Command("sh", "-c", `ulimit -v 4000000 && exec "$0" -test.run=^TestHostileBareChild$`, childBinary(t)) // KiB
	cmd.Env = append(os.Environ(), bareKey+"=decode")
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok || !bytes.Contains(out, []byte("out of memory")) {
		t.Errorf("%v\n%.500s", err, out)
	}
}
