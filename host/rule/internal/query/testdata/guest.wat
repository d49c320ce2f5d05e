;; The guest of the tests of lanes. Functions of numbers trap at 13, so that one row
;; fails among others.
(module
  (memory (export "memory") 4)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  ;; Arguments begin at 64 KiB.
  (func (export "vanth_buf") (param i32) (result i32)
    (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get 0) (i32.const 131072))))

  (func (export "fn_sum") (param f64 f64) (result f64)
    (if (f64.eq (local.get 0) (f64.const 13)) (then unreachable))
    (f64.add (local.get 0) (local.get 1)))
  ;; mix: all widths: c ? a + i : s - u.
  (func (export "fn_mix") (param $i i32) (param $c i32) (param $u i32) (param $s f32) (param $a i64) (result i64)
    (if (result i64) (local.get $c)
      (then (i64.add (local.get $a) (i64.extend_i32_s (local.get $i))))
      (else (i64.sub (i64.trunc_sat_f32_s (local.get $s)) (i64.extend_i32_u (local.get $u))))))
  ;; What comes in goes out, in each width.
  (func (export "fn_thin") (param f32) (result f32) (local.get 0))
  (func (export "fn_small") (param i32) (result i32)
    (if (i32.eq (local.get 0) (i32.const 13)) (then unreachable))
    (local.get 0))
  (func (export "fn_plus") (param i32) (result i32) (local.get 0))
  (func (export "fn_large") (param i64) (result i64) (local.get 0))
  (func (export "fn_flag") (param i32) (result i32) (local.get 0))
  (func (export "fn_odd") (param i64) (result i32) (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 1)))
  (func (export "fn_four") (result i64) (i64.const 4))
  ;; What words do not carry: two results, none.
  (func (export "fn_pair") (param i64) (result i64 i64) (local.get 0) (i64.mul (local.get 0) (local.get 0)))
  (func (export "fn_none") (param f64))
  ;; How often it was called in this instance.
  (global $calls (mut i64) (i64.const 0))
  (func (export "fn_count") (param f64) (result i64)
    (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
    (global.get $calls))

  ;; any: its one argument, whatever it is, but a trap for 13 and an error for null.
  (data (i32.const 32) "\c7\17\01\82\a3msg\a8negative\a5class\a2io")
  (func $any (export "fx_any") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.eq (i32.load8_u offset=1 (local.get $ptr)) (i32.const 13)) (then unreachable))
    (if (i32.eq (i32.load8_u offset=1 (local.get $ptr)) (i32.const 0xc0)) (then (return (i64.const 0x000000208000001a))))
    (i64.or (i64.shl (i64.extend_i32_u (i32.add (local.get $ptr) (i32.const 1))) (i64.const 32))
      (i64.extend_i32_u (i32.sub (local.get $len) (i32.const 1)))))
  ;; tally: how often it was called in this instance.
  (func $tally (export "fx_tally") (param $ptr i32) (param $len i32) (result i64)
    (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
    (i32.store8 (i32.const 16) (i32.const 0xcd))
    (i32.store8 (i32.const 17) (i32.wrap_i64 (i64.shr_u (global.get $calls) (i64.const 8))))
    (i32.store8 (i32.const 18) (i32.wrap_i64 (global.get $calls)))
    (i64.const 0x0000001000000003))

  ;; weigh: the same, and it takes its time; an error for 13.
  (func (export "fx_weigh") (param $ptr i32) (param $len i32) (result i64)
    (local $i i32)
    (if (i32.eq (i32.load8_u offset=1 (local.get $ptr)) (i32.const 13)) (then (return (i64.const 0x000000208000001a))))
    (loop $again
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000))))
    (call $tally (local.get $ptr) (local.get $len)))

  ;; same: its one float, an error for one below 0 and a trap for 13, one by one and,
  ;; as fb_same, many at once.
  (func $same (export "fx_same") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.ge_u (i32.load8_u offset=2 (local.get $ptr)) (i32.const 128))
      (then (return (i64.const 0x000000208000001a))))
    (if (i64.eq (i64.load offset=2 (local.get $ptr)) (i64.const 0x2a40)) (then unreachable))
    (i64.or (i64.shl (i64.extend_i32_u (i32.add (local.get $ptr) (i32.const 1))) (i64.const 32)) (i64.const 9)))
  (func (export "fb_same") (param $ptr i32) (param $len i32) (result i64)
    (local $end i32) (local $to i32) (local $head i32)
    (local.set $end (i32.add (local.get $ptr) (local.get $len)))
    (local.set $to (i32.const 1024))
    (local.set $head (select (i32.const 3) (i32.const 1) (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 0xdc))))
    (memory.copy (local.get $to) (local.get $ptr) (local.get $head))
    (local.set $ptr (i32.add (local.get $ptr) (local.get $head)))
    (local.set $len (i32.add (local.get $to) (local.get $head)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $ptr) (local.get $end)))
        (if (i64.eq (i64.load offset=2 (local.get $ptr)) (i64.const 0x2a40)) (then unreachable))
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
      (i64.extend_i32_u (i32.sub (local.get $len) (local.get $to))))))
