;; fault: stack
;; text: stack overflow
;; slow: yes
(module
  (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func $f (export "fx_f") (param i32 i32) (result i64) (i64.add (i64.const 1) (call $f (local.get 0) (local.get 1)))))
