package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// programs installs the portable plugins, kills one, and calls it again.
func programs(h *hostProcess, dir string) error {
	say("install mirror, a plugin that is a Go program: a process with a supervisor")
	if err := installProgram(h, dir, "mirror"); err != nil {
		return err
	}
	if err := answer(h, "echo", `[{"city":"Dubai","n":[1,2.5]}]`, `{"city":"Dubai","n":[1.0,2.5]}`); err != nil {
		return err
	}
	before, err := statusOf(h, "mirror")
	if err != nil {
		return err
	}
	say("kill -9 that process %d, and call again", before.PID)
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		return err
	}
	began := time.Now()
	for {
		after, err := statusOf(h, "mirror")
		if err != nil {
			return err
		}
		if after.PID != before.PID && after.Status == "running" {
			break
		}
		if time.Since(began) > 10*time.Second {
			return fmt.Errorf("mirror did not come back: %+v", after)
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("   another process serves after %v\n", time.Since(began).Round(100*time.Microsecond))
	if err := answer(h, "echo", `["still here"]`, `"still here"`); err != nil {
		return err
	}
	if _, err := exec.LookPath("python3"); err != nil {
		say("SKIPPED pysam, a plugin in Python: there is no python3")
		return nil //nolint:nilerr // it is said
	}
	say("install pysam, a plugin in Python")
	if err := installProgram(h, dir, "pysam"); err != nil {
		return err
	}
	return answer(h, "revert", `["iabuD"]`, `"Dubai"`)
}

func installProgram(h *hostProcess, dir, name string) error {
	f, err := os.Open(filepath.Join(dir, name+".zip"))
	if err != nil {
		return err
	}
	defer f.Close()
	began := time.Now()
	said, err := post(http.DefaultClient, h.url+"/plugins/portables?name="+name, "application/zip", f, http.StatusCreated)
	if err != nil {
		return err
	}
	st, err := statusOf(h, name)
	if err != nil {
		return err
	}
	fmt.Printf("   %s   (in %v: pid %d, lane %s, sandbox %s)\n", said, time.Since(began).Round(time.Millisecond), st.PID, st.Lane, st.Sandbox)
	return nil
}

// answer calls a function and compares its result.
func answer(h *hostProcess, function, args, want string) error {
	b, err := post(http.DefaultClient, h.url+"/functions/"+function+"/call", "application/json", strings.NewReader(`{"args":`+args+`}`), http.StatusOK)
	if err != nil {
		return err
	}
	var got struct{ Result json.RawMessage }
	if err := json.Unmarshal(b, &got); err != nil || string(got.Result) != want {
		return fmt.Errorf("%s%s: found %s, expected %s", function, args, b, want)
	}
	fmt.Printf("   %s%s -> %s\n", function, args, want)
	return nil
}

type programStatus struct {
	Status, Lane, Sandbox string
	PID                   int
}

func statusOf(h *hostProcess, name string) (st programStatus, err error) {
	resp, err := http.Get(h.url + "/plugins/portables/" + name + "/status")
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(b, &st)
}
