//go:build wasip1

package vanth

// Option says something about a plugin to Serve. In a WebAssembly module it says nothing: there the
// manifest does.
type Option struct{}

// Serve does nothing here: the host calls the module's exports, and main is never run.
func Serve(...Option) {}

// Name is the plugin's name, that of its manifest.
func Name(string) Option { return Option{} }

// Aggregate names functions whose arguments are the lists of a group's values.
func Aggregate(...string) Option { return Option{} }

// live is the host on a portable plugin's wire, which a module has not.
func live() *wired { return nil }

type wired struct{}

func (*wired) get(string) (any, bool, error) { return nil, false, nil }
func (*wired) put(string, any) error         { return nil }
func (*wired) remove(string) error           { return nil }
func (*wired) add(string, int64) int64       { return 0 }
func (*wired) count(string) int64            { return 0 }
