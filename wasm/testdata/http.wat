;; Makes the request that its one argument is, and answers what comes back.
(module
  (import "vanth" "http" (func $http (param i32 i32) (result i32)))
  (import "vanth" "http_answer" (func $answer (param i32 i32) (result i32)))
  (memory (export "memory") 48)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 65536))
  (func (export "fx_http") (param $ptr i32) (param $len i32) (result i64)
    (local $n i32)
    (local.set $n (call $http (i32.add (local.get $ptr) (i32.const 1)) (i32.sub (local.get $len) (i32.const 1))))
    (if (i32.lt_s (local.get $n) (i32.const 0)) (then unreachable))
    ;; Too little room: nothing is written, and it can be asked for again.
    (if (i32.ne (call $answer (i32.const 1500000) (i32.const 1)) (local.get $n)) (then unreachable))
    (if (i32.ne (call $answer (i32.const 1500000) (i32.const 1600000)) (local.get $n)) (then unreachable))
    (if (i32.ne (call $answer (i32.const 1500000) (i32.const 1600000)) (i32.const -1)) (then unreachable))
    (i64.or (i64.shl (i64.const 1500000) (i64.const 32)) (i64.extend_i32_u (local.get $n))))
  ;; What is no request is answered by a code.
  (func (export "fn_codes") (result i32 i32 i32)
    (call $answer (i32.const 0) (i32.const 16))
    (call $http (i32.const -1) (i32.const 16))
    (call $http (i32.const 0) (i32.const 3000000))))
