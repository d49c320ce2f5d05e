package config

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// key is one key of the configuration: how it is spelled and how its value
// gets into a Config. set returns an error that says what was found and what
// was expected.
type key struct {
	name string
	set  func(*Config, *yaml.Node) error
	list bool // the value is a list
}

// keys is the one table of what can be configured.
func keys() []key {
	const (
		year = 365 * 24 * time.Hour
		tiny = time.Millisecond
	)
	return []key{
		text("basic.restIp", addressShape, func(c *Config) *string { return &c.Basic.RestIP }),
		integer("basic.restPort", 0, 65535, func(c *Config) *int { return &c.Basic.RestPort }),
		text("basic.restSocket", anyShape, func(c *Config) *string { return &c.Basic.RestSocket }),
		text("basic.restTls.certfile", anyShape, func(c *Config) *string { return &c.Basic.CertFile }),
		text("basic.restTls.keyfile", anyShape, func(c *Config) *string { return &c.Basic.KeyFile }),
		boolean("basic.authentication", func(c *Config) *bool { return &c.Basic.Authentication }),
		boolean("basic.insecure", func(c *Config) *bool { return &c.Basic.Insecure }),
		boolean("basic.enableRestAuditLog", func(c *Config) *bool { return &c.Basic.AuditLog }),
		boolean("basic.enablePrivateNet", func(c *Config) *bool { return &c.Basic.PrivateNet }),
		boolean("basic.allowExternalFileAccess", func(c *Config) *bool { return &c.Basic.ExternalFiles }),
		words("basic.allowedHosts", namesShape, func(c *Config) *[]string { return &c.Basic.AllowedHosts }),
		text("basic.pluginHosts", anyShape, func(c *Config) *string { return &c.Basic.PluginHosts }),
		words("basic.pluginKeys", minisignShape, func(c *Config) *[]string { return &c.Basic.PluginKeys }),
		choice("basic.installScript", []string{"refuse", "allow"}, func(c *Config) *string { return &c.Basic.InstallScript }),
		duration("basic.installScriptTimeout", tiny, year, func(c *Config) *time.Duration { return &c.Basic.InstallScriptTimeout }),
		boolean("basic.pprof", func(c *Config) *bool { return &c.Basic.Pprof }),
		text("basic.pprofIp", addressShape, func(c *Config) *string { return &c.Basic.PprofIP }),
		integer("basic.pprofPort", 0, 65535, func(c *Config) *int { return &c.Basic.PprofPort }),
		choice("basic.logLevel", []string{"debug", "info", "warn", "error", "fatal", "panic"}, func(c *Config) *string { return &c.Basic.LogLevel }),
		boolean("basic.debug", func(c *Config) *bool { return &c.Basic.Debug }),
		duration("basic.gracefulShutdownTimeout", tiny, year, func(c *Config) *time.Duration { return &c.Basic.StopTimeout }),

		duration("wasm.callTimeout", tiny, year, func(c *Config) *time.Duration { return &c.WASM.CallTimeout }),
		duration("wasm.startTimeout", tiny, year, func(c *Config) *time.Duration { return &c.WASM.StartTimeout }),
		// More than JSON keeps exactly is no limit either.
		integer("wasm.fuel", 0, int64(1)<<53, func(c *Config) *int64 { return &c.WASM.Fuel }),
		integer("wasm.cpuPercent", 0, 100_000, func(c *Config) *int { return &c.WASM.CPUPercent }),
		integer("wasm.memoryMiB", 1, 4096, func(c *Config) *int { return &c.WASM.MemoryMiB }),
		integer("wasm.stackKiB", 1, 64<<10, func(c *Config) *int { return &c.WASM.StackKiB }),
		integer("wasm.tableEntries", 1, 10_000_000, func(c *Config) *int { return &c.WASM.TableEntries }),
		integer("wasm.outputKiB", 1, 1<<20, func(c *Config) *int { return &c.WASM.OutputKiB }),
		integer("wasm.moduleMiB", 1, 1<<10, func(c *Config) *int { return &c.WASM.ModuleMiB }),
		integer("wasm.logKiBs", 1, 1<<20, func(c *Config) *int { return &c.WASM.LogKiBs }),
		integer("wasm.stateKiBs", 1, 1<<20, func(c *Config) *int { return &c.WASM.StateKiBs }),
		duration("wasm.compileTime", tiny, year, func(c *Config) *time.Duration { return &c.WASM.CompileTime }),
		integer("wasm.compileMiB", 1, 64<<10, func(c *Config) *int { return &c.WASM.CompileMiB }),
		integer("wasm.quarantine", 0, 1_000_000, func(c *Config) *int { return &c.WASM.Quarantine }),
		integer("wasm.poolMin", 1, 100_000, func(c *Config) *int { return &c.WASM.PoolMin }),
		integer("wasm.poolMax", 0, 100_000, func(c *Config) *int { return &c.WASM.PoolMax }),
		duration("wasm.poolIdle", tiny, year, func(c *Config) *time.Duration { return &c.WASM.PoolIdle }),
		duration("wasm.poolWait", tiny, year, func(c *Config) *time.Duration { return &c.WASM.PoolWait }),
		choice("wasm.engine", []string{"auto", "compiler", "interpreter"}, func(c *Config) *string { return &c.WASM.Engine }),
		words("wasm.grants", grantShape, func(c *Config) *[]string { return &c.WASM.Grants }),
		words("wasm.http", patternShape, func(c *Config) *[]string { return &c.WASM.HTTP }),
		duration("wasm.httpTimeout", tiny, year, func(c *Config) *time.Duration { return &c.WASM.HTTPTimeout }),
		integer("wasm.httpMaxKiB", 1, 32<<10, func(c *Config) *int { return &c.WASM.HTTPMaxKiB }),
		words("wasm.trusted", pluginShape, func(c *Config) *[]string { return &c.WASM.Trusted }),

		text("portable.pythonBin", anyShape, func(c *Config) *string { return &c.Portable.Python }),
		duration("portable.initTimeout", tiny, year, func(c *Config) *time.Duration { return &c.Portable.InitTimeout }),
		duration("portable.sendTimeout", tiny, year, func(c *Config) *time.Duration { return &c.Portable.SendTimeout }),
		duration("portable.recvTimeout", tiny, year, func(c *Config) *time.Duration { return &c.Portable.RecvTimeout }),
		duration("portable.grace", tiny, year, func(c *Config) *time.Duration { return &c.Portable.Grace }),
		choice("portable.lane", []string{"auto", "ekuiper"}, func(c *Config) *string { return &c.Portable.Lane }),
		choice("portable.tmp", []string{"auto", "shared"}, func(c *Config) *string { return &c.Portable.Tmp }),
		words("portable.env", variableShape, func(c *Config) *[]string { return &c.Portable.Env }),
		integer("portable.maxInstances", 1, 1000, func(c *Config) *int { return &c.Portable.MaxInstances }),

		text("source.httpServerIp", addressShape, func(c *Config) *string { return &c.Source.PushIP }),
		integer("source.httpServerPort", 1, 65535, func(c *Config) *int { return &c.Source.PushPort }),
		text("source.httpServerTls.certfile", anyShape, func(c *Config) *string { return &c.Source.PushCert }),
		text("source.httpServerTls.keyfile", anyShape, func(c *Config) *string { return &c.Source.PushKey }),

		choice("native.isolation", []string{"none", "process"}, func(c *Config) *string { return &c.Native.Isolation }),

		integer("limits.packageMiB", 1, 1<<20, func(c *Config) *int { return &c.Limits.PackageMiB }),
		integer("limits.unpackedMiB", 1, 1<<20, func(c *Config) *int { return &c.Limits.UnpackedMiB }),
		// A body is held in memory, whose size is an int32 on small machines.
		integer("limits.bodyMiB", 1, 1024, func(c *Config) *int { return &c.Limits.BodyMiB }),
		integer("limits.calls", 1, 1_000_000, func(c *Config) *int { return &c.Limits.Calls }),
		integer("limits.bufferMiB", 1, 1<<20, func(c *Config) *int { return &c.Limits.BufferMiB }),
		duration("limits.fetchTimeout", tiny, year, func(c *Config) *time.Duration { return &c.Limits.FetchTimeout }),
		duration("limits.loadTimeout", tiny, year, func(c *Config) *time.Duration { return &c.Limits.LoadTimeout }),
		duration("limits.stateCheckpoint", tiny, year, func(c *Config) *time.Duration { return &c.Limits.StateCheckpoint }),
		duration("limits.drain", tiny, year, func(c *Config) *time.Duration { return &c.Limits.Drain }),
	}
}

// foreign lists eKuiper's keys and sections that load and do nothing here, in
// lower case.
func foreign() []string {
	return []string{
		"rule", "sink", "store", "opentelemetry", "hot", "connection",
		"basic.consolelog", "basic.filelog", "basic.logdisabletimestamp",
		"basic.syslog", "basic.rotatetime", "basic.maxage", "basic.rotatesize", "basic.rotatecount",
		"basic.ip", "basic.port", "basic.timezone", "basic.prometheus", "basic.prometheusport",
		"basic.ignorecase", "basic.sql",
		"basic.rulepatrolinterval", "basic.enableopenziti", "basic.aeskey", "basic.connection",
		"basic.resourceprofileconfig", "basic.metricsdumpconfig", "basic.cfgstoragetype",
		"basic.enableresourceprofiling",
	}
}
