;; end: deadline
;; requires: state
;; New keys, each put and deleted again: the state stays small.
(module (import "vanth" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "vanth" "state_del" (func $del (param i32 i32) (result i32))) (memory 1)
  (func (export "f")
    (loop $l
      (i32.store (i32.const 0) (i32.add (i32.const 1) (i32.load (i32.const 0))))
      (drop (call $put (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0)))
      (drop (call $del (i32.const 0) (i32.const 4)))
      (br $l))))
