;; end: deadline|trap
;; requires: state
(module (import "vanth" "counter_incr" (func $incr (param i32 i32 i64) (result i64))) (memory 1)
  (func (export "f")
    (loop $l
      (i32.store (i32.const 0) (i32.add (i32.const 1) (i32.load (i32.const 0))))
      (drop (call $incr (i32.const 0) (i32.const 4) (i64.const 1)))
      (br $l))))
