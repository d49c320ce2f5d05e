;; end: deadline|bad result
;; symbol: source
(module (import "vanth" "emit_bytes" (func $emit (param i32 i32 i32 i32 i32 i64) (result i32)))
  (memory (export "memory") 256)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "so_f_poll") (param $h i32) (param i64) (result i64)
    (loop $l (drop (call $emit (local.get $h) (i32.const 0) (i32.const 0x400000) (i32.const 0) (i32.const 0) (i64.const 0))) (br $l)) (i64.const 0)))
