;; end: error
;; symbol: source
(module (import "vanth" "fail" (func $fail (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\c7\11\01\82\a3msg\a2no\a5class\a2io")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "so_f_poll") (param $h i32) (param i64) (result i64)
    (loop $l (drop (call $fail (local.get $h) (i32.const 16) (i32.const 20))) (br $l)) (i64.const 0)))
