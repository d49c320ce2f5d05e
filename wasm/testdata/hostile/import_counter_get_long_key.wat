;; end: deadline|trap|bad memory reference
;; requires: state
(module (import "vanth" "counter_get" (func $get (param i32 i32) (result i64))) (memory 256)
  (func (export "f") (loop $l (drop (call $get (i32.const 0) (i32.const 0x1000000))) (br $l))))
