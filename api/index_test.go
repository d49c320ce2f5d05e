package api_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/vanth-io/vanth/api"
)

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) log() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// keyPair makes a key of minisign; the public one is as the configuration has it.
func keyPair(t *testing.T) (public string, private minisign.PrivateKey) {
	t.Helper()
	pub, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pub.String(), private
}

// indexed serves an index, its signature unless that is "", and other files.
func indexed(t *testing.T, index string, signature []byte, more map[string][]byte) string {
	t.Helper()
	files := map[string][]byte{"index.json": []byte(index)}
	if signature != nil {
		files["index.json.minisig"] = signature
	}
	for name, b := range more {
		files[name] = b
	}
	return packages(t, files)
}

// entry is one of an index for this machine; change is pairs of key and value.
func entry(name, version, url string, change ...string) string {
	e := map[string]string{"name": name, "class": "functions", "version": version, "os": runtime.GOOS, "arch": runtime.GOARCH, "url": url, "sha256": strings.Repeat("ab", 32)}
	for i := 0; i+1 < len(change); i += 2 {
		e[change[i]] = change[i+1]
	}
	var parts []string
	for _, k := range []string{"name", "class", "type", "version", "os", "arch", "url", "sha256"} {
		if v, ok := e[k]; ok && v != "-" {
			parts = append(parts, fmt.Sprintf("%q:%q", k, v))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func list(entries ...string) string { return "[" + strings.Join(entries, ",") + "]" }

// old is what eKuiper's layout of a host begins with.
func old(site string) string {
	release, _ := os.ReadFile("/etc/os-release")
	return site + "/kuiper-plugins/2.4.0/" + api.Distribution(string(release)) + "/functions/"
}

const unconfigured = "invalid configuration for plugin host in kuiper.yaml"

func TestIndex(t *testing.T) {
	text := list(
		entry("echo", "v1.9.0", "echo-1.9.zip"), entry("echo", "v1.10.0", "/deep/echo.zip"), entry("echo", "v1.2.0", "x.zip"),
		entry("geo", "1", "https://else.example/geo.zip", "class", "-", "type", "function"),
		entry("random", "1", "random.zip", "class", "sources"),
		entry("foreign", "1", "a.zip", "os", "plan9"), entry("other", "1", "a.zip", "arch", "none"),
		entry("bare", "1", "bare.zip", "sha256", "-"),
		entry("../up", "1", "a.zip"), entry("local", "1", "file:///etc/a.zip"), entry("page", "1", "a.html"), entry("half", "1", "half.zip", "sha256", "ab"),
		entry("thief", "1", "x.zip", "sha256", strings.Repeat("cd", 32)),
	)
	public, private := keyPair(t)
	second, _ := keyPair(t)
	signature := minisign.Sign(private, []byte(text))

	for _, c := range []struct {
		what      string
		signature []byte
		keys      []string
		bare      bool // entries without a digest are taken
	}{
		{"unsigned, no keys", nil, nil, true},
		{"signed, no keys", signature, nil, true},
		{"signed by one of two keys", signature, []string{second, public}, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			var log lines
			site := indexed(t, text, c.signature, nil)
			k := newKit(t, api.Options{Version: "2.4.0", PluginHosts: site + "/", PluginKeys: c.keys, Log: log.log()})
			bare, out := "", 6
			if c.bare {
				bare, out = `"bare":"`+site+`/bare.zip",`, 5
			}
			k.do("GET", "/plugins/functions/prebuild", nil).want(t, 200, js, `{`+bare+`"echo":"`+site+`/deep/echo.zip","geo":"https://else.example/geo.zip"}`)
			k.do("GET", "/plugins/sources/prebuild", nil).want(t, 200, js, `{"random":"`+site+`/random.zip"}`)
			k.do("GET", "/plugins/sinks/prebuild", nil).want(t, 200, js, `{}`)
			if s := log.String(); !strings.Contains(s, fmt.Sprintf("%d of 13 entries; entry ", out)) {
				t.Errorf("found no reason for %d entries in %s", out, s)
			}
		})
	}
}

// A host whose index must not be believed is left out with its reason; others
// answer, and without any the error is eKuiper's.
func TestIndexRefused(t *testing.T) {
	public, private := keyPair(t)
	_, stranger := keyPair(t)
	good := list(entry("echo", "1", "echo.zip"))
	sign := func(by minisign.PrivateKey, text string) []byte { return minisign.Sign(by, []byte(text)) }
	const bytesOver = 4<<20 + 1
	many := "[" + strings.Repeat("{},", 10_000) + "{}]"
	for _, c := range []struct {
		what, index string
		signature   []byte
		keys        bool
		reason      string
	}{
		{"unsigned", good, nil, true, "the index is not signed"},
		{"signed by a stranger", good, sign(stranger, good), true, "by none of basic.pluginKeys"},
		{"changed after it was signed", list(entry("echo", "2", "echo.zip")), sign(private, good), true, "by none of basic.pluginKeys"},
		{"signature that is none", good, []byte("untrusted comment: x\n\n\n\n"), true, "by none of basic.pluginKeys"},
		{"endless signature", good, bytes.Repeat([]byte("x"), 9<<10), true, "more than 8192 bytes"},
		{"a page and keys", "<html>", sign(private, "<html>"), true, "no JSON array"},
		{"a million entries", "[" + strings.Repeat("{},", 1_000_000) + "{}]", nil, false, "more than 10000 entries"},
		{"an entry too many", many, nil, false, "more than 10000 entries"},
		{"an entry too many, signed", many, sign(private, many), true, "more than 10000 entries"},
		{"endless", "[" + strings.Repeat(" ", bytesOver) + "]", nil, false, "more than 4194304 bytes"},
		{"broken", `[{"name":`, nil, false, "index.json: entry 1: unexpected EOF"},
		{"not closed", `[{}`, nil, false, "index.json: EOF"},
		{"two values", `[] []`, nil, false, "more than one value"},
		{"wrong type", `[{"name":1}]`, nil, false, "cannot unmarshal number"},
	} {
		t.Run(c.what, func(t *testing.T) {
			var keys []string
			if c.keys {
				keys = []string{public}
			}
			var log lines
			bad := indexed(t, c.index, c.signature, nil)
			alone := newKit(t, api.Options{PluginHosts: bad, PluginKeys: keys, Log: log.log()})
			alone.do("GET", "/plugins/functions/prebuild", nil).want(t, 400, text, ekuiper(1000, unconfigured))
			if s := log.String(); !strings.Contains(s, c.reason) || !strings.Contains(s, bad) || len(s) > 1000 {
				t.Errorf("found no reason %q of %s in %.1000s", c.reason, bad, s)
			}
			other := indexed(t, good, sign(private, good), nil)
			both := newKit(t, api.Options{PluginHosts: bad + "," + other, PluginKeys: keys})
			both.do("GET", "/plugins/functions/prebuild", nil).want(t, 200, js, `{"echo":"`+other+`/echo.zip"}`)
		})
	}
	if _, err := api.New(nil, api.Options{PluginKeys: []string{"no key"}}); err == nil {
		t.Error("a key that is none was taken")
	}
}

// Without an index a host has eKuiper's layout, unless the operator asks for
// signatures; of hosts that have the same plugin the last counts.
func TestIndexOrLayout(t *testing.T) {
	none := packages(t, nil)
	page := indexed(t, "<html>for whatever is asked for</html>", nil, nil)
	own := indexed(t, list(entry("echo", "1", "echo.zip"), entry("mine", "1", "mine.zip")), nil, nil)
	get := func(hosts string, keys ...string) reply {
		return newKit(t, api.Options{Version: "2.4.0", PluginHosts: hosts, PluginKeys: keys}).do("GET", "/plugins/functions/prebuild", nil)
	}
	for _, site := range []string{none, page} {
		if r := get(site); !strings.Contains(r.body, `"echo":"`+old(site)+"echo_"+runtime.GOARCH+`.zip"`) || strings.Contains(r.body, "mine") {
			t.Errorf("found %s", r.body)
		}
		r := get(site + "," + own)
		for _, want := range []string{`"echo":"` + own + `/echo.zip"`, `"mine":"` + own + `/mine.zip"`, `"geohash":"` + old(site)} {
			if !strings.Contains(r.body, want) {
				t.Errorf("found %s, expected %s", r.body, want)
			}
		}
		if r := get(own + "," + site); !strings.Contains(r.body, `"echo":"`+old(site)) || !strings.Contains(r.body, `"mine":"`+own) {
			t.Errorf("found %s", r.body)
		}
	}
	public, _ := keyPair(t)
	get(none, public).want(t, 400, text, ekuiper(1000, unconfigured))
}

// A host that hangs, or that sends elsewhere, costs a bounded time, and is not
// asked again at once.
func TestIndexOfSlowHost(t *testing.T) {
	var asked, elsewhere atomic.Int32
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		<-release
	}))
	defer slow.Close()
	defer close(release)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	astray := httptest.NewServer(http.RedirectHandler(other.URL+"/index.json", http.StatusFound))
	defer astray.Close()

	k := newKit(t, api.Options{Version: "2.4.0", PluginHosts: astray.URL + "," + slow.URL})
	for range 2 {
		start := time.Now()
		if r := k.do("GET", "/plugins/functions/prebuild", nil); !strings.Contains(r.body, old(slow.URL)) {
			t.Errorf("found %s", r.body)
		}
		if took := time.Since(start); took > 7*time.Second {
			t.Errorf("it took %v", took)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the slow host was asked %d times", n)
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("a redirect led to another host %d times", n)
	}
}

// What an index says of a package is compared when it is installed, also when the
// index was not signed, until another index says otherwise.
func TestIndexDigest(t *testing.T) {
	zip := so(t, "echo@v1", "ok")
	sum := func(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
	files := map[string][]byte{"good.zip": zip, "swapped.zip": so(t, "echo@v2", "ok")}
	text := list(entry("echo", "1", "good.zip", "sha256", strings.ToUpper(sum(zip))), entry("swapped", "1", "swapped.zip", "sha256", sum(zip), "os", "plan9"))
	public, private := keyPair(t)
	for _, keys := range [][]string{nil, {public}} {
		site := indexed(t, text, minisign.Sign(private, []byte(text)), files)
		k := newKit(t, api.Options{PluginHosts: site, PluginKeys: keys})
		install := func(method, path, file, more string) reply {
			return k.do(method, path, `{"name":"echo","file":"`+site+`/`+file+`.zip"`+more+`}`)
		}
		k.do("GET", "/plugins/functions/prebuild", nil)
		const all, one = "/plugins/functions", "/plugins/functions/echo"
		mismatch := "sha256 mismatch: expected " + sum(zip)
		if r := install("POST", all, "swapped", ""); r.status != 400 || !strings.Contains(r.body, mismatch) {
			t.Errorf("found %d %s", r.status, r.body)
		}
		if r := install("POST", all, "good", ""); r.status != 201 {
			t.Errorf("found %d %s", r.status, r.body)
		}
		if r := install("PUT", one, "swapped", ""); r.status != 400 || !strings.Contains(r.body, mismatch) {
			t.Errorf("found %d %s", r.status, r.body)
		}
		// Who names a digest knows better.
		if r := install("PUT", one, "swapped", `,"sha256":"`+sum(files["swapped.zip"])+`"`); r.status != 200 {
			t.Errorf("found %d %s", r.status, r.body)
		}
	}
}
