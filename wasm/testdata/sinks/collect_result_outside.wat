;; write: bad memory reference outside; bad memory reference outside
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "\81\a1n\00")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "si_s_collect") (param i32 i32 i32) (result i64) (i64.const 0x7fffffff00000004)))
