package wasm

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestShelfHost is no test: it is the host that TestShelfKilled kills. It loads modules into a cache, says when it begins,
// and removes some again, until its end.
func TestShelfHost(t *testing.T) {
	if flag.NArg() != 1 {
		return
	}
	k := &jailKit{Runtime: newRuntime(t, Options{Engine: "compiler", CacheDir: flag.Arg(0), huskFrom: 1}), t: t}
	fmt.Println("ready")
	for n := range 1_000_000 {
		k.answer(n % killedModules)
		if n%3 == 0 {
			_ = k.shelf.prune(0)
		}
	}
}

const killedModules = 8

// TestShelfKilled: whenever a host is killed, what it leaves is taken whole or made anew.
func TestShelfKilled(t *testing.T) {
	dir := t.TempDir()
	left := map[bool]int{}
	for round := range 20 {
		cmd := exec.CommandContext(t.Context(), childBinary(t), "-test.run=^TestShelfHost$", "--", dir)
		said, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(said).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(round) * 1700 * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		places, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range places {
			left[sound(p)]++
		}
		k := &jailKit{Runtime: newRuntime(t, Options{Engine: "compiler", CacheDir: dir, huskFrom: 1}), t: t}
		for i := range killedModules {
			k.answer(i)
		}
		_ = k.Close(context.Background())
		if round%4 == 0 {
			_ = os.RemoveAll(dir)
		}
	}
	t.Logf("%d places were whole, %d were not", left[true], left[false])
}
