;; write: ok; trap unreachable; ok; trap unreachable; ok
;; What passes between two faults keeps the second from being waited for.
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "\81\a1n\00")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (global $n (mut i32) (i32.const 0))
  (func (export "si_s_collect") (param i32 i32 i32) (result i64) 
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (if (i32.eq (global.get $n) (i32.const 2)) (then unreachable))
    (i64.const 0)))
