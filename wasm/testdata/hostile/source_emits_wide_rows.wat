;; end: deadline|bad result
;; symbol: source
;; Four megabytes of rows that are empty, each time.
(module (import "vanth" "emit" (func $emit (param i32 i32 i32 i32 i32 i64) (result i32)))
  (memory (export "memory") 256)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 0x800000))
  (func (export "so_f_poll") (param $h i32) (param i64) (result i64)
    (memory.fill (i32.const 0) (i32.const 0x80) (i32.const 0x400000))
    (i32.store8 (i32.const 0) (i32.const 0xdd))
    (i32.store (i32.const 1) (i32.const 0x40420f00)) ;; a million
    (loop $l (drop (call $emit (local.get $h) (i32.const 0) (i32.const 1000005) (i32.const 0) (i32.const 0) (i64.const 0))) (br $l)) (i64.const 0)))
