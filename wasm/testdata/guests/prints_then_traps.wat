;; fault: trap
;; text: (printed: "last words")
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\0b\00\00\00last words\0a")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "fx_f") (param i32 i32) (result i64)
    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 64)))
    unreachable))
