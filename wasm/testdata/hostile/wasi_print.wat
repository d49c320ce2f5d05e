;; end: bad result
;; callMs: 1000
(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32))) (memory 256)
  (data (i32.const 0) "\00\00\01\00\00\00\01\00")
  (func (export "f") (loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))) (br $l))))
