;; end: deadline
;; requires: state
;; The value of key k has a megabyte, and nobody takes it.
(module (import "vanth" "state_get" (func $get (param i32 i32 i32 i32) (result i32))) (memory 1)
  (data (i32.const 0) "k")
  (func (export "f") (loop $l (drop (call $get (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))) (br $l))))
