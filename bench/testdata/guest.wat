;; The work that every subject does: add two floats, echo a frame.
(module
  (memory (export "memory") 2)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 65536))
  (func (export "fn_add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1)))
  ;; [x] -> x: the frame of x begins one byte into that of [x]. It is copied, as
  ;; a guest that works on its argument would.
  (func (export "fx_echo") (param $ptr i32) (param $len i32) (result i64)
    (memory.copy (i32.const 1024) (i32.add (local.get $ptr) (i32.const 1)) (i32.sub (local.get $len) (i32.const 1)))
    (i64.or (i64.const 0x0000040000000000) (i64.extend_i32_u (i32.sub (local.get $len) (i32.const 1))))))
