;; end: stack
(module (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func $buf (export "vanth_buf") (param i32) (result i32) (i32.add (i32.const 1) (call $buf (local.get 0))))
  (func (export "fx_f") (param i32 i32) (result i64) (i64.const 0)))
