package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vanth-io/vanth/etc"
)

// load loads text as the file kuiper.yaml of a home.
func load(t *testing.T, text string, environ []string, flags ...Flag) (Config, []Warning, error) {
	t.Helper()
	home := t.TempDir()
	file := filepath.Join(home, "kuiper.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, w, err := Load(Sources{Home: home, File: file, Environ: environ, Flags: flags})
	for i := range w {
		w[i].Where = strings.TrimPrefix(w[i].Where, home+"/")
	}
	return c, w, err
}

func TestShippedIsDefault(t *testing.T) {
	c, w, err := load(t, string(etc.Kuiper()), nil)
	if err != nil || len(w) != 0 {
		t.Fatalf("shipped file: warnings %v, error %v", w, err)
	}
	if diff := cmp.Diff(Default(), c); diff != "" {
		t.Errorf("shipped file differs from the defaults (-default +file):\n%s", diff)
	}
}

// TestShippedNamesEveryKey sees that a key cannot be added without being
// documented: every key is set by the shipped file.
func TestShippedNamesEveryKey(t *testing.T) {
	l := newLoader()
	if err := l.yaml("kuiper.yaml", etc.Kuiper()); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys() {
		if l.origin[k.name] == "" {
			t.Errorf("etc/kuiper.yaml does not set %s", k.name)
		}
	}
	// And the check can fail: an empty file sets nothing.
	if l := newLoader(); l.yaml("kuiper.yaml", nil) != nil || len(l.origin) != 0 {
		t.Error("an empty file set something")
	}
}

// minisignKey is the one that minisign itself is signed with.
const minisignKey = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"

func TestPrecedence(t *testing.T) {
	const file = "basic:\n  restPort: 1\n  RESTIP: ::1\nWasm:\n  grants: [clock]\n"
	for _, c := range []struct {
		name    string
		file    string
		environ []string
		flags   []Flag
		want    func(*Config)
	}{
		{"defaults", "", nil, nil, func(*Config) {}},
		{"no file at all is empty", "# nothing\n", nil, nil, func(*Config) {}},
		{"empty sections", "basic:\nwasm: ~\nlimits: {}\n", nil, nil, func(*Config) {}},
		{"file, any case", file, nil, nil, func(c *Config) {
			c.Basic.RestPort, c.Basic.RestIP, c.WASM.Grants = 1, "::1", []string{"clock"}
		}},
		{"environment over file", file, []string{"KUIPER__BASIC__RESTPORT=2", "kuiper__wasm__GRANTS=[]", "PATH=/bin", "KUIPER__=", "KUIPERX=1"}, nil, func(c *Config) {
			c.Basic.RestPort, c.Basic.RestIP, c.WASM.Grants = 2, "::1", []string{}
		}},
		{"flag over environment", file, []string{"KUIPER__BASIC__RESTPORT=2"}, []Flag{{"--listen", "basic.restPort", "3"}}, func(c *Config) {
			c.Basic.RestPort, c.Basic.RestIP, c.WASM.Grants = 3, "::1", []string{"clock"}
		}},
		{"an empty variable is none", file, []string{"KUIPER__BASIC__RESTPORT="}, nil, func(c *Config) {
			c.Basic.RestPort, c.Basic.RestIP, c.WASM.Grants = 1, "::1", []string{"clock"}
		}},
		{"three levels", "", []string{"KUIPER__BASIC__RESTTLS__CERTFILE=/c", "KUIPER__BASIC__RESTTLS__KEYFILE=/k"}, nil, func(c *Config) {
			c.Basic.CertFile, c.Basic.KeyFile = "/c", "/k"
		}},
		{"texts of the environment are not YAML", "", []string{"KUIPER__BASIC__RESTSOCKET=/run/a: [b"}, nil, func(c *Config) {
			c.Basic.RestSocket = "/run/a: [b"
		}},
		{"lists of the environment are", "", []string{"KUIPER__WASM__TRUSTED=[a, b-c]"}, nil, func(c *Config) {
			c.WASM.Trusted = []string{"a", "b-c"}
		}},
		{"names and keys", "basic: {enableRestAuditLog: true, allowedHosts: [edge.local, '::2'], pluginKeys: [" + minisignKey + "]}", nil, nil, func(c *Config) {
			c.Basic.AuditLog, c.Basic.AllowedHosts, c.Basic.PluginKeys = true, []string{"edge.local", "::2"}, []string{minisignKey}
		}},
		{"profiles", "basic: {pprof: true, pprofIp: '::1', pprofPort: 0}", nil, nil, func(c *Config) {
			c.Basic.Pprof, c.Basic.PprofIP, c.Basic.PprofPort = true, "::1", 0
		}},
		{"profiles that are off may have any address", "basic: {pprofIp: 0.0.0.0}", nil, nil, func(c *Config) { c.Basic.PprofIP = "0.0.0.0" }},
		{"bounds of plugins", "wasm: {fuel: 5000000000, cpuPercent: 250, stackKiB: 1, tableEntries: 2, outputKiB: 3, moduleMiB: 4, logKiBs: 5, stateKiBs: 6}", nil, nil, func(c *Config) {
			w := &c.WASM
			w.Fuel, w.CPUPercent, w.StackKiB, w.TableEntries, w.OutputKiB, w.ModuleMiB, w.LogKiBs, w.StateKiBs = 5_000_000_000, 250, 1, 2, 3, 4, 5, 6
		}},
		{"durations", "wasm:\n  callTimeout: 250\n  poolWait: 1m30s\n", nil, nil, func(c *Config) {
			c.WASM.CallTimeout, c.WASM.PoolWait = 250*time.Millisecond, 90*time.Second
		}},
		{"an alias", "basic: {restPort: &p 7}\nwasm: {poolMax: *p}\n", nil, nil, func(c *Config) {
			c.Basic.RestPort, c.WASM.PoolMax = 7, 7
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, warnings, err := load(t, c.file, c.environ, c.flags...)
			if err != nil || len(warnings) != 0 {
				t.Fatalf("warnings %v, error %v", warnings, err)
			}
			want := Default()
			c.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWrongValues(t *testing.T) {
	for _, c := range []struct {
		name, file string
		environ    []string
		want       []string // each in one line of the error
	}{
		{"port as text", "basic:\n  # a comment\n  restPort: http\n", nil, []string{`kuiper.yaml:3: basic.restPort: found text "http", expected a whole number from 0 to 65535`}},
		{"port out of range", "basic: {restport: 65536}", nil, []string{"kuiper.yaml:1: basic.restPort: found 65536, expected"}},
		{"huge number", "basic: {restPort: 99999999999999999999}", nil, []string{"basic.restPort: found 99999999999999999999"}},
		{"float", "wasm: {memoryMiB: 1.5}", nil, []string{"wasm.memoryMiB: found 1.5, expected a whole number from 1 to 4096"}},
		{"fuel below none", "wasm: {fuel: -1}", nil, []string{"wasm.fuel: found -1, expected a whole number from 0 to 9007199254740992"}},
		{"more cores than there are", "wasm: {cpuPercent: 100001}", nil, []string{"wasm.cpuPercent: found 100001, expected a whole number from 0 to 100000"}},
		{"no stack", "wasm: {stackKiB: 0}", nil, []string{"wasm.stackKiB: found 0, expected a whole number from 1 to 65536"}},
		{"all bounds", "wasm: {tableEntries: 0, outputKiB: 2000000, moduleMiB: x, logKiBs: 0, stateKiBs: []}", nil, []string{
			"wasm.tableEntries", "wasm.outputKiB: found 2000000, expected a whole number from 1 to 1048576", "wasm.moduleMiB", "wasm.logKiBs", "wasm.stateKiBs",
		}},
		{"bool as text", "basic: {insecure: maybe}", nil, []string{`basic.insecure: found text "maybe", expected true or false`}},
		{"list for text", "basic: {restIp: [a]}", nil, []string{"basic.restIp: found a list of 1, expected an IP address or a host name"}},
		{"not an address", "basic: {restIp: 300.1.1.1}", nil, []string{`basic.restIp: found text "300.1.1.1"`}},
		{"text for section", "basic: on\n", nil, []string{"kuiper.yaml:1: basic: found text \"on\", expected a section with keys"}},
		{"list for section", "wasm: [1, 2]\n", nil, []string{"wasm: found a list of 2, expected a section"}},
		{"section for value", "limits: {drain: {a: 1}}", nil, []string{"limits.drain: found a section, expected a duration"}},
		{"no duration", "limits: {drain: soon}", nil, []string{`limits.drain: found text "soon", expected a duration of at least 1ms`}},
		{"negative duration", "limits: {drain: -1s}", nil, []string{"limits.drain: found text \"-1s\""}},
		{"zero duration", "limits: {drain: 0}", nil, []string{"limits.drain: found 0"}},
		{"overflowing duration", "limits: {drain: 9223372036854775807}", nil, []string{"limits.drain: found 9223372036854775807"}},
		{"choice", "wasm: {engine: fast}", nil, []string{`wasm.engine: found text "fast", expected one of auto, compiler, interpreter`}},
		{"grant", "wasm:\n  grants: [state, network]", nil, []string{`kuiper.yaml:2: wasm.grants: found text "network" in the list, expected some of state, clock, random`}},
		{"grant twice", "wasm: {grants: [state, state]}", nil, []string{`wasm.grants: found "state" twice`}},
		{"list as text", "wasm: {grants: state}", nil, []string{`wasm.grants: found text "state", expected a list`}},
		{"key of a plugin host", "basic: {pluginKeys: [RWQ=]}", nil, []string{`basic.pluginKeys: found text "RWQ=" in the list, expected public keys of minisign`}},
		{"keys as text", "basic: {pluginKeys: RWQ}", nil, []string{`basic.pluginKeys: found text "RWQ", expected a list: public keys of minisign`}},
		{"name with a port", "basic: {allowedHosts: ['edge.example:9081']}", nil, []string{`basic.allowedHosts: found text "edge.example:9081" in the list, expected IP addresses or host names without a port`}},
		{"name that is none", "basic: {allowedHosts: ['']}", nil, []string{`basic.allowedHosts: found text "" in the list`}},
		{"plugin name", "wasm: {trusted: [../x]}", nil, []string{`wasm.trusted: found text "../x" in the list, expected names of plugins`}},
		{"twice", "basic:\n  restPort: 1\n  RestPort: 2\n", nil, []string{"kuiper.yaml:3: basic.RestPort: found a second time, expected once"}},
		{"syntax", "basic:\n  restPort: [1\n", nil, []string{"kuiper.yaml: yaml: line "}},
		{"not a map", "- 1\n", nil, []string{"kuiper.yaml:1: found a list of 1, expected sections with keys"}},
		{"environment", "", []string{"KUIPER__BASIC__RESTPORT=no"}, []string{`environment KUIPER__BASIC__RESTPORT: basic.restPort: found text "no"`}},
		{"list of the environment", "", []string{"KUIPER__WASM__GRANTS=[a"}, []string{`environment KUIPER__WASM__GRANTS: wasm.grants: found "[a", expected a list`}},
		{"all at once", "basic: {restPort: x, debug: 1}\nwasm: {poolMin: 0}\n", nil, []string{"basic.restPort", "basic.debug", "wasm.poolMin"}},
		{"half of TLS", "basic: {restTls: {certfile: a}}", nil, []string{"basic.restTls.certfile: found only one of certfile and keyfile"}},
		{"pool", "wasm:\n  poolMin: 3\n  poolMax: 2\n", nil, []string{"kuiper.yaml:2: wasm.poolMin: found 3, expected at most wasm.poolMax, which is 2"}},
		{"sizes", "limits: {packageMiB: 9, unpackedMiB: 8}", nil, []string{"limits.unpackedMiB: found 8, expected at least limits.packageMiB, which is 9"}},
		{"profiles for all", "basic: {pprof: true, pprofIp: 0.0.0.0}", nil, []string{`kuiper.yaml:1: basic.pprofIp: found "0.0.0.0", which other machines may reach`}},
		{"profiles anywhere", "basic: {pprof: true, pprofIp: ''}", nil, []string{`basic.pprofIp: found "", which other machines may reach`}},
		{"port of profiles", "basic: {pprofPort: -1}", nil, []string{"basic.pprofPort: found -1, expected a whole number from 0 to 65535"}},
		{"no listener", "basic: {restIp: ''}", nil, []string{"basic.restIp: found no address"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := load(t, c.file, c.environ)
			if err == nil {
				t.Fatal("no error")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("got %d errors, want %d:\n%v", len(lines), len(c.want), err)
			}
			for i, want := range c.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("got  %s\nwant %s", lines[i], want)
				}
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	const file = `basic:
  consoleLog: true
  syslog:
    enable: true
  restprot: 1
  enableRestAuditLog: true
rule:
  qos: 0
wasm:
  callTimout: 1s
  drain: 1s
frob: [1]
`
	_, got, err := load(t, file, []string{"KUIPER__SINK__ENABLECACHE=true", "KUIPER__BASIC__NOPE=1"})
	if err != nil {
		t.Fatal(err)
	}
	const inert, unknown = "has no effect in this build", "is not known and has no effect"
	want := []Warning{
		{"kuiper.yaml:2", "basic.consoleLog", inert},
		{"kuiper.yaml:3", "basic.syslog", inert},
		{"kuiper.yaml:5", "basic.restprot", unknown},
		{"kuiper.yaml:7", "rule", inert},
		{"kuiper.yaml:10", "wasm.callTimout", unknown},
		{"kuiper.yaml:11", "wasm.drain", unknown + "; there is limits.drain"},
		{"kuiper.yaml:12", "frob", unknown},
		{"environment KUIPER__BASIC__NOPE", "BASIC.NOPE", unknown},
		{"environment KUIPER__SINK__ENABLECACHE", "SINK.ENABLECACHE", inert},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestInsecureAddressIsRefused(t *testing.T) {
	for _, c := range []struct {
		file   string
		refuse bool
	}{
		{"basic: {restIp: 0.0.0.0}", true},
		{"basic: {restIp: '::'}", true},
		{"basic: {restIp: 192.168.1.2}", true},
		{"basic: {restIp: '::ffff:10.0.0.1'}", true},
		{"basic: {restIp: edge.example.org}", true},
		{"basic: {restIp: localhost.example.org}", true},
		{"basic: {restIp: 0.0.0.0, authentication: true}", false},
		{"basic: {restIp: 0.0.0.0, insecure: true}", false},
		{"basic: {restIp: 127.9.9.9}", false},
		{"basic: {restIp: '::1'}", false},
		{"basic: {restIp: '::ffff:127.0.0.1'}", false},
		{"basic: {restIp: LocalHost}", false},
		{"basic: {restIp: '', restSocket: /run/v.sock}", false},
	} {
		_, _, err := load(t, c.file, nil)
		if (err != nil) != c.refuse {
			t.Errorf("%s: got error %v, want refused %t", c.file, err, c.refuse)
		}
		for _, out := range []string{"kuiper.yaml:1: basic.restIp", "basic.restIp: 127.0.0.1", "basic.authentication: true", "basic.insecure: true"} {
			if c.refuse && err != nil && !strings.Contains(err.Error(), out) {
				t.Errorf("%s: the error does not name %q: %v", c.file, out, err)
			}
		}
	}
}

// TestEKuiperFile holds that a configuration of eKuiper itself loads, once its
// address is dealt with.
func TestEKuiperFile(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "ekuiper.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = load(t, string(b), nil)
	if err == nil || !strings.Contains(err.Error(), "basic.insecure") {
		t.Errorf("got error %v, want eKuiper's open address refused", err)
	}
	c, warnings, err := load(t, string(b), []string{"KUIPER__BASIC__RESTIP=127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		if w.Text != "has no effect in this build" {
			t.Errorf("%s: want it known as eKuiper's", w)
		}
	}
	if len(warnings) < 20 {
		t.Errorf("got %d warnings, want one for each key without effect", len(warnings))
	}
	if c.Basic.StopTimeout != 10*time.Second {
		t.Errorf("gracefulShutdownTimeout: got %s", c.Basic.StopTimeout)
	}
	if !c.Basic.Pprof || c.Basic.PprofPort != 6060 {
		t.Errorf("pprof: got %t at port %d", c.Basic.Pprof, c.Basic.PprofPort)
	}
}

func TestPathsAreBelowHome(t *testing.T) {
	c, _, err := Load(Sources{Home: "/h", Flags: []Flag{
		{"x", "basic.restSocket", "run/v.sock"}, {"x", "basic.restTls.certfile", "/abs.pem"}, {"x", "basic.restTls.keyfile", "k.pem"},
	}})
	if err != nil || c.Basic.RestSocket != "/h/run/v.sock" || c.Basic.CertFile != "/abs.pem" || c.Basic.KeyFile != "/h/k.pem" {
		t.Errorf("got %+v, %v", c.Basic, err)
	}
}

func TestLevel(t *testing.T) {
	for text, want := range map[string]string{"debug": "DEBUG", "info": "INFO", "WARN": "WARN", "error": "ERROR", "panic": "ERROR"} {
		c, _, err := load(t, "basic: {logLevel: "+text+"}", nil)
		if err != nil || c.Basic.Level().String() != want {
			t.Errorf("%s: got %s, %v", text, c.Basic.Level(), err)
		}
	}
	if c, _, _ := load(t, "basic: {debug: true}", nil); c.Basic.Level().String() != "DEBUG" {
		t.Errorf("debug: got %s", c.Basic.Level())
	}
}
