package gate

// Caps bound a module. Zero values mean the defaults stated first; behind them stands the most that was found in real
// modules: of TinyGo, Rust, Zig, AssemblyScript, and of Go up to a server of 10 MB with net/http.
type Caps struct {
	Bytes     int // of the file; 32 MiB
	Types     int // 10,000; 38
	Imports   int // 1,000; 28
	Functions int // without imported ones; 100,000; 5,898
	Tables    int // with imported ones; 4; 1
	Globals   int // with imported ones; 10,000; 8
	Exports   int // 10,000
	Elements  int // segments; 10,000; 1
	Data      int // segments; 100,000; 100,000, where Go's linker stops
	Customs   int // custom sections; 1,000; 12

	// Inits bounds the entries of all element segments, each of which the engine makes anew for each instance, in 60 ns:
	// a new instance is part of a call. Default 25,000; 9,994.
	Inits int
	// TableEntries bounds the entries that the tables start with, in sum. Default
	// 200,000; 9,994. Tables that could grow beyond it are refused if the module has a table.grow, unless Clamp is set.
	TableEntries int
	// Pages bounds the size that the memory starts with, in units of 64 KiB. Default 65,536, which is all. Its maximum is
	// free: the engine clamps it.
	Pages int
	// Clamp says that the caller gives tables a maximum, see Module.Tables.
	Clamp bool

	Params   int // of one type, and as many results; 1,000, at most 65,535; 12
	Values   int // parameters and results of all types; 200,000; 175
	Name     int // bytes of one name; 100,000
	Names    int // entries of the name section; 1,000,000; 5,898
	Locals   int // of one function, without parameters; 50,000; 811
	Declared int // locals of all functions; 1,000,000, or one for each byte of the file if that is more
	Body     int // bytes of one body; 1 MiB, at most 16 MiB; 50,639
	Nesting  int // blocks in blocks; 4,096; 549
	Branches int // labels of one br_table; 8,192; 1,144

	// Work bounds the time that compiling takes by our estimate, in microseconds on a small machine, beside 1.5 for each
	// byte of code, and Memory what the engine needs for it, in KiB. Defaults 2 s and 256 MiB; see work.go. The server of
	// 10 MB is estimated at 6.9 s and 113 MiB, with 11.6 s allowed; it takes 2.6 s and 112 MiB.
	Work   int
	Memory int

	// Positions asks for what a rewriter needs: see Module.
	Positions bool
}

func (c *Caps) fill() {
	for _, f := range []struct {
		value     *int
		otherwise int
	}{
		{&c.Bytes, 32 << 20},
		{&c.Types, 10_000},
		{&c.Imports, 1_000},
		{&c.Functions, 100_000},
		{&c.Tables, 4},
		{&c.Globals, 10_000},
		{&c.Exports, 10_000},
		{&c.Elements, 10_000},
		{&c.Data, 100_000},
		{&c.Customs, 1_000},
		{&c.TableEntries, 200_000},
		{&c.Inits, 25_000},
		{&c.Pages, 65_536},
		{&c.Params, 1_000},
		{&c.Values, 200_000},
		{&c.Name, 100_000},
		{&c.Names, 1_000_000},
		{&c.Locals, 50_000},
		{&c.Declared, 1_000_000},
		{&c.Body, 1 << 20},
		{&c.Nesting, 4_096},
		{&c.Branches, 8_192},
		{&c.Work, defaultWork},
		{&c.Memory, defaultMemory},
	} {
		if *f.value <= 0 {
			*f.value = f.otherwise
		}
	}
	c.Body = min(c.Body, 16<<20)
	c.Bytes = min(c.Bytes, 1<<30) // offsets are 32 bits wide
}
