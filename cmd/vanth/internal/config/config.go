package config

import (
	"log/slog"
	"time"
)

// Config is everything an operator decides. It is complete and checked when
// [Load] returned it; paths are absolute.
type Config struct {
	Basic    Basic
	WASM     WASM
	Source   Source
	Portable Portable
	Native   Native
	Limits   Limits
}

// Basic is the section basic.
type Basic struct {
	RestIP         string // "" for no TCP listener
	RestPort       int    // 0 for any free one
	RestSocket     string // "" for no Unix socket
	CertFile       string // both or none
	KeyFile        string
	Authentication bool
	Insecure       bool
	AuditLog       bool

	AllowedHosts         []string // names for this machine, in Host
	PluginHosts          string   // comma list of servers with ready-made plugins
	PluginKeys           []string // public keys of minisign
	PrivateNet           bool
	ExternalFiles        bool
	InstallScript        string // refuse, allow
	InstallScriptTimeout time.Duration

	Pprof     bool   // whether profiles are served
	PprofIP   string // of loopback
	PprofPort int    // 0 for any free one

	LogLevel string // debug, info, warn, error, fatal, panic
	Debug    bool

	StopTimeout time.Duration
}

// WASM is the section wasm.
type WASM struct {
	CallTimeout  time.Duration
	StartTimeout time.Duration
	Fuel         int64 // a call; 0 for no limit
	CPUPercent   int   // of a core, all calls of a plugin; 0 for no limit
	MemoryMiB    int
	StackKiB     int
	TableEntries int
	OutputKiB    int
	ModuleMiB    int
	LogKiBs      int
	StateKiBs    int
	CompileTime  time.Duration // of the processor
	CompileMiB   int
	Quarantine   int // faults in a row; 0 for never
	PoolMin      int
	PoolMax      int // 0 for 16, or twice GOMAXPROCS
	PoolIdle     time.Duration
	PoolWait     time.Duration
	Engine       string // auto, compiler, interpreter
	Grants       []string
	HTTP         []string // what a plugin that is granted http may reach
	HTTPTimeout  time.Duration
	HTTPMaxKiB   int
	Trusted      []string
}

// Source is the section source.
type Source struct {
	PushIP   string // where httppush sources listen
	PushPort int
	PushCert string // both or none
	PushKey  string
}

// Portable is the section portable.
type Portable struct {
	Python       string
	InitTimeout  time.Duration
	SendTimeout  time.Duration
	RecvTimeout  time.Duration
	Grace        time.Duration
	Lane         string // auto, ekuiper
	Tmp          string // auto, shared
	Env          []string
	MaxInstances int
}

// Native is the section native.
type Native struct {
	Isolation string // none, process
}

// Limits is the section limits.
type Limits struct {
	PackageMiB      int
	UnpackedMiB     int
	BodyMiB         int
	Calls           int
	BufferMiB       int
	FetchTimeout    time.Duration
	LoadTimeout     time.Duration
	StateCheckpoint time.Duration
	Drain           time.Duration
}

// Default returns the configuration of an empty file. The shipped kuiper.yaml
// says the same.
func Default() Config {
	return Config{
		Basic: Basic{
			RestIP: "127.0.0.1", RestPort: 9081,
			AllowedHosts: []string{}, PluginKeys: []string{},
			PluginHosts: "https://packages.emqx.io", InstallScript: "refuse", InstallScriptTimeout: 5 * time.Minute,
			PprofIP: "127.0.0.1", PprofPort: 6060,
			LogLevel: "info", StopTimeout: 10 * time.Second,
		},
		WASM: WASM{
			CallTimeout: time.Second, StartTimeout: 10 * time.Second, MemoryMiB: 16,
			StackKiB: 1024, TableEntries: 200_000, OutputKiB: 16 << 10, ModuleMiB: 32, LogKiBs: 64, StateKiBs: 64 << 10,
			CompileTime: 10 * time.Second, CompileMiB: 384, Quarantine: 50,
			PoolMin: 1, PoolIdle: time.Minute, PoolWait: 100 * time.Millisecond,
			Engine: "auto", Grants: []string{"state", "clock", "random"}, Trusted: []string{},
			HTTP: []string{}, HTTPTimeout: 10 * time.Second, HTTPMaxKiB: 1024,
		},
		Source: Source{PushIP: "127.0.0.1", PushPort: 10081},
		Portable: Portable{
			Python: "python", InitTimeout: time.Minute, SendTimeout: 5 * time.Second, RecvTimeout: 5 * time.Second,
			Grace: time.Second, Lane: "auto", Tmp: "auto", Env: []string{}, MaxInstances: 16,
		},
		Native: Native{Isolation: "none"},
		Limits: Limits{
			PackageMiB: 64, UnpackedMiB: 512, BodyMiB: 16, Calls: 1024, BufferMiB: 256,
			FetchTimeout: 5 * time.Minute, LoadTimeout: 2 * time.Minute,
			StateCheckpoint: time.Second, Drain: 5 * time.Second,
		},
	}
}

// Level is the least level that is logged.
func (b *Basic) Level() slog.Level {
	if b.Debug {
		return slog.LevelDebug
	}
	switch b.LogLevel {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error", "fatal", "panic":
		return slog.LevelError
	}
	return slog.LevelInfo
}
