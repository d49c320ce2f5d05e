;; fault: trap
;; text: indirect call type mismatch
(module
  (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (table 2 2 funcref)
  (elem (i32.const 0) $g)
  (func $g (param i32))
  (type $t (func (result i64)))
  (func (export "fx_f") (param i32 i32) (result i64) (call_indirect (type $t) (i32.const 0))))
