;; next: map[n:1]; error no; EOF; EOF
(module
  (import "vanth" "emit" (func $emit (param i32 i32 i32 i32 i32 i64) (result i32)))
  (import "vanth" "fail" (func $fail (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\81\a1n\00")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  ;; ext 1: {"msg": "no", "class": "fatal"}
  (data (i32.const 64) "\c7\14\01\82\a3msg\a2no\a5class\a5fatal")
  (func $row (param $h i32) (param $k i32) (result i32)
    (i32.store8 (i32.const 19) (local.get $k))
    (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
    (drop (call $row (local.get $h) (i32.const 1)))
    (drop (call $fail (local.get $h) (i32.const 64) (i32.const 23)))
    (i64.const 0)))
