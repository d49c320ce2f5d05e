package wasm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
)

// The guest contract's exports; sdk/abi explains them.
const (
	abiMajor       = 1
	exportMarker   = "vanth_abi_1"
	exportBuffer   = "vanth_buf"
	exportDispatch = "vanth_call"
	exportSymbols  = "vanth_symbols"
	prefixDirect   = "fn_"
	prefixPacked   = "fx_"
)

var (
	i32, i64       = api.ValueTypeI32, api.ValueTypeI64
	typeMarker     = funcType{nil, []api.ValueType{i32}}
	typeBuffer     = funcType{[]api.ValueType{i32}, []api.ValueType{i32}}
	typePacked     = funcType{[]api.ValueType{i32, i32}, []api.ValueType{i64}}
	typeDispatch   = funcType{[]api.ValueType{i32, i32, i32}, []api.ValueType{i64}}
	typeSymbols    = funcType{nil, []api.ValueType{i64}}
	typeInitialize = funcType{}
)

// funcType is the WebAssembly type of a function.
type funcType struct{ params, results []api.ValueType }

func typeOf(d api.FunctionDefinition) funcType { return funcType{d.ParamTypes(), d.ResultTypes()} }

func (t funcType) equal(u funcType) bool {
	return slices.Equal(t.params, u.params) && slices.Equal(t.results, u.results)
}

func (t funcType) String() string {
	names := func(list []api.ValueType) string {
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = api.ValueTypeName(v)
		}
		return "(" + strings.Join(words, " ") + ")"
	}
	return names(t.params) + " -> " + names(t.results)
}

// kind is how a function's arguments and result travel.
type kind uint8

const (
	kindDirect   kind = iota // as WebAssembly numbers
	kindPacked               // as frames, an export of its own
	kindDispatch             // as frames, through vanth_call
)

// function is an exported function of a module.
type function struct {
	module    *module
	name      string
	export    string
	kind      kind
	index     int       // in instance.entries
	rows      *function // its export that takes batches, nil for none
	columns   *function // its export that takes columns, nil for none
	dispatch  uint32    // number in vanth_call, for kindDispatch
	signature host.Signature
	results   []host.Type // of a direct function
}

// problems collects everything that is wrong with a module, so that its author
// hears of all of it at once.
type problems []string

// maxProblems is how many of them an error tells.
const maxProblems = 10

func (p *problems) add(format string, a ...any) { *p = append(*p, fmt.Sprintf(format, a...)) }

func (p problems) err(file string) error {
	if len(p) == 0 {
		return nil
	}
	more := ""
	if len(p) > maxProblems {
		more = fmt.Sprintf("; and %d more", len(p)-maxProblems)
	}
	return host.Errorf(host.ErrInvalid, "%s: %d problems: %s%s", file, len(p), strings.Join(p[:min(maxProblems, len(p))], "; "), more)
}

// checkABI compares the module's exports with the manifest and the guest
// contract, and finds the kind of each function. Nothing of the module has run.
func (m *module) checkABI() error {
	exports := m.engine.code.ExportedFunctions()
	manifest := &m.bundle.Plugin.Manifest
	m.named, m.entries = map[string]*function{}, len(manifest.Functions)
	var bad problems
	expect := func(name string, want funcType) bool {
		d, ok := exports[name]
		if ok && !typeOf(d).equal(want) {
			bad.add("export %s has type %s, expected %s", name, typeOf(d), want)
		}
		return ok
	}
	marked := expect(exportMarker, typeMarker)
	if !marked && manifest.ABI > 0 {
		bad.add("the manifest says abi %d, but there is no export %s", manifest.ABI, exportMarker)
	}
	expect("_initialize", typeInitialize)
	dispatch := marked && expect(exportDispatch, typeDispatch)
	if marked {
		expect(exportSymbols, typeSymbols)
	}
	dispatcher := -1
	for i, name := range manifest.Functions {
		f := &function{module: m, name: name, index: i, dispatch: uint32(i), signature: host.Signature{Variadic: true}}
		if s, ok := manifest.Symbols[name]; ok {
			f.signature = s
		}
		switch {
		case !marked:
			f.bindDirect(&bad, exports, name)
		case exports[prefixDirect+name] != nil && !f.signature.NullCall:
			f.bindDirect(&bad, exports, prefixDirect+name)
		case exports[prefixPacked+name] != nil:
			expect(prefixPacked+name, typePacked)
			f.kind, f.export = kindPacked, prefixPacked+name
		case dispatch:
			f.kind, f.export = kindDispatch, exportDispatch
			if dispatcher < 0 {
				dispatcher = i
			}
			f.index = dispatcher // they share an entry
		case exports[prefixDirect+name] != nil:
			bad.add(`function %s asks for "null": "call", which needs an export %s%s`, name, prefixPacked, name)
		default:
			bad.add("function %s of the manifest: no export %s%s, %s%s or %s", name, prefixDirect, name, prefixPacked, name, exportDispatch)
		}
		m.packed = m.packed || f.kind != kindDirect
		if marked {
			m.bindMany(&bad, f, expect)
		}
		m.functions = append(m.functions, f)
		m.named[name] = f
	}
	m.checkNodes(&bad, marked, expect)
	if m.packed {
		if !expect(exportBuffer, typeBuffer) {
			bad.add("no export %s, which symbols that take frames need", exportBuffer)
		}
		if len(m.engine.code.ExportedMemories()) == 0 {
			bad.add("no memory is exported, which symbols that take frames need")
		}
	}
	return bad.err(m.bundle.Plugin.ID.Name + ".wasm")
}

// bindDirect compares a numeric export with the function's signature, and
// takes what the manifest leaves open from the export.
func (f *function) bindDirect(bad *problems, exports map[string]api.FunctionDefinition, export string) {
	d, ok := exports[export]
	if !ok {
		bad.add("function %s of the manifest: no export %s%s", f.name, export, nearestExport(exports, len(*bad)))
		return
	}
	f.kind, f.export = kindDirect, export
	t, s := typeOf(d), &f.signature
	if len(t.params) > maxWords || len(t.results) > maxWords {
		bad.add("export %s has %d parameters and %d results, at most %d are allowed", export, len(t.params), len(t.results), maxWords)
		return
	}
	if s.NullCall || s.Aggregate {
		bad.add("function %s takes numbers only: nulls and aggregates need an export %s%s", f.name, prefixPacked, f.name)
	}
	args, ok := numericTypes(t.params)
	results, ok2 := numericTypes(t.results)
	if !ok || !ok2 {
		bad.add("export %s has type %s: only i32, i64, f32 and f64 can be passed", export, t)
		return
	}
	switch {
	case s.Variadic:
		s.Variadic, s.Args = false, args
	case len(s.Args) != len(args):
		bad.add("function %s: the manifest gives it %d arguments, its export %s has %s", f.name, len(s.Args), export, t)
		return
	}
	for i, declared := range s.Args {
		if declared == host.TypeAny {
			s.Args[i] = args[i]
		} else if !travels(declared, t.params[i]) {
			bad.add("function %s: argument %d is %s in the manifest and %s in its export", f.name, i+1, declared, args[i])
		}
	}
	f.results = results
	switch {
	case len(results) == 1 && s.Returns == host.TypeAny:
		s.Returns = results[0]
	case len(results) == 1 && travels(s.Returns, t.results[0]):
		f.results[0] = s.Returns
	case len(results) > 1 && (s.Returns == host.TypeAny || s.Returns == host.TypeList):
		s.Returns = host.TypeList
	case len(results) == 0 && s.Returns == host.TypeAny:
	default:
		bad.add("function %s: the result is %s in the manifest, its export has %s", f.name, s.Returns, t)
	}
}

// numericTypes are the types that WebAssembly's types are taken for when the
// manifest does not say.
func numericTypes(list []api.ValueType) ([]host.Type, bool) {
	types := make([]host.Type, len(list))
	for i, v := range list {
		switch v {
		case api.ValueTypeI32:
			types[i] = host.TypeI32
		case api.ValueTypeI64:
			types[i] = host.TypeI64
		case api.ValueTypeF32:
			types[i] = host.TypeF32
		case api.ValueTypeF64:
			types[i] = host.TypeF64
		default:
			return nil, false
		}
	}
	return types, true
}

// travels reports whether values of t are passed as v.
func travels(t host.Type, v api.ValueType) bool {
	switch t {
	case host.TypeI32, host.TypeU32, host.TypeBool:
		return v == api.ValueTypeI32
	case host.TypeI64:
		return v == api.ValueTypeI64
	case host.TypeF32:
		return v == api.ValueTypeF32
	case host.TypeF64:
		return v == api.ValueTypeF64
	}
	return false
}

// nearestExport lists what a module exports, for the first of its problems.
func nearestExport(exports map[string]api.FunctionDefinition, told int) string {
	if told > 0 { // once is enough
		return ""
	}
	var names []string
	for n := range exports {
		names = append(names, n)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "; the module exports no function"
	}
	more := ""
	if len(names) > 8 {
		names, more = names[:8], ", ..."
	}
	return "; the module exports " + strings.Join(names, ", ") + more
}

// bindDispatch asks a running instance which functions its dispatcher knows by
// which number. A module without vanth_symbols numbers them as its manifest
// lists them.
func (m *module) bindDispatch(in *instance) error {
	if !slices.ContainsFunc(m.functions, func(f *function) bool { return f.kind == kindDispatch }) {
		return nil
	}
	fn := in.mod.ExportedFunction(exportSymbols)
	if fn == nil {
		return nil
	}
	stack := in.stack[:1]
	if err := in.run(context.Background(), fn, stack); err != nil {
		return m.fault(exportSymbols, in, err)
	}
	v, fault, err := in.result(stack[0])
	if err != nil {
		return m.badResult(exportSymbols, in, fault, err)
	}
	list, ok := v.([]any)
	if !ok {
		return m.badResult(exportSymbols, in, host.FaultResult, fmt.Errorf("found %s, expected a list of names", host.Describe(v)))
	}
	number := make(map[string]uint32, len(list))
	for i, name := range list {
		if name, ok := name.(string); ok {
			number[name] = uint32(i)
		}
	}
	var bad problems
	for _, f := range m.functions {
		if f.kind != kindDispatch {
			continue
		}
		var ok bool
		if f.dispatch, ok = number[f.name]; !ok {
			bad.add("function %s of the manifest is not registered by the code, which registers %.500s", f.name, fmt.Sprint(list))
		}
	}
	return bad.err(m.bundle.Plugin.ID.Name + ".wasm")
}
