;; The guest of waPC. Numbers travel as 8 bytes each, little-endian. The first letter
;; of an operation tells it from the others.
(module
  (import "wapc" "__guest_request" (func $request (param $operation i32) (param $payload i32)))
  (import "wapc" "__guest_response" (func $response (param $ptr i32) (param $len i32)))
  (memory (export "memory") 6)

  ;; The operation at 0, the payload at 64 KiB, results at 192 KiB.
  (func (export "__guest_call") (param $operation i32) (param $len i32) (result i32)
    (local $op i32)
    (call $request (i32.const 0) (i32.const 65536))
    (local.set $op (i32.load8_u (i32.const 0)))
    (if (i32.eq (local.get $op) (i32.const 0x61)) ;; add
      (then
        (i64.store (i32.const 196608) (i64.add (i64.load (i32.const 65536)) (i64.load (i32.const 65544))))
        (call $response (i32.const 196608) (i32.const 8))
        (return (i32.const 1))))
    (if (i32.eq (local.get $op) (i32.const 0x65)) ;; echo
      (then
        (memory.copy (i32.const 196608) (i32.const 65536) (local.get $len))
        (call $response (i32.const 196608) (local.get $len))
        (return (i32.const 1))))
    (if (i32.eq (local.get $op) (i32.const 0x66)) ;; fib
      (then
        (i64.store (i32.const 196608) (call $fib (i64.load (i32.const 65536))))
        (call $response (i32.const 196608) (i32.const 8))
        (return (i32.const 1))))
    (i32.const 0))

  (func $fib (param $n i64) (result i64)
    (if (i64.lt_s (local.get $n) (i64.const 2)) (then (return (local.get $n))))
    (i64.add
      (call $fib (i64.sub (local.get $n) (i64.const 1)))
      (call $fib (i64.sub (local.get $n) (i64.const 2))))))
