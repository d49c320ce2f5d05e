;; fault: bad memory reference
;; text: outside the guest's memory
;; requires: state
(module
  (import "vanth" "counter_incr" (func $incr (param i32 i32 i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "fx_f") (param i32 i32) (result i64)
    (call $incr (i32.const -1) (i32.const 9) (i64.const 1))))
