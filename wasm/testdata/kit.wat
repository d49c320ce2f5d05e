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
  (func (export "fx_spin") (param i32 i32) (result i64) (loop $again (br $again)) (i64.const 0))

  ;; The same for batches. echo takes rows of one scalar or short string each, and
  ;; writes the results over the rows, which are never shorter.
  (func (export "fb_echo") (param $ptr i32) (param $len i32) (result i64)
    (local $from i32) (local $to i32) (local $end i32) (local $n i32)
    (local.set $end (i32.add (local.get $ptr) (local.get $len)))
    (local.set $to (i32.add (local.get $ptr)
      (select (i32.const 3) (i32.const 1) (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 0xdc)))))
    (local.set $from (local.get $to))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $n (call $length (local.get $from)))
        (memory.copy (local.get $to) (local.get $from) (local.get $n))
        (local.set $from (i32.add (local.get $from) (local.get $n)))
        (local.set $to (i32.add (local.get $to) (local.get $n)))
        (br $next)))
    (i64.or (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (i32.sub (local.get $to) (local.get $ptr)))))
  (func $length (param $at i32) (result i32)
    (local $head i32)
    (local.set $head (i32.load8_u (local.get $at)))
    (if (i32.lt_u (local.get $head) (i32.const 0x80)) (then (return (i32.const 1))))
    (if (i32.eq (i32.and (local.get $head) (i32.const 0xe0)) (i32.const 0xa0))
      (then (return (i32.add (i32.const 1) (i32.and (local.get $head) (i32.const 31))))))
    (if (i32.le_u (local.get $head) (i32.const 0xc3)) (then (return (i32.const 1))))
    (if (i32.eq (local.get $head) (i32.const 0xcb)) (then (return (i32.const 9))))
    (if (i32.eq (local.get $head) (i32.const 0xd2)) (then (return (i32.const 5))))
    unreachable)
  (func (export "fb_fail") (param i32 i32) (result i64) unreachable)
  (func (export "fb_spin") (param i32 i32) (result i64) (loop $again (br $again)) (i64.const 0))

  ;; Sums of two floats: add one by one, sum as columns too.
  (func (export "fn_add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1)))
  (func (export "fn_sum") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1)))
  (func (export "fc_sum") (param $rows i32) (param $in i32) (param $out i32) (result i32)
    (local $end i32) (local $wide i32)
    (local.set $wide (i32.shl (local.get $rows) (i32.const 3)))
    (local.set $end (i32.add (local.get $in) (local.get $wide)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $end)))
        (f64.store (local.get $out)
          (f64.add (f64.load (local.get $in)) (f64.load (i32.add (local.get $in) (local.get $wide)))))
        (local.set $in (i32.add (local.get $in) (i32.const 8)))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (br $next)))
    (i32.const 0)))
