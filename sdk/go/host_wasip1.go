//go:build wasip1

package vanth

import "unsafe"

// The imports, as in sdk/abi. The linker leaves out those that nothing calls, so a module asks the
// host only for what its author uses. Pointers are into this memory and are not kept by the host.

//go:wasmimport vanth log
func importLog(level int32, p unsafe.Pointer, n uint32)

//go:wasmimport vanth log_on
func importLogOn(level int32) int32

//go:wasmimport vanth ctx_str
func importCtxStr(which int32, out unsafe.Pointer, capacity uint32) int32

//go:wasmimport vanth ctx_i64
func importCtxI64(which int32) int64

//go:wasmimport vanth state_get
func importStateGet(key unsafe.Pointer, keyLen uint32, out unsafe.Pointer, capacity uint32) int32

//go:wasmimport vanth state_put
func importStatePut(key unsafe.Pointer, keyLen uint32, value unsafe.Pointer, valueLen uint32) int32

//go:wasmimport vanth state_del
func importStateDel(key unsafe.Pointer, keyLen uint32) int32

//go:wasmimport vanth counter_incr
func importCounterIncr(key unsafe.Pointer, keyLen uint32, by int64) int64

//go:wasmimport vanth counter_get
func importCounterGet(key unsafe.Pointer, keyLen uint32) int64

//go:wasmimport vanth now_ms
func importNowMs() int64

func hostLog(level Level, msg string) {
	importLog(int32(level), textAt(msg), uint32(len(msg)))
}

func hostLogOn(level Level) bool { return importLogOn(int32(level)) != 0 }

func hostContextString(which int32, out []byte) int32 {
	return importCtxStr(which, bytesAt(out), uint32(len(out)))
}

func hostContextInt(which int32) int64 { return importCtxI64(which) }

func hostStateGet(key string, out []byte) int32 {
	return importStateGet(textAt(key), uint32(len(key)), bytesAt(out), uint32(len(out)))
}

func hostStatePut(key string, frame []byte) int32 {
	return importStatePut(textAt(key), uint32(len(key)), bytesAt(frame), uint32(len(frame)))
}

func hostStateDelete(key string) int32 {
	return importStateDel(textAt(key), uint32(len(key)))
}

func hostCount(key string, by int64) int64 {
	return importCounterIncr(textAt(key), uint32(len(key)), by)
}

func hostCounter(key string) int64 {
	return importCounterGet(textAt(key), uint32(len(key)))
}

func hostNow() int64 { return importNowMs() }

func textAt(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

func bytesAt(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
