;; fault: error
;; text: f: no
(module
  (memory (export "memory") 1)
  ;; ext 1 of 15 bytes: {"msg": "no", "class": "io"}
  (data (i32.const 16) "\c7\11\01\82\a3msg\a2no\a5class\a2io")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "fx_f") (param i32 i32) (result i64) (i64.const 0x0000001080000014)))
