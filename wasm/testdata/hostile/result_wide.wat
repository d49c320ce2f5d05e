;; end: bad result
;; A list of eight million small numbers.
;; callMs: 50
(module (memory (export "memory") 256)
  (data (i32.const 0) "\dd\00\7f\ff\fb")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 0xfff000))
  (func (export "fx_f") (param i32 i32) (result i64) (i64.const 0x0000000000800000)))
