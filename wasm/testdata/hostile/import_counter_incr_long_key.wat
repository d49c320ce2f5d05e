;; end: deadline|trap|bad memory reference
;; requires: state
(module (import "vanth" "counter_incr" (func $incr (param i32 i32 i64) (result i64))) (memory 256)
  (func (export "f") (loop $l (drop (call $incr (i32.const 0) (i32.const 0x1000000) (i64.const 1))) (br $l))))
