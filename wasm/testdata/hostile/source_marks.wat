;; end: deadline|bad result
;; symbol: source
(module (import "vanth" "mark" (func $mark (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 0x10000))
  (func (export "so_f_open") (param i32 i32 i32) (result i64) (i64.const 0))
  (func (export "so_f_rewind") (param i32 i32 i32) (result i64) (i64.const 0))
  (func (export "so_f_poll") (param $h i32) (param i64) (result i64)
    (memory.fill (i32.const 0) (i32.const 0x90) (i32.const 0x4000))
    (i32.store8 (i32.const 0) (i32.const 0xdd))
    (i32.store (i32.const 1) (i32.const 0xfb3f0000)) ;; 16,379 empty lists
    (loop $l (drop (call $mark (local.get $h) (i32.const 0) (i32.const 0x4000))) (br $l)) (i64.const 0)))
