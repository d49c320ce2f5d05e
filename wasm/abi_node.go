package wasm

import (
	"context"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
)

// The guest contract's exports of sources and sinks; sdk/abi explains them.
const (
	exportNode   = "vanth_node"
	exportPoll   = "vanth_poll"
	exportNodes  = "vanth_nodes"
	prefixSource = "so_"
	prefixSink   = "si_"
)

// op is what the host does with a source or a sink. The numbers are those of
// vanth_node; poll has an export of its own.
type op uint8

const (
	opOpen op = iota
	opClose
	opRewind
	opCollect
	opList
	opBytes
	opFlush
	opPoll
	opCount
)

// String returns the end of the export's name.
func (o op) String() string {
	return [...]string{"open", "close", "rewind", "collect", "list", "bytes", "flush", "poll"}[o]
}

// typ is the type of an export of its own.
func (o op) typ() funcType {
	switch o {
	case opClose:
		return funcType{params: []api.ValueType{i32}}
	case opFlush:
		return funcType{[]api.ValueType{i32}, []api.ValueType{i64}}
	case opPoll:
		return funcType{[]api.ValueType{i32, i64}, []api.ValueType{i64}}
	}
	return funcType{[]api.ValueType{i32, i32, i32}, []api.ValueType{i64}}
}

// nodeSymbol is an exported source or sink of a module.
type nodeSymbol struct {
	exports  [opCount]string // "" for what it does not do
	dispatch bool            // through vanth_node
	number   uint32          // there
}

func (k *nodeSymbol) has(o op) bool { return k.exports[o] != "" }

// opsOf are the operations of a kind; the first are those of which it must
// have one.
func opsOf(k host.Kind) (ops []op, must int) {
	if k == host.KindSource {
		return []op{opPoll, opOpen, opClose, opRewind}, 1
	}
	return []op{opCollect, opList, opBytes, opOpen, opClose, opFlush}, 3
}

// checkNodes finds the exports of the manifest's sources and sinks.
func (m *module) checkNodes(bad *problems, marked bool, expect func(string, funcType) bool) {
	m.symbols = map[host.Symbol]*nodeSymbol{}
	list := slices.DeleteFunc(m.bundle.Plugin.Manifest.List(), func(s host.Symbol) bool { return s.Kind == host.KindFunction })
	if len(list) == 0 {
		return
	}
	if !marked {
		bad.add("%s of the manifest: sources and sinks need an export %s", list[0], exportMarker)
		return
	}
	i32s := func(n int) []api.ValueType { return slices.Repeat([]api.ValueType{i32}, n) }
	dispatch := expect(exportNode, funcType{i32s(5), []api.ValueType{i64}}) && expect(exportNodes, typeSymbols) &&
		expect(exportPoll, funcType{[]api.ValueType{i32, i32, i64}, []api.ValueType{i64}})
	for _, s := range list {
		prefix := prefixSource
		if s.Kind == host.KindSink {
			prefix = prefixSink
		}
		k := &nodeSymbol{}
		ops, must := opsOf(s.Kind)
		served := false
		for i, o := range ops {
			name := prefix + s.Name + "_" + o.String()
			if expect(name, o.typ()) {
				k.exports[o] = name
				served = served || i < must
				m.packed = m.packed || o < opFlush && o != opClose
			}
		}
		switch {
		case served:
		case dispatch:
			*k = nodeSymbol{dispatch: true}
			m.packed = true
		case s.Kind == host.KindSource:
			bad.add("%s of the manifest: no export %s%s_poll or %s, %s and %s", s, prefix, s.Name, exportNode, exportNodes, exportPoll)
		default:
			bad.add("%s of the manifest: none of the exports %s%s_collect, _list and _bytes, nor %s, %s and %s", s, prefix, s.Name, exportNode, exportNodes, exportPoll)
		}
		m.symbols[s] = k
	}
}

// bindNodes asks a running instance which sources and sinks its dispatcher
// knows by which number, and what they do.
func (m *module) bindNodes(in *instance) error {
	wanted := false
	for _, k := range m.symbols {
		wanted = wanted || k.dispatch
	}
	if !wanted {
		return nil
	}
	stack := in.stack[:1]
	if err := in.run(context.Background(), in.mod.ExportedFunction(exportNodes), stack); err != nil {
		return m.fault(exportNodes, in, err)
	}
	v, fault, err := in.result(stack[0])
	if err != nil {
		return m.badResult(exportNodes, in, fault, err)
	}
	list, _ := v.([]any)
	for i, item := range list {
		words, ok := stringsOf(item)
		if !ok || len(words) < 2 {
			return m.badResult(exportNodes, in, host.FaultResult, fmt.Errorf("item %d is %.200s, expected a list of kind, name and operations", i, fmt.Sprint(item)))
		}
		for s, k := range m.symbols {
			if k.dispatch && s.Kind.String() == words[0] && s.Name == words[1] {
				k.bind(s.Kind, uint32(i), words[2:])
			}
		}
	}
	var bad problems
	for _, s := range m.Symbols() {
		if k := m.symbols[s]; k != nil && k.dispatch && !k.has(opClose) {
			bad.add("%s of the manifest is not registered by the code, which registers %.500s", s, fmt.Sprint(v))
		}
	}
	return bad.err(m.bundle.Plugin.ID.Name + ".wasm")
}

// bind notes what a source or a sink behind the dispatcher does.
func (k *nodeSymbol) bind(kind host.Kind, number uint32, words []string) {
	k.number = number
	k.exports[opOpen], k.exports[opClose] = exportNode, exportNode
	if kind == host.KindSource {
		k.exports[opPoll] = exportPoll
	}
	ops, _ := opsOf(kind)
	for _, o := range ops {
		if o != opPoll && slices.Contains(words, o.String()) {
			k.exports[o] = exportNode
		}
	}
}

func stringsOf(v any) (list []string, ok bool) {
	items, ok := v.([]any)
	for _, item := range items {
		s, isString := item.(string)
		list, ok = append(list, s), ok && isString
	}
	return list, ok
}
