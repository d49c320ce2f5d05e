;; The guest of raw wazero and of Vanth. The bodies of add, echo and fib are those of
;; wapc.wat and extism.wat; only the way in and out differs.
(module
  (memory (export "memory") 6)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  ;; Arguments at 64 KiB, results at 192 KiB.
  (func (export "vanth_buf") (param $min i32) (result i32)
    (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get $min) (i32.const 131072))))

  (func (export "fn_add") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))

  ;; [x] -> x: the frame of x begins one byte into that of [x]. It is copied, as a
  ;; guest that works on its argument would.
  (func (export "fx_echo") (param $ptr i32) (param $len i32) (result i64)
    (memory.copy (i32.const 196608) (i32.add (local.get $ptr) (i32.const 1)) (i32.sub (local.get $len) (i32.const 1)))
    (i64.or (i64.const 0x0003000000000000) (i64.extend_i32_u (i32.sub (local.get $len) (i32.const 1)))))

  (func $fib (export "fn_fib") (param $n i64) (result i64)
    (if (i64.lt_s (local.get $n) (i64.const 2)) (then (return (local.get $n))))
    (i64.add
      (call $fib (i64.sub (local.get $n) (i64.const 1)))
      (call $fib (i64.sub (local.get $n) (i64.const 2))))))
