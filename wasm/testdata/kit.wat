;; The guest of the conformance suite: echo gives back its one argument, fail
;; traps, spin never ends.
(module
  (memory (export "memory") 2)
  (global $at (mut i32) (i32.const 65536))
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  ;; The buffer begins at 64 KiB; memory grows until it holds min bytes.
  (func (export "vanth_buf") (param $min i32) (result i32)
    (local $need i32)
    (local.set $need (i32.shr_u (i32.add (i32.add (global.get $at) (local.get $min)) (i32.const 65535)) (i32.const 16)))
    (if (i32.gt_u (local.get $need) (memory.size))
      (then
        (if (i32.eq (memory.grow (i32.sub (local.get $need) (memory.size))) (i32.const -1))
          (then unreachable))))
    (global.get $at))
  ;; The frame of [x] is 0x91 and the frame of x: the result is a view of the
  ;; arguments.
  (func (export "fx_echo") (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (i32.add (local.get $ptr) (i32.const 1))) (i64.const 32))
      (i64.extend_i32_u (i32.sub (local.get $len) (i32.const 1)))))
  (func (export "fx_fail") (param i32 i32) (result i64) unreachable)
  (func (export "fx_spin") (param i32 i32) (result i64) (loop $again (br $again)) (i64.const 0)))
