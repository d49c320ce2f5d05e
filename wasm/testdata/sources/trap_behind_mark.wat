;; next: map[n:1]; map[n:2]; trap unreachable; map[n:3]; map[n:4]; trap unreachable; map[n:5]
;; Each poll emits three rows, marks two, and traps: what is behind the mark comes
;; again, once, from the instance that was rewound to it.
(module
  (import "vanth" "emit" (func $emit (param i32 i32 i32 i32 i32 i64) (result i32)))
  (import "vanth" "mark" (func $mark (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\81\a1n\00")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (global $n (mut i32) (i32.const 0))
  (func $row (param $h i32) (param $k i32) (result i32)
    (i32.store8 (i32.const 19) (local.get $k))
    (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
  (func $marked (param $h i32)
    (drop (call $mark (local.get $h) (i32.const 19) (i32.const 1))))
  (func (export "so_s_rewind") (param $h i32) (param $ptr i32) (param $len i32) (result i64)
    (global.set $n (i32.load8_u (local.get $ptr)))
    (i64.const 0))
  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
    (drop (call $row (local.get $h) (i32.add (global.get $n) (i32.const 1)))) (call $marked (local.get $h))
    (drop (call $row (local.get $h) (i32.add (global.get $n) (i32.const 2)))) (call $marked (local.get $h))
    (drop (call $row (local.get $h) (i32.add (global.get $n) (i32.const 3))))
    unreachable))
