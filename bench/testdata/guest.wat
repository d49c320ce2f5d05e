;; The work that every subject does: add two floats, echo a frame, the same on
;; columns. And what tells how often an instance was called; a loop without an end,
;; for those beside it; and a source, whose start is that of an instance and nothing
;; more.
(module
  (memory (export "memory") 4)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  ;; Arguments lie in the upper half, results in the lower one.
  (func (export "vanth_buf") (param i32) (result i32)
    (select (i32.const 131072) (i32.const 0) (i32.le_u (local.get 0) (i32.const 131072))))
  (func (export "fn_add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1)))
  ;; [x] -> x: the frame of x begins one byte into that of [x]. It is copied, as
  ;; a guest that works on its argument would.
  (func (export "fx_echo") (param $ptr i32) (param $len i32) (result i64)
    (memory.copy (i32.const 1024) (i32.add (local.get $ptr) (i32.const 1)) (i32.sub (local.get $len) (i32.const 1)))
    (i64.or (i64.const 0x0000040000000000) (i64.extend_i32_u (i32.sub (local.get $len) (i32.const 1)))))
  ;; twice and sum: 2a, a + b, row by row and on columns.
  (func (export "fn_twice") (param f64) (result f64) (f64.add (local.get 0) (local.get 0)))
  (func (export "fc_twice") (param $rows i32) (param $in i32) (param $out i32) (result i32)
    (local $end i32) (local $v f64)
    (local.set $end (i32.add (local.get $in) (i32.shl (local.get $rows) (i32.const 3))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $end)))
        (local.set $v (f64.load (local.get $in)))
        (f64.store (local.get $out) (f64.add (local.get $v) (local.get $v)))
        (local.set $in (i32.add (local.get $in) (i32.const 8)))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (br $next)))
    (i32.const 0))
  (func (export "fn_sum") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1)))
  (func (export "fc_sum") (param $rows i32) (param $in i32) (param $out i32) (result i32)
    (local $end i32) (local $b i32)
    (local.set $b (i32.add (local.get $in) (i32.shl (local.get $rows) (i32.const 3))))
    (local.set $end (local.get $b))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $end)))
        (f64.store (local.get $out) (f64.add (f64.load (local.get $in)) (f64.load (local.get $b))))
        (local.set $in (i32.add (local.get $in) (i32.const 8)))
        (local.set $b (i32.add (local.get $b) (i32.const 8)))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (br $next)))
    (i32.const 0))
  ;; How often it was called in this instance: 1 in a new one.
  (global $calls (mut i64) (i64.const 0))
  (func (export "fn_count") (result i64)
    (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
    (global.get $calls))
  (func (export "fn_spin") (result i32) (loop $l (br $l)) (i32.const 0))
  (func (export "so_tick_poll") (param i32 i64) (result i64) (i64.const -1)))
