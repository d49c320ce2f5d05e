package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// flowTime is how long the rule is watched.
const flowTime = 10 * time.Second

// flow runs a rule on the machine's own counters: through a WebAssembly function
// that keeps state and a portable one, into the log and a file; and updates the
// WebAssembly plugin in the middle.
func flow(h *hostProcess, home, dir string) error {
	say("a rule: this machine's counters -> anomaly (wasm, stateful) -> echo (portable) -> log and file")
	f, err := os.ReadFile(filepath.Join(dir, "alert.zip"))
	if err != nil {
		return err
	}
	if _, err := post(http.DefaultClient, h.url+"/plugins/wasm?name=alert", "application/zip", bytes.NewReader(f), http.StatusCreated); err != nil {
		return err
	}
	const stream = `{"sql":"CREATE STREAM machine () WITH (TYPE=\"host\", EXTRA=\"{\\\"interval\\\":5}\")"}`
	const rule = `{"id":"watch","sql":"SELECT cpu->percent AS percent, anomaly(\"cpu\", cpu->percent, 0.1) AS score, echo(load) AS load FROM machine",
		"actions":[{"nop":{"log":false}},{"file":{"path":"machine.ndjson","fileType":"lines","sendSingle":true}}]}`
	if _, err := post(http.DefaultClient, h.url+"/streams", "application/json", strings.NewReader(stream), http.StatusCreated); err != nil {
		return err
	}
	if _, err := post(http.DefaultClient, h.url+"/rules", "application/json", strings.NewReader(rule), http.StatusCreated); err != nil {
		return err
	}
	began := time.Now()
	for last, updated := int64(0), false; time.Since(began) < flowTime; {
		time.Sleep(time.Second)
		s, err := flowStatus(h)
		if err != nil {
			return err
		}
		row, _ := lastLine(filepath.Join(home, "data", "machine.ndjson"))
		fmt.Printf("   %4d rows/s   %s\n", s.Out-last, row)
		last = s.Out
		if !updated && time.Since(began) > flowTime/2 {
			updated = true
			if err := update(h, "/plugins/wasm/alert", f); err != nil {
				return err
			}
			fmt.Println("   (the plugin alert was replaced while rows flowed)")
		}
	}
	if _, err := post(http.DefaultClient, h.url+"/rules/watch/stop", "", nil, http.StatusOK); err != nil {
		return err
	}
	s, err := flowStatus(h)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(home, "data", "machine.ndjson"))
	if err != nil {
		return err
	}
	lines := int64(bytes.Count(content, []byte("\n")))
	if s.In == 0 || s.In != s.Op || s.Op != s.Out || s.Out != lines || s.Faults+s.Lost != 0 {
		return fmt.Errorf("%d rows were read, %d worked on, %d written, %d are in the file, %d faults", s.In, s.Op, s.Out, lines, s.Faults+s.Lost)
	}
	fmt.Printf("   %d rows were read, and all are in the file\n", s.In)
	return nil
}

// flowCounters are the counters of the rule's nodes.
type flowCounters struct {
	In     int64 `json:"source_machine_0_records_out_total"`
	Op     int64 `json:"op_2_project_0_records_out_total"`
	Faults int64 `json:"op_2_project_0_exceptions_total"`
	Out    int64 `json:"sink_file_1_0_records_out_total"`
	Lost   int64 `json:"sink_file_1_0_exceptions_total"`
}

func flowStatus(h *hostProcess) (c flowCounters, err error) {
	resp, err := http.Get(h.url + "/rules/watch/status")
	if err != nil {
		return c, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(b, &c)
}

// lastLine is the last whole line of a file.
func lastLine(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	lines := bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n"))
	return string(lines[len(lines)-1]), nil
}

// update puts another version in place of a plugin.
func update(h *hostProcess, path string, archive []byte) error {
	r, err := http.NewRequest(http.MethodPut, h.url+path, bytes.NewReader(archive))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/zip")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("PUT %s: %s: %s", path, resp.Status, b)
	}
	return nil
}
