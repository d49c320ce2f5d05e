;; end: stack
;; symbol: sink
(module (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func $c (export "si_f_collect") (param i32 i32 i32) (result i64) (i64.add (i64.const 1) (call $c (local.get 0) (local.get 1) (local.get 2)))))
