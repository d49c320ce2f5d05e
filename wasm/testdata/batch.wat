;; The guest of the tests of batches. What each function does it does in every form
;; that it is exported in.
(module
  (memory (export "memory") 2)
  (global $at (mut i32) (i32.const 65539)) ;; not where 8 divides the address
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param $min i32) (result i32)
    (local $need i32)
    (local.set $need (i32.shr_u (i32.add (i32.add (global.get $at) (local.get $min)) (i32.const 65535)) (i32.const 16)))
    (if (i32.gt_u (local.get $need) (memory.size))
      (then
        (if (i32.eq (memory.grow (i32.sub (local.get $need) (memory.size))) (i32.const -1))
          (then unreachable))))
    (global.get $at))

  ;; add, sum: a + b. sum traps where a is 13, and so does its column.
  (func (export "fn_add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1)))
  (func $sum (export "fn_sum") (param f64 f64) (result f64)
    (if (f64.eq (local.get 0) (f64.const 13)) (then unreachable))
    (f64.add (local.get 0) (local.get 1)))
  (func (export "fc_sum") (param $rows i32) (param $in i32) (param $out i32) (result i32)
    (local $end i32) (local $b i32)
    (local.set $b (i32.add (local.get $in) (i32.shl (local.get $rows) (i32.const 3))))
    (local.set $end (local.get $b))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $end)))
        (f64.store (local.get $out) (call $sum (f64.load (local.get $in)) (f64.load (local.get $b))))
        (local.set $in (i32.add (local.get $in) (i32.const 8)))
        (local.set $b (i32.add (local.get $b) (i32.const 8)))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (br $next)))
    (i32.const 0))

  ;; mix: all widths in one row: c ? a + i : s - u.
  (func $mix (export "fn_mix") (param $i i32) (param $c i32) (param $u i32) (param $s f32) (param $a i64) (result i64)
    (if (result i64) (local.get $c)
      (then (i64.add (local.get $a) (i64.extend_i32_s (local.get $i))))
      (else (i64.sub (i64.trunc_sat_f32_s (local.get $s)) (i64.extend_i32_u (local.get $u))))))
  (func $pad (param $n i32) (result i32) (i32.and (i32.add (local.get $n) (i32.const 7)) (i32.const -8)))
  (func (export "fc_mix") (param $rows i32) (param $in i32) (param $out i32) (result i32)
    (local $i i32) (local $c i32) (local $u i32) (local $s i32) (local $a i32) (local $wide i32)
    (local.set $wide (call $pad (i32.shl (local.get $rows) (i32.const 2))))
    (local.set $c (i32.add (local.get $in) (local.get $wide)))
    (local.set $u (i32.add (local.get $c) (call $pad (local.get $rows))))
    (local.set $s (i32.add (local.get $u) (local.get $wide)))
    (local.set $a (i32.add (local.get $s) (local.get $wide)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $i) (local.get $rows)))
        (i64.store (i32.add (local.get $out) (i32.shl (local.get $i) (i32.const 3)))
          (call $mix
            (i32.load (i32.add (local.get $in) (i32.shl (local.get $i) (i32.const 2))))
            (i32.load8_u (i32.add (local.get $c) (local.get $i)))
            (i32.load (i32.add (local.get $u) (i32.shl (local.get $i) (i32.const 2))))
            (f32.load (i32.add (local.get $s) (i32.shl (local.get $i) (i32.const 2))))
            (i64.load (i32.add (local.get $a) (i32.shl (local.get $i) (i32.const 3))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; wide: the same without columns of its own.
  (func (export "fn_wide") (param i32 i32 i32 f32 i64) (result i64)
    (call $mix (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))

  ;; odd: whether n is odd, as a bool.
  (func (export "fn_odd") (param i64) (result i32) (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 1)))
  (func (export "fc_odd") (param $rows i32) (param $in i32) (param $out i32) (result i32)
    (local $i i32)
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $i) (local.get $rows)))
        (i32.store8 (i32.add (local.get $out) (local.get $i))
          (i32.and (i32.const 1) (i32.load8_u (i32.add (local.get $in) (i32.shl (local.get $i) (i32.const 3))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; half: n / 2 where that is whole, else null: there is no row form that says so,
  ;; but for a packed one of one float, whose row is 91 cb and 8 bytes.
  (func (export "fx_half") (param $ptr i32) (param $len i32) (result i64)
    (local $v f64)
    (local.set $v (f64.mul (f64.const 0.5) (f64.reinterpret_i64 (call $swap (i64.load offset=2 (local.get $ptr))))))
    (if (f64.ne (local.get $v) (f64.nearest (local.get $v))) (then (return (i64.const 0))))
    (i32.store8 (i32.const 16) (i32.const 0xcb))
    (i64.store offset=17 (i32.const 0) (call $swap (i64.reinterpret_f64 (local.get $v))))
    (i64.const 0x0000001000000009))
  (func (export "fc_half") (param $rows i32) (param $in i32) (param $out i32) (result i32)
    (local $end i32) (local $valid i32) (local $v f64)
    (local.set $end (i32.add (local.get $in) (i32.shl (local.get $rows) (i32.const 3))))
    (local.set $valid (i32.add (local.get $out) (i32.shl (local.get $rows) (i32.const 3))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $end)))
        (local.set $v (f64.mul (f64.const 0.5) (f64.load (local.get $in))))
        (f64.store (local.get $out) (local.get $v))
        (i32.store8 (local.get $valid) (f64.eq (local.get $v) (f64.nearest (local.get $v))))
        (local.set $in (i32.add (local.get $in) (i32.const 8)))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (local.set $valid (i32.add (local.get $valid) (i32.const 1)))
        (br $next)))
    (i32.const 0))
  (func $swap (param $n i64) (result i64)
    (local $i i32) (local $r i64)
    (loop $next
      (local.set $r (i64.or (i64.shl (local.get $r) (i64.const 8)) (i64.and (local.get $n) (i64.const 255))))
      (local.set $n (i64.shr_u (local.get $n) (i64.const 8)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
    (local.get $r))

  ;; same: its one float, an error for one below 0, in rows and one by one; alone:
  ;; the latter only; any: whatever its one argument is.
  (data (i32.const 32) "\c7\17\01\82\a3msg\a8negative\a5class\a2io")
  (func $same (export "fx_same") (export "fx_alone") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.ge_u (i32.load8_u offset=2 (local.get $ptr)) (i32.const 128))
      (then (return (i64.const 0x000000208000001a))))
    (i64.or (i64.shl (i64.extend_i32_u (i32.add (local.get $ptr) (i32.const 1))) (i64.const 32)) (i64.const 9)))
  (func (export "fb_same") (param $ptr i32) (param $len i32) (result i64)
    (local $end i32) (local $to i32) (local $head i32)
    ;; The results go where the next page begins behind the rows.
    (local.set $end (i32.add (local.get $ptr) (local.get $len)))
    (local.set $to (call $room (local.get $end) (i32.mul (local.get $len) (i32.const 4))))
    (local.set $head (select (i32.const 3) (i32.const 1) (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 0xdc))))
    (memory.copy (local.get $to) (local.get $ptr) (local.get $head))
    (local.set $ptr (i32.add (local.get $ptr) (local.get $head)))
    (local.set $len (i32.add (local.get $to) (local.get $head)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $ptr) (local.get $end)))
        (if (i32.ge_u (i32.load8_u offset=2 (local.get $ptr)) (i32.const 128))
          (then
            (memory.copy (local.get $len) (i32.const 32) (i32.const 26))
            (local.set $len (i32.add (local.get $len) (i32.const 26))))
          (else
            (memory.copy (local.get $len) (i32.add (local.get $ptr) (i32.const 1)) (i32.const 9))
            (local.set $len (i32.add (local.get $len) (i32.const 9)))))
        (local.set $ptr (i32.add (local.get $ptr) (i32.const 10)))
        (br $next)))
    (i64.or (i64.shl (i64.extend_i32_u (local.get $to)) (i64.const 32))
      (i64.extend_i32_u (i32.sub (local.get $len) (local.get $to)))))
  (func $room (param $from i32) (param $n i32) (result i32)
    (local $need i32)
    (local.set $from (i32.and (i32.add (local.get $from) (i32.const 65535)) (i32.const -65536)))
    (local.set $need (i32.shr_u (i32.add (i32.add (local.get $from) (local.get $n)) (i32.const 65535)) (i32.const 16)))
    (if (i32.gt_u (local.get $need) (memory.size))
      (then (if (i32.eq (memory.grow (i32.sub (local.get $need) (memory.size))) (i32.const -1)) (then unreachable))))
    (local.get $from))
  (func (export "fx_any") (param $ptr i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (i32.add (local.get $ptr) (i32.const 1))) (i64.const 32))
      (i64.extend_i32_u (i32.sub (local.get $len) (i32.const 1)))))

  ;; pair: two results, which no column holds.
  (func (export "fn_pair") (param i64) (result i64 i64) (local.get 0) (i64.mul (local.get 0) (local.get 0))))
