package main

import (
	"archive/zip"
	"bytes"
	le "encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// template is the module of testdata/versioned.wat.
var template = sync.OnceValues(func() ([]byte, error) {
	out := filepath.Join(built, "versioned.wasm")
	cmd := exec.Command("go", "run", "../../wasm/internal/wat/assemble", "testdata/versioned.wat", out)
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	return os.ReadFile(out)
})

// versioned makes the archive of plugin name, a four letter word, in version n:
// its function of the same name answers n.
func versioned(t testing.TB, name string, n int) []byte {
	t.Helper()
	code, err := template()
	if err != nil {
		t.Fatal(err)
	}
	code = bytes.Replace(code, []byte("VERS"), le.LittleEndian.AppendUint32(nil, uint32(n)), 1)
	code = bytes.Replace(code, []byte("NAME"), []byte(name), 1)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for file, content := range map[string][]byte{
		name + ".wasm": code,
		name + ".json": fmt.Appendf(nil, `{"version":"%d","functions":["%s"]}`, n, name),
	} {
		w, err := z.Create(file)
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

// peer talks to a host that may be killed at any time.
type peer struct {
	http    *http.Client
	address string
}

func newPeer(address string) *peer {
	return &peer{&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}, address}
}

func (c *peer) close() { c.http.CloseIdleConnections() }

// do returns the status and body of an answer; an error means that there was
// none.
func (c *peer) do(method, path string, body []byte) (int, string, error) {
	req, err := http.NewRequest(method, c.address+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/zip")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// call answers the version that function name runs in, 0 for none.
func (c *peer) call(name string) (int, error) {
	status, body, err := c.do("POST", "/functions/"+name+"/call", []byte(`{"args":[]}`))
	if err != nil || status == http.StatusNotFound {
		return 0, err
	}
	var answer struct{ Result *float64 } // eKuiper's wire has no integers
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Result == nil || status != http.StatusOK {
		return 0, fmt.Errorf("call %s: %d %s", name, status, strings.TrimSpace(body))
	}
	return int(*answer.Result), nil
}
