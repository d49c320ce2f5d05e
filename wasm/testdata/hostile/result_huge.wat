;; end: returns|bad result|deadline
;; Its frame is a list of all the memory, of empty lists.
(module (memory (export "memory") 256)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 0xfff000))
  (func (export "fx_f") (param i32 i32) (result i64)
    (memory.fill (i32.const 0) (i32.const 0x90) (i32.const 0xfff000))
    (i32.store8 (i32.const 0) (i32.const 0xdd))
    (i32.store (i32.const 1) (i32.const 0xfbefff00))
    (i64.const 0x0000000000fff000)))
