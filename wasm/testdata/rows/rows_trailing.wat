;; fault: bad result
;; text: trailing
(module
  (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "fx_f") (param i32 i32) (result i64) (i64.const 0))
  (data (i32.const 16) "\93\c0\c0\c0\c0")
  (func (export "fb_f") (param i32 i32) (result i64) (i64.const 0x0000001000000005)))
