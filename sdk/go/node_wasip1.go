//go:build wasip1

package vanth

import (
	"unsafe"
)

//go:wasmexport vanth_nodes
func exportNodes() int64 { return packed(this.nodeList(), false) }

//go:wasmexport vanth_node
func exportNode(node, op, h, ptr, n int32) int64 {
	p := uintptr(uint32(ptr))
	var frame []byte
	if n > 0 && this.holds(p, int(n)) {
		frame = this.scratch[p-uintptr(unsafe.Pointer(&this.scratch[0])):][:n]
	}
	return packed(this.operate(node, op, h, frame))
}

//go:wasmexport vanth_poll
func exportPoll(node, h int32, now int64) int64 { return pollNode(node, h, now) }

//go:wasmimport vanth emit
func importEmit(h int32, rows unsafe.Pointer, rowsLen uint32, meta unsafe.Pointer, metaLen uint32, at int64) int32

//go:wasmimport vanth emit_bytes
func importEmitBytes(h int32, payload unsafe.Pointer, payloadLen uint32, meta unsafe.Pointer, metaLen uint32, at int64) int32

//go:wasmimport vanth mark
func importMark(h int32, offset unsafe.Pointer, offsetLen uint32) int32

//go:wasmimport vanth fail
func importFail(h int32, err unsafe.Pointer, errLen uint32) int32

//go:wasmimport vanth http
func importHTTP(request unsafe.Pointer, requestLen uint32) int32

//go:wasmimport vanth http_answer
func importHTTPAnswer(out unsafe.Pointer, capacity uint32) int32

func hostEmit(h int32, rows, meta []byte, at int64) int32 {
	return importEmit(h, bytesAt(rows), uint32(len(rows)), bytesAt(meta), uint32(len(meta)), at)
}

func hostEmitBytes(h int32, payload, meta []byte, at int64) int32 {
	return importEmitBytes(h, bytesAt(payload), uint32(len(payload)), bytesAt(meta), uint32(len(meta)), at)
}

func hostMark(h int32, offset []byte) int32 {
	return importMark(h, bytesAt(offset), uint32(len(offset)))
}

func hostFail(h int32, frame []byte) int32 { return importFail(h, bytesAt(frame), uint32(len(frame))) }

// hostHTTP makes a request and returns the frame of the answer, or a code below 0.
func hostHTTP(request []byte) ([]byte, int32) {
	n := importHTTP(bytesAt(request), uint32(len(request)))
	if n < 0 {
		return nil, n
	}
	out := make([]byte, n)
	if n = importHTTPAnswer(bytesAt(out), uint32(len(out))); n < 0 {
		return nil, n
	}
	return out, 0
}
